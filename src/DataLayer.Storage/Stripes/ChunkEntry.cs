using System.Runtime.InteropServices;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// What the side file knows of one 64 KiB chunk (docs/FORMATS/stripes.md). A checksum covers the chunk's first
/// <c>Length</c> bytes and who the chunk is; length 0 is a hole. All zero is no entry at all.
/// </summary>
/// <param name="CurrentCrc">The checksum of what was written last.</param>
/// <param name="DurableCrc">The checksum of what the last flush made durable.</param>
/// <param name="CurrentLength">How many bytes were written, 0 … 65,536.</param>
/// <param name="DurableLength">How many bytes the last flush made durable.</param>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal readonly record struct ChunkEntry(uint CurrentCrc, uint DurableCrc, int CurrentLength, int DurableLength)
{
    /// <summary>Bytes a chunk covers.</summary>
    internal const int ChunkBytes = 64 << 10;

    /// <summary>Bytes of an entry on disk, little-endian.</summary>
    internal const int EntryBytes = 16;

    /// <summary>
    /// On disk, set in the current length while bytes that no flush covered are overwritten: after a kill the chunk may
    /// fit no checksum, and is then taken as it is.
    /// </summary>
    private const int OverwriteMark = int.MinValue;

    /// <summary>Whether the process that wrote the entry may have been stopped in the middle of an overwrite.</summary>
    internal bool IsMarked => CurrentLength < 0;

    /// <summary>Whether the entry was never written, or was lost.</summary>
    internal bool IsAbsent => this == default;

    /// <summary>Whether the chunk changed since the last flush.</summary>
    internal bool IsUnflushed => CurrentCrc != DurableCrc || CurrentLength != DurableLength;

    /// <summary>The entry of a chunk that was never written.</summary>
    internal static ChunkEntry Hole(in ColumnId column, long chunkIndex)
    {
        uint bound = column.Bind(chunkIndex, 0);
        return new ChunkEntry(bound, bound, 0, 0);
    }

    /// <summary>The entry after a write: the durable half stays.</summary>
    internal ChunkEntry WithCurrent(uint sealedCrc, int lengthBytes) =>
        this with { CurrentCrc = sealedCrc, CurrentLength = lengthBytes };

    /// <summary>The entry as it is on disk while the chunk is overwritten.</summary>
    internal ChunkEntry Marked() => this with { CurrentLength = CurrentLength | OverwriteMark };

    /// <summary>The entry without the mark of an overwrite.</summary>
    internal ChunkEntry Unmarked() => this with { CurrentLength = CurrentLength & ~OverwriteMark };

    /// <summary>The entry after a flush.</summary>
    internal ChunkEntry Promoted() => this with { DurableCrc = CurrentCrc, DurableLength = CurrentLength };

    /// <summary>The entry taken back to what the last flush made durable.</summary>
    internal ChunkEntry Reverted() => this with { CurrentCrc = DurableCrc, CurrentLength = DurableLength };
}
