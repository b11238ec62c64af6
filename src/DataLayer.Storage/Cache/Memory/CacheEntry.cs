using System.Runtime.InteropServices;
using DataLayer.Core.Identity;

namespace DataLayer.Storage.Cache.Memory;

/// <summary>
/// One cached block: the header (who it is, how long, its CRC32C), where its bytes lie, and what the eviction policy
/// keeps about it. 128 bytes, two cache lines, in native memory. Layout in docs/FORMATS/cache.md.
/// </summary>
/// <remarks>
/// <see cref="Version"/> is odd while the bytes may be read and changes whenever they stop being so. A reader takes the
/// version from the index, copies, and believes the copy only if the version still stands. All else is written under
/// the cache's lock, except <see cref="LastAccess"/>, <see cref="Frequency"/>, <see cref="PolicyWord"/> and
/// <see cref="Marks"/>, which hits update without one: they are hints.
/// </remarks>
[StructLayout(LayoutKind.Sequential, Size = EntryTable.EntryBytes)]
internal unsafe struct CacheEntry
{
    /// <summary>Which block this is.</summary>
    public BlockId Block;

    /// <summary>Odd: readable. Even: free, being filled or being taken away.</summary>
    public uint Version;

    /// <summary>The block's length, bytes.</summary>
    public int Length;

    /// <summary>CRC32C of the bytes.</summary>
    public uint Checksum;

    /// <summary>The dataset the block was filled for; 0 is none.</summary>
    public int DatasetId;

    /// <summary>Policy: neighbours in the list the entry is on.</summary>
    public uint Previous;

    /// <summary>Policy: neighbours in the list the entry is on. In the free list: the next free entry.</summary>
    public uint Next;

    /// <summary>Policy: when it was last used, in ticks of the policy's clock.</summary>
    public uint LastAccess;

    /// <summary>Policy: how often it was used, saturating.</summary>
    public byte Frequency;

    /// <summary>Policy: which list it is on; 0 is none.</summary>
    public byte Queue;

    /// <summary>Not to be evicted now: being written, or on its way to the spill.</summary>
    public bool Busy;

    /// <summary>How many of <see cref="Pieces"/> are in use.</summary>
    public byte PieceCount;

    /// <summary>How often it is pinned.</summary>
    public int PinCount;

    /// <summary>Policy: free for the policy's use.</summary>
    public uint PolicyWord;

    /// <summary>Where the bytes lie, in order: the first granule of each piece.</summary>
    public fixed uint Pieces[SlabArena.MaxPieces];

    /// <summary>
    /// How long each piece is: 2^order granules. Kept here so that a reader need not look at the arena's map.
    /// </summary>
    public fixed byte Orders[SlabArena.MaxPieces];

    /// <summary>Policy: the marks of S3-FIFO.</summary>
    public byte Marks;

    /// <summary>The share the block belongs to; 0 is none.</summary>
    public byte Share;

    /// <summary>Whether the policy may choose it as a victim.</summary>
    public readonly bool IsEvictable => PinCount == 0 && !Busy;
}
