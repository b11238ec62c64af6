using System.Diagnostics;
using DataLayer.Core.Errors;
using DataLayer.Keeper;
using DataLayer.Server.Cli;

namespace DataLayer.Server.Mounts;

/// <summary>
/// <c>datalayer mount --daemon</c>: the same verb as a process of its own session, which this one waits for until it
/// has mounted. What goes wrong until then is this process's outcome.
/// </summary>
internal static class MountDaemon
{
    private const string LogName = "keeper.log";

    /// <summary>Starts the keeper; returns when it has mounted, or with its exit status.</summary>
    public static async Task<int> StartAsync(
        CommandRun run, MountKeeperOptions options, string log, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new(
            Environment.ProcessPath ?? throw new DataLayerException(
                ErrorCode.NotSupported, "This program does not know its own path: use --foreground."))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        string[] given = Environment.GetCommandLineArgs();
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        {
            start.ArgumentList.Add(given[0]);
        }

        foreach (string argument in given.Skip(1).Where(a => a is not ("--daemon" or "-d" or "--foreground")))
        {
            start.ArgumentList.Add(argument);
        }

        start.ArgumentList.Add("--detached");
        if (log.Length == 0)
        {
            start.ArgumentList.Add("--log");
            start.ArgumentList.Add(Path.Combine(options.StateFolder, LogName));
        }

        using Process keeper = Process.Start(start) ?? throw new DataLayerException(
            ErrorCode.NotSupported, $"'{start.FileName}' cannot be started: use --foreground.");
        try
        {
            Task<string> errors = keeper.StandardError.ReadToEndAsync(CancellationToken.None);
            if (await keeper.StandardOutput.ReadLineAsync(cancellationToken) is { } mounted)
            {
                run.Environment.Out.WriteLine(mounted);
                return ExitCode.Success;
            }

            await keeper.WaitForExitAsync(cancellationToken);
            run.Environment.Error.Write(await errors);
            return keeper.ExitCode == ExitCode.Success ? ExitCode.Failure : keeper.ExitCode;
        }
        catch (OperationCanceledException)
        {
            keeper.Kill();
            throw;
        }
    }
}
