using System.Runtime.InteropServices;

namespace DataLayer.TestSupport.Posix;

/// <content>Calls that change the calling thread alone.</content>
public static partial class Sys
{
    private static readonly bool _isArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    /// <summary>The number of fcntl(2), for <see cref="PosixThread.WaitUntilIn"/>.</summary>
    public static long FcntlNumber => _isArm ? 25 : 72;

    /// <summary>The number of flock(2), for <see cref="PosixThread.WaitUntilIn"/>.</summary>
    public static long FlockNumber => _isArm ? 32 : 73;

    internal static int ThreadId() => Native.GetThreadId();

    internal static void Unshare(int flags) => Check(Native.Unshare(flags), "unshare");

    /// <summary>Groups, group, then user of this thread: real, effective, saved and file system ids, which drops all capabilities.</summary>
    internal static unsafe void Become(int user, int group, IReadOnlyList<int> groups)
    {
        var (setGroups, setGroup, setUser) = _isArm ? (159, 149, 147) : (116, 119, 117);
        int[] list = [.. groups];
        fixed (int* start = list)
        {
            Check(Native.SysCall(setGroups, list.Length, (nint)start, 0), "setgroups");
        }

        Check(Native.SysCall(setGroup, group, group, group), "setresgid");
        Check(Native.SysCall(setUser, user, user, user), "setresuid");
    }

    private static void Check(long result, string call)
    {
        if (result != 0)
        {
            throw new InvalidOperationException($"{call}: {(Errno)Marshal.GetLastPInvokeError()}");
        }
    }
}
