using System.Diagnostics;
using System.Globalization;
using DataLayer.TestSupport.Interop;

namespace DataLayer.TestSupport.Processes;

/// <summary>
/// Makes system calls of a process fail, lie or wait, by <c>strace</c>'s injection. (Preloaded libraries miss calls made through
/// P/Invoke; strace sees them all.) Either attached to a running process for a while, or wrapped around a program from its start.
/// </summary>
/// <remarks>
/// An injection is strace's own text, for instance <c>fsync,fdatasync:error=EIO</c>, <c>fsync,fdatasync:retval=0</c> (the call is
/// skipped and succeeds) or <c>pread64:delay_enter=200ms</c>; <c>:when=3+</c> starts with the third call of each thread.
/// While attached every system call of the process stops twice, so it is slow: keep it short, or wrap, which filters with seccomp.
/// </remarks>
public sealed class StraceInjector : IAsyncDisposable
{
    private readonly Process _strace;

    private StraceInjector(Process strace) => _strace = strace;

    /// <summary>Every call that makes file data durable.</summary>
    public const string FlushCalls = "fsync,fdatasync,syncfs,sync_file_range,msync";

    /// <summary>Every call that writes file data.</summary>
    public const string WriteCalls = "write,pwrite64,pwritev,pwritev2";

    /// <summary>
    /// Attaches to a running process; the injection holds for all of its threads when the task completes, and ends with dispose. With
    /// paths, only calls on these files are touched.
    /// </summary>
    public static async Task<StraceInjector> AttachAsync(int processId, string injection, params IReadOnlyList<string> onlyPaths)
    {
        var calls = injection.Split(':')[0];
        List<string> arguments =
        [
            "-f", "-e", $"trace={calls}", "-e", $"inject={injection}", "-e", "status=none", "-p",
            processId.ToString(CultureInfo.InvariantCulture),
        ];
        foreach (var path in onlyPaths)
        {
            arguments.AddRange(["-P", path]);
        }

        var strace = Command.Start("strace", arguments, environment: null);
        while (await strace.StandardError.ReadLineAsync() is { } line)
        {
            if (line.Contains("attached", StringComparison.Ordinal))
            {
                _ = strace.StandardError.ReadToEndAsync();
                return new StraceInjector(strace);
            }
        }

        await strace.WaitForExitAsync();
        throw new InvalidOperationException($"strace did not attach to {processId} (exit code {strace.ExitCode}).");
    }

    /// <summary>A command line that runs a program under an injection from its first instruction to its last, children included.</summary>
    public static IReadOnlyList<string> Wrap(string injection, IReadOnlyList<string> commandLine)
    {
        var calls = injection.Split(':')[0];
        return
        [
            "strace", "-f", "--seccomp-bpf", "-qqq", "-o", "/dev/null", "-e", $"trace={calls}", "-e", $"inject={injection}", "--",
            .. commandLine,
        ];
    }

    /// <summary>Detaches; the process goes on unharmed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_strace.HasExited)
        {
            Signals.Send(_strace.Id, Signals.Interrupt);
        }

        await _strace.WaitForExitAsync();
        _strace.Dispose();
    }
}
