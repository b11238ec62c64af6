using System.Diagnostics;
using System.Runtime.InteropServices;

namespace DataLayer.Server.Interop;

/// <summary>
/// Sleeps until a point of the monotonic clock, within some 50 µs: clock_nanosleep(2). The runtime's own timers are
/// whole milliseconds late, a third of the shortest compute times that accelerators are emulated with.
/// </summary>
internal static partial class MonotonicSleep
{
    private const int MonotonicClock = 1;
    private const int AbsoluteTime = 1;
    private const long NanosecondsASecond = 1_000_000_000;

    /// <summary>
    /// Blocks this thread until <see cref="Stopwatch"/> shows so much; returns at once where it does.
    /// </summary>
    public static unsafe void Until(long timestamp)
    {
        // On Linux the stopwatch counts nanoseconds of this very clock.
        TimeSpecification until = new()
        {
            Seconds = timestamp / NanosecondsASecond,
            Nanoseconds = timestamp % NanosecondsASecond,
        };
        while (Sleep(MonotonicClock, AbsoluteTime, &until, null) == Core.Errors.Errno.Interrupted)
        {
            // A signal came; the rest of the time is slept.
        }
    }

    [LibraryImport("libc", EntryPoint = "clock_nanosleep")]
    private static unsafe partial int Sleep(
        int clock, int flags, TimeSpecification* until, TimeSpecification* rest);

    /// <summary>struct timespec of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpecification
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
