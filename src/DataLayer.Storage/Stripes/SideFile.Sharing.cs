using System.Runtime.InteropServices;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <content>The side file of another column with the same bytes.</content>
internal sealed partial class SideFile
{
    /// <summary>
    /// Writes the side file of a column that has this one's bytes, durable: each checksum loses one identity and gets
    /// the other, so no byte is read. What is damaged here is damaged there. Under the column's write lock, flushed.
    /// </summary>
    /// <returns>False if an entry is neither flushed nor damaged: nothing can vouch for it yet.</returns>
    internal bool TryWriteFor(in ColumnId other, string path)
    {
        using SafeFileHandle file = DurableFile.Open(path, write: true, create: true, exclusive: true);
        Span<ChunkEntry> entries = stackalloc ChunkEntry[SideBook.PageEntryCount];
        long groupCount = Math.Min(GroupCount, StoredGroupCount);
        for (long group = 0; group < groupCount; group++)
        {
            if (!PeekGroup(group, entries))
            {
                continue;
            }

            for (int slot = 0; slot < entries.Length; slot++)
            {
                if (!TryRebind(entries[slot], other, (group * SideBook.PageEntryCount) + slot, out entries[slot]))
                {
                    return false;
                }
            }

            DurableFile.Write(file, path, MemoryMarshal.AsBytes(entries), PageOffset(group));
        }

        Span<byte> block = stackalloc byte[SideBook.PageBytes];
        for (int index = 0; index < _books.Length; index++)
        {
            _books[index].ForOther(_books.Length).Encode(block, other, index);
            DurableFile.Write(file, path, block, index * SideBook.BookBytes);
        }

        DurableFile.FlushData(file, path);
        return true;
    }

    private bool TryRebind(in ChunkEntry entry, in ColumnId other, long chunk, out ChunkEntry bound)
    {
        bound = entry;
        if (entry.IsAbsent)
        {
            return true; // Damage, in a settled group: elsewhere it was read as the hole that it is.
        }

        if (entry.IsUnflushed)
        {
            return false;
        }

        uint crc = entry.CurrentCrc ^ _column.Bind(chunk, entry.CurrentLength) ^ other.Bind(chunk, entry.CurrentLength);
        bound = new ChunkEntry(crc, crc, entry.CurrentLength, entry.CurrentLength);
        return !bound.IsAbsent;
    }
}
