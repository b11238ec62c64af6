using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace DataLayer.TestProcess.MountLoads;

/// <summary>
/// Clients that write, rename, map and verify in a folder until SIGTERM or SIGINT, whatever happens below it. Ends with a line
/// <c>total operations=N errors=N wrong=N slowest_ms=N</c> and exit code 0 where nothing was wrong.
/// </summary>
internal static class MountLoad
{
    /// <summary>Runs; at the end writes what every file must hold, <c>SHA256 PATH</c> a line, to a file outside of the folder.</summary>
    public static async Task<int> RunAsync(string folder, int seed, int clientCount, string manifest, TextWriter output)
    {
        using CancellationTokenSource stop = new();
        using var onTerminate = Stops(PosixSignal.SIGTERM, stop);
        using var onInterrupt = Stops(PosixSignal.SIGINT, stop);
        LoadReport report = new(output);
        SharedFiles shared = new(folder, clientCount);
        LoadClient[] clients = [.. Enumerable.Range(0, clientCount).Select(id => new LoadClient(folder, id, seed, report, shared))];
        Thread[] threads = [.. clients.Select(client => new Thread(() => Run(client, report, stop.Token)))];
        Array.ForEach(threads, thread => thread.Start());
        report.Write($"ready {clientCount} clients, seed {seed}");
        Array.ForEach(threads, thread => thread.Join());
        shared.Verify(report);
        await File.WriteAllLinesAsync(manifest, clients.SelectMany(client => client.Files()).Select(file =>
            $"{Convert.ToHexStringLower(SHA256.HashData(file.File.Content))} {file.Path}"));
        var operations = clients.Sum(client => client.Operations);
        report.Write(
            $"total operations={operations} errors={report.ErrorCount} wrong={report.WrongCount} slowest_ms={report.Slowest.TotalMilliseconds:F0}");
        return report.ErrorCount + report.WrongCount == 0 ? 0 : 1;
    }

    private static void Run(LoadClient client, LoadReport report, CancellationToken stop)
    {
        try
        {
            client.Run(stop);
        }
        catch (Exception e)
        {
            report.Wrong(client.Id, e.ToString().ReplaceLineEndings(" "));
        }
    }

    private static PosixSignalRegistration Stops(PosixSignal signal, CancellationTokenSource stop) =>
        PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            stop.Cancel();
        });
}
