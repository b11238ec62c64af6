using System.ComponentModel;
using System.Runtime.InteropServices;

namespace DataLayer.TestSupport.Interop;

/// <summary>Signals by process id (kill(2)); numbers are the same on x86-64 and arm64.</summary>
public static partial class Signals
{
    /// <summary>SIGINT: what Ctrl-C sends.</summary>
    public const int Interrupt = 2;

    /// <summary>SIGKILL: ends a process between two instructions.</summary>
    public const int Kill = 9;

    /// <summary>SIGTERM: asks for a graceful stop.</summary>
    public const int Terminate = 15;

    /// <summary>SIGCONT: ends <see cref="Stop"/>.</summary>
    public const int Continue = 18;

    /// <summary>SIGSTOP: halts a process where it is.</summary>
    public const int Stop = 19;

    /// <summary>Sends a signal to one process; false where there is no such process.</summary>
    public static bool Send(int processId, int signal)
    {
        if (Send0(processId, signal) == 0)
        {
            return true;
        }

        const int noSuchProcess = 3;
        var errno = Marshal.GetLastPInvokeError();
        return errno == noSuchProcess ? false : throw new Win32Exception(errno, $"kill({processId}, {signal})");
    }

    /// <summary>
    /// Sends <see cref="Stop"/> and waits until no thread of the process can do anything any more: the signal alone leaves those on
    /// other processors some more instructions. A thread within a system call that cannot be interrupted stops at the call's end.
    /// </summary>
    /// <exception cref="TimeoutException">It still runs after 10 s.</exception>
    public static void Halt(int processId)
    {
        Send(processId, Stop);
        var tasks = FormattableString.Invariant($"/proc/{processId}/task");
        if (!SpinWait.SpinUntil(() => Directory.GetDirectories(tasks).All(task => IsHalted(task + "/stat")), TimeSpan.FromSeconds(10)))
        {
            throw new TimeoutException($"Process {processId} was told to stop and still runs.");
        }
    }

    private static bool IsHalted(string stat)
    {
        try
        {
            var text = File.ReadAllText(stat);
            return text[text.LastIndexOf(')') + 2] is 'T' or 't' or 'D' or 'Z' or 'X';
        }
        catch (IOException)
        {
            return true; // The thread is gone.
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Send0(int processId, int signal);
}
