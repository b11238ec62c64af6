using System.Runtime.CompilerServices;

namespace DataLayer.Storage.Stripes;

/// <content>Where data and holes are.</content>
internal sealed partial class ColumnFile
{
    /// <summary>
    /// The first byte from an offset on that is data, or a hole. Chunks are told apart by their entries, never by what
    /// the file system below has allocated: bytes that were lost are data, so that reading them says so.
    /// </summary>
    /// <param name="offsetBytes">Where to begin, in the column.</param>
    /// <param name="endBytes">Where to give up.</param>
    /// <param name="hole">Look for a hole.</param>
    /// <returns>The offset found; <paramref name="endBytes"/> where there is none before.</returns>
    [SkipLocalsInit]
    internal long Seek(long offsetBytes, long endBytes, bool hole)
    {
        ThrowIfUnusable();
        Span<ChunkEntry> entries = stackalloc ChunkEntry[SideBook.PageEntryCount];
        for (long at = offsetBytes; at < endBytes;)
        {
            long chunk = at / ChunkBytes;
            (long group, long slot) = Math.DivRem(chunk, SideBook.PageEntryCount);
            if (!Side.PeekGroup(group, entries))
            {
                if (hole)
                {
                    return at;
                }

                at = group + 1 < Side.StoredGroupCount ? (group + 1) * SideBook.PageEntryCount * ChunkBytes : endBytes;
                continue;
            }

            for (; slot < SideBook.PageEntryCount && at < endBytes; slot++)
            {
                chunk = (group * SideBook.PageEntryCount) + slot;
                long dataEnd = (chunk * ChunkBytes) + CoveredBytes(chunk, entries[(int)slot]);
                if (hole != at < dataEnd)
                {
                    return at;
                }

                long chunkEnd = (chunk + 1) * ChunkBytes;
                if (hole && dataEnd < chunkEnd)
                {
                    return Math.Min(dataEnd, endBytes);
                }

                at = chunkEnd;
            }
        }

        return endBytes;
    }

    /// <summary>How many bytes of a chunk count as data. Of one that is not what a flush or this process left: all that
    /// it may turn out to have.</summary>
    private int CoveredBytes(long chunk, in ChunkEntry entry)
    {
        int length = Math.Max(entry.CurrentLength, entry.IsUnflushed ? entry.DurableLength : 0);
        return IsPlausible(chunk, entry) ? Math.Min(length, ChunkBytes) : ChunkBytes;
    }
}
