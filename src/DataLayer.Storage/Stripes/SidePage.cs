namespace DataLayer.Storage.Stripes;

/// <summary>The entries of 256 chunks (16 MiB of a column) in memory, and which of them this process changed since the
/// last flush.</summary>
internal sealed class SidePage
{
    private readonly ulong[] _dirty = new ulong[SideBook.PageEntryCount / 64];

    internal ChunkEntry[] Entries { get; } = new ChunkEntry[SideBook.PageEntryCount];

    /// <summary>Whether the page has its place on disk.</summary>
    internal bool IsStored { get; set; }

    /// <summary>Whether any entry changed since the last flush.</summary>
    internal bool IsDirty => Array.Exists(_dirty, static word => word != 0);

    internal bool IsDirtySlot(int slot) => (_dirty[slot >> 6] & (1UL << slot)) != 0;

    internal void SetDirty(int slot, bool dirty)
    {
        if (dirty)
        {
            _dirty[slot >> 6] |= 1UL << slot;
        }
        else
        {
            _dirty[slot >> 6] &= ~(1UL << slot);
        }
    }
}
