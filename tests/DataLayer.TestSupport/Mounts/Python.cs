using DataLayer.TestSupport.Processes;

namespace DataLayer.TestSupport.Mounts;

/// <summary>Runs Python 3 in a folder: a client of a mount that is another process, in few lines.</summary>
public static class Python
{
    private static readonly TimeSpan _limit = TimeSpan.FromMinutes(3);

    /// <summary>Runs a script with the folder as working directory; throws with its traceback where it fails.</summary>
    public static async Task<string> RunAsync(string folder, string script, params string[] arguments)
    {
        using var stop = new CancellationTokenSource(_limit);
        var result = await Command.TryRunAsync(
            "python3",
            ["-c", $"import os, sys\nos.chdir(sys.argv.pop(1))\n{script}", folder, .. arguments],
            environment: null,
            stop.Token);
        return result.ExitCode == 0
            ? result.Output
            : throw new InvalidOperationException($"The script ended with {result.ExitCode}:\n{result.Error}{result.Output}");
    }
}
