using System.Collections.Concurrent;
using System.Globalization;

namespace DataLayer.TestSupport.Posix;

/// <summary>
/// A thread that the kernel takes for a process of its own where file systems look: own umask and current folder (CLONE_FS), own table of
/// descriptors and so own owner of POSIX locks (CLONE_FILES), and, where asked, own user, groups and capabilities. Runs one
/// action after another; the process around it is not touched.
/// </summary>
/// <remarks>Descriptors that are open when it starts are open in it too, and stay so there until closed there or disposed.</remarks>
public sealed class PosixThread : IDisposable
{
    private const int CloneFileSystem = 0x200;
    private const int CloneFiles = 0x400;
    private readonly BlockingCollection<Action> _actions = [];
    private readonly Thread _thread;
    private readonly int _threadId;

    /// <summary>Starts it; with a table of descriptors of its own where <paramref name="ownFiles"/>.</summary>
    public PosixThread(bool ownFiles = true)
    {
        _thread = new Thread(Work) { IsBackground = true, Name = "posix" };
        _thread.Start();
        Do(() => Sys.Unshare(CloneFileSystem | (ownFiles ? CloneFiles : 0)));
        _threadId = Do(Sys.ThreadId);
    }

    /// <summary>Runs an action on a thread with its own umask (022) and current folder, and waits for it.</summary>
    public static void Run(Action action)
    {
        using var thread = new PosixThread(ownFiles: false);
        thread.Do(() =>
        {
            Sys.SetUmask(18);
            action();
        });
    }

    /// <summary>Runs an action as another user, without capabilities, and waits for it.</summary>
    public static void RunAs(int user, int group, IReadOnlyList<int> groups, Action action)
    {
        using var thread = new PosixThread(ownFiles: false);
        thread.Do(() =>
        {
            Sys.SetUmask(18);
            Sys.Become(user, group, groups);
            action();
        });
    }

    /// <summary>Runs an action there and waits for it; what it throws is thrown here.</summary>
    public void Do(Action action) => Start(action).GetAwaiter().GetResult();

    /// <inheritdoc cref="Do(Action)"/>
    public T Do<T>(Func<T> action)
    {
        T result = default!;
        Do(() => { result = action(); });
        return result;
    }

    /// <summary>Starts an action there that may block.</summary>
    public Task Start(Action action)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _actions.Add(() =>
        {
            try
            {
                action();
                done.SetResult();
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        });
        return done.Task;
    }

    /// <summary>Waits until the thread sleeps in a system call of this number, and says whether it came to that in ten seconds.</summary>
    public bool WaitUntilIn(long systemCall)
    {
        var wanted = systemCall.ToString(CultureInfo.InvariantCulture) + " ";
        return SpinWait.SpinUntil(
            () => File.ReadAllText(FormattableString.Invariant($"/proc/self/task/{_threadId}/syscall")).StartsWith(wanted, StringComparison.Ordinal),
            10_000);
    }

    /// <summary>Ends it; an action that blocks for good is left to the end of the process.</summary>
    public void Dispose()
    {
        _actions.CompleteAdding();
        if (_thread.Join(10_000))
        {
            _actions.Dispose();
        }
    }

    private void Work()
    {
        foreach (var action in _actions.GetConsumingEnumerable())
        {
            action();
        }
    }
}
