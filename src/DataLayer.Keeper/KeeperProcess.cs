using DataLayer.Keeper.Interop;

namespace DataLayer.Keeper;

/// <summary>Makes a process that does nothing but keep mounts a good neighbour.</summary>
public static class KeeperProcess
{
    private const ulong HeapLimitBytes = 32UL << 20;

    /// <summary>
    /// Leaves the terminal's session: its hang-up and its Ctrl-C are not for a keeper in the background.
    /// </summary>
    public static void LeaveSession() => _ = Libc.StartSession();

    /// <summary>Bounds the managed heap: a keeper holds a few kilobytes a mount, and may wait for months.</summary>
    public static void StaySmall()
    {
        AppContext.SetData("GCHeapHardLimit", HeapLimitBytes);
        GC.RefreshMemoryLimit();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }
}
