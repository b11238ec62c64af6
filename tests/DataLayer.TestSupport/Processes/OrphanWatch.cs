using System.Diagnostics;
using System.Globalization;

namespace DataLayer.TestSupport.Processes;

/// <summary>
/// Ends processes that this one started when this one ends, however it ends: each gets a small shell in its own session that waits for
/// either to go and then kills the started one by its id.
/// </summary>
public static class OrphanWatch
{
    private const string Program =
        "exec </dev/null >/dev/null 2>&1; while kill -0 \"$1\"; do kill -0 \"$0\" || { kill -9 \"$1\"; exit; }; sleep 2; done";

    /// <summary>Watches over a started process.</summary>
    public static void Add(int processId)
    {
        var own = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        using var shell = Process.Start(new ProcessStartInfo(
            "setsid", ["-f", "bash", "-c", Program, own, processId.ToString(CultureInfo.InvariantCulture)]))!;
        shell.WaitForExit();
    }
}
