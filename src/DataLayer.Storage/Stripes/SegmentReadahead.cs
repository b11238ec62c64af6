using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// Readahead for passes over the small files of a segment. A pass reads them in an order the kernel takes for random,
/// 16 KiB at a time; but a segment's neighbours are one dataset's files, and the pass comes to all of them. So the
/// first read in a window of <see cref="WindowBytes"/> asks the kernel for the whole window (5 to 15 % more files/s
/// from a cold page cache; 64 KiB and 256 KiB gave the same).
/// </summary>
/// <remarks>
/// Each window is asked for once until as many bytes were read as the segment is long (a pass's worth), so readers
/// that want only some of the files, or more than the page cache holds, cost the disk at most one more reading of the
/// segment a pass. Windows that are cached already cost the kernel a look-up. Safe for concurrent use; races lose or
/// repeat a hint, which is only speed.
/// </remarks>
internal sealed class SegmentReadahead
{
    /// <summary>The unit of a hint, bytes.</summary>
    internal const int WindowBytes = 128 << 10;

    private const long MinimumPassBytes = 8L << 20;
    private const int WindowCount = (1 << 30) / WindowBytes; // The longest segment the options allow.
    private readonly ulong[] _asked = new ulong[WindowCount / 64];
    private long _passBytes;
    private long _endBytes;

    /// <summary>
    /// Whether the window at <paramref name="offsetBytes"/> is to be asked for before a read of
    /// <paramref name="lengthBytes"/> bytes there.
    /// </summary>
    internal bool Note(long offsetBytes, long lengthBytes)
    {
        long end = offsetBytes + lengthBytes;
        if (end > Volatile.Read(ref _endBytes))
        {
            Volatile.Write(ref _endBytes, end);
        }

        long window = offsetBytes / WindowBytes;
        if (window >= WindowCount)
        {
            return false;
        }

        if (Interlocked.Add(ref _passBytes, lengthBytes) >= Math.Max(Volatile.Read(ref _endBytes), MinimumPassBytes))
        {
            Volatile.Write(ref _passBytes, 0);
            Array.Clear(_asked);
        }

        ulong bit = 1ul << (int)(window % 64);
        ref ulong word = ref _asked[window / 64];
        return (Volatile.Read(ref word) & bit) == 0 && (Interlocked.Or(ref word, bit) & bit) == 0;
    }

    /// <summary>Asks the kernel for the window at <paramref name="offsetBytes"/>; it reads in the background.</summary>
    internal static void Ask(SafeFileHandle file, long offsetBytes) => DurableFile.Advise(
        file, offsetBytes / WindowBytes * WindowBytes, WindowBytes, Libc.AdviseWillNeed);
}
