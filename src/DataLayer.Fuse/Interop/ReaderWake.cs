using System.Runtime.InteropServices;

namespace DataLayer.Fuse.Interop;

/// <summary>
/// Wakes a thread that waits in a read of the device, by a signal that does nothing but end the wait with EINTR.
/// </summary>
/// <remarks>
/// The device is shared with the keeper and the next service, so it can be neither closed nor made non-blocking, and a
/// poll before each read would cost a system call a request. The handler is abs(3): it takes an int, touches nothing,
/// and is no managed code, which must not run in a signal. The signal (a real-time one that the runtime does not use)
/// is sent to the one thread; one that comes just before the read is lost, so the caller repeats it.
/// </remarks>
internal static class ReaderWake
{
    private const int Signal = 44; // SIGRTMIN + 10.
    private static readonly bool _isInstalled = Install();

    /// <summary>The calling thread's number.</summary>
    internal static int CurrentThread => _isInstalled ? FuseLibc.GetThreadId() : 0;

    /// <summary>Interrupts a thread's system call; nothing happens if it has ended.</summary>
    internal static void Wake(int thread)
    {
        if (thread > 0)
        {
            _ = FuseLibc.SignalThread(Environment.ProcessId, thread, Signal);
        }
    }

    private static bool Install()
    {
        nint libc = NativeLibrary.Load("libc.so.6");
        _ = FuseLibc.SetSignalHandler(Signal, NativeLibrary.GetExport(libc, "abs"));
        _ = FuseLibc.SetInterrupts(Signal, 1); // Without: the read would be started again.
        return true;
    }
}
