using System.Globalization;

namespace DataLayer.TestSupport.Processes;

/// <summary>A load of the test process that tells each change before and after it is made, and is killed in the middle.</summary>
public static class KilledLoad
{
    /// <summary>
    /// Runs a load (<c>VERB WHERE SEED</c>), kills it after so many lines, and returns what it said: <c>&gt; WORKER CHANGE</c> before a
    /// change and <c>&lt; WORKER CHANGE</c> when it is acknowledged. Each line ends with a full stop, taken off here; one without was
    /// cut off by the kill and is left out.
    /// </summary>
    /// <exception cref="InvalidOperationException">It ended by itself.</exception>
    public static async Task<List<string>> RunAsync(string verb, string where, int seed, int afterLines)
    {
        var program = BuiltProgram.Find("DataLayer.TestProcess", "DataLayer.TestProcess");
        using var process = Command.Start(
            "dotnet", [program, verb, where, seed.ToString(CultureInfo.InvariantCulture)], environment: null);
        OrphanWatch.Add(process.Id);
        List<string> lines = [];
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            lines.Add(line);
            if (lines.Count == afterLines)
            {
                process.Kill();
            }
        }

        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (lines.Count < afterLines)
        {
            throw new InvalidOperationException($"The load ended by itself after {lines.Count} lines: {error}");
        }

        return [.. lines.Where(line => line.EndsWith(" .", StringComparison.Ordinal)).Select(line => line[..^2])];
    }
}
