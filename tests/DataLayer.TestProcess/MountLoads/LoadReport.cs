using System.Diagnostics;
using DataLayer.TestSupport.Posix;

namespace DataLayer.TestProcess.MountLoads;

/// <summary>
/// What the clients of a mount load saw, one line each: <c>beat CLIENT OPERATIONS</c>, <c>slow MILLISECONDS CLIENT CALL</c> (calls of
/// more than 50 ms), <c>error CLIENT CALL ERRNO</c>, <c>wrong CLIENT TEXT</c>.
/// </summary>
internal sealed class LoadReport(TextWriter output)
{
    private static readonly TimeSpan _slow = TimeSpan.FromMilliseconds(50);
    private readonly Lock _lock = new();

    /// <summary>Calls that failed and should not have.</summary>
    internal int ErrorCount { get; private set; }

    /// <summary>Places where the bytes, sizes or names were not those of the model.</summary>
    internal int WrongCount { get; private set; }

    /// <summary>The longest call.</summary>
    internal TimeSpan Slowest { get; private set; }

    internal void Beat(int client, long operations) => Write($"beat {client} {operations}");

    internal void Error(int client, string call, long result)
    {
        lock (_lock)
        {
            ErrorCount++;
        }

        Write($"error {client} {call} {(Errno)(-result)}");
    }

    internal void Wrong(int client, string text)
    {
        lock (_lock)
        {
            WrongCount++;
        }

        Write($"wrong {client} {text}");
    }

    internal void Took(int client, string call, long startedAt)
    {
        var took = Stopwatch.GetElapsedTime(startedAt);
        lock (_lock)
        {
            Slowest = took > Slowest ? took : Slowest;
        }

        if (took > _slow)
        {
            Write($"slow {took.TotalMilliseconds:F0} {client} {call}");
        }
    }

    internal void Write(FormattableString line)
    {
        lock (_lock)
        {
            output.WriteLine(FormattableString.Invariant(line));
            output.Flush();
        }
    }
}
