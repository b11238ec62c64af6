using System.Runtime.InteropServices;

namespace DataLayer.Server.Interop;

/// <summary>
/// Makes the C library and the garbage collector give memory back, so that the process keeps to its budget. Source of
/// the
/// constants: mallopt(3), malloc.h of the GNU C library.
/// </summary>
internal static partial class ProcessMemory
{
    private const int TrimThreshold = -1;
    private const int MmapThreshold = -3;
    private const int ArenaMax = -8;
    private const int LargeBlockBytes = 128 << 10;
    private const long MinManagedBytes = 128L << 20;

    /// <summary>Applies the bounds of a process that may use <paramref name="budgetBytes"/> bytes.</summary>
    /// <remarks>
    /// Transfer buffers are blocks of 64 KiB to 8 MiB. Left alone, glibc raises its mmap threshold to the largest block
    /// ever
    /// freed and keeps them in an arena a thread, which held twice the budget here. With a fixed threshold a freed
    /// buffer
    /// goes back to the kernel. The managed heap gets two fifths of the budget as its hard limit: the collector
    /// takes that for the machine's memory and collects before it is reached.
    /// </remarks>
    public static void Bound(long budgetBytes)
    {
        try
        {
            // A failure (0) leaves the library's default, which is right but keeps more.
            _ = SetMallocOption(MmapThreshold, LargeBlockBytes);
            _ = SetMallocOption(TrimThreshold, LargeBlockBytes);
            _ = SetMallocOption(ArenaMax, 2);
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library: musl gives large blocks back by itself.
        }

        AppContext.SetData("GCHeapHardLimit", (ulong)Math.Max(MinManagedBytes, budgetBytes * 2 / 5));
        GC.RefreshMemoryLimit();
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int SetMallocOption(int option, int value);
}
