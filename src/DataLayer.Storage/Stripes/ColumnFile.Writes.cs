using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Integrity;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes;

/// <content>Writes, truncation, holes.</content>
internal sealed partial class ColumnFile
{
    /// <summary>
    /// Makes the marks durable that overwriting a range of flushed bytes needs; with copies this comes before the first
    /// copy is written, so no copy is overwritten while another has no marks. Free for new chunks and appends.
    /// </summary>
    internal void PrepareWrite(long offsetBytes, long lengthBytes)
    {
        lock (_write)
        {
            ThrowIfUnusable();
            PrepareLocked(offsetBytes, lengthBytes);
            _step?.Invoke("write.prepared");
        }
    }

    /// <summary>Writes the view's bytes of the range. Not durable until <see cref="Flush"/>.</summary>
    /// <exception cref="DataLayerException">
    /// NoSpace or TargetFailed: what was there before stays readable, bytes of the range may be old or new. Corrupt:
    /// part of a damaged chunk was to be replaced.
    /// </exception>
    [SkipLocalsInit]
    internal void Write(long offsetBytes, int lengthBytes, in StripeView view)
    {
        lock (_write)
        {
            ThrowIfUnusable();
            PrepareLocked(offsetBytes, lengthBytes);
            _step?.Invoke("write.marked");
            long end = offsetBytes + lengthBytes;
            long firstChunk = offsetBytes / ChunkBytes;
            try
            {
                while (offsetBytes < end)
                {
                    long chunk = offsetBytes / ChunkBytes;
                    if (offsetBytes % ChunkBytes == 0 && end - offsetBytes >= ChunkBytes)
                    {
                        int whole = (int)Math.Min((end - offsetBytes) / ChunkBytes, StepChunks);
                        WriteWholeLocked(chunk, whole, view);
                        offsetBytes += (long)whole * ChunkBytes;
                    }
                    else
                    {
                        int from = (int)(offsetBytes - (chunk * ChunkBytes));
                        int to = (int)Math.Min(ChunkBytes, from + end - offsetBytes);
                        WritePartLocked(chunk, from, to, view);
                        offsetBytes += to - from;
                    }
                }
            }
            finally
            {
                // Also what was written before a failure: its entries are right already.
                Side.StoreEntries(firstChunk, (end - 1) / ChunkBytes);
            }

            _step?.Invoke("write.done");
        }
    }

    /// <summary>Cuts the column to a length, or grows it by a hole (which needs no bytes on disk).</summary>
    internal void Truncate(long lengthBytes)
    {
        lock (_write)
        {
            ThrowIfUnusable();
            long physical = PhysicalLength;
            if (lengthBytes >= physical)
            {
                return;
            }

            long firstChunk = lengthBytes / ChunkBytes;
            long lastChunk = (physical - 1) / ChunkBytes;
            Side.Prepare(firstChunk, lastChunk);
            int kept = (int)(lengthBytes % ChunkBytes);
            if (kept > 0)
            {
                ShortenLocked(firstChunk, kept);
                firstChunk++;
            }

            // Entries first and durable: after a crash in between the bytes are there and no entry speaks of them.
            MakeHolesLocked(firstChunk, lastChunk);
            Side.Flush();
            _step?.Invoke("cut.vouched");
            OwnLocked(lengthBytes, 0, 0);
            DurableFile.SetLength(File, _path, lengthBytes);
            _step?.Invoke("cut.done");
        }
    }

    /// <summary>Gives back the space of the whole chunks of a range.</summary>
    internal void Punch(long offsetBytes, long lengthBytes)
    {
        lock (_write)
        {
            ThrowIfUnusable();
            long firstChunk = (offsetBytes + ChunkBytes - 1) / ChunkBytes;
            long endChunk = Math.Min((offsetBytes + lengthBytes) / ChunkBytes, (PhysicalLength
                + ChunkBytes - 1) / ChunkBytes);
            if (firstChunk >= endChunk)
            {
                return;
            }

            Side.Prepare(firstChunk, endChunk - 1);
            MakeHolesLocked(firstChunk, endChunk - 1);
            Side.Flush();
            _step?.Invoke("punch.vouched");
            OwnLocked(PhysicalLength, firstChunk * ChunkBytes, endChunk * ChunkBytes);
            _ = DurableFile.TryPunchHole(File, _path, firstChunk * ChunkBytes, (endChunk - firstChunk) * ChunkBytes);
        }
    }

    /// <summary>Removes both files. Leases still held find the column deleted.</summary>
    /// <returns>Whether there was anything.</returns>
    internal bool Delete()
    {
        lock (_write)
        {
            _isDeleted = true;
            _loss = null;
            _ = DurableFile.Unlink(CopyPath);
            bool had = DurableFile.Unlink(_path);
            return DurableFile.Unlink(_path + ".sum") || had;
        }
    }

    private void PrepareLocked(long offset, long length)
    {
        if (_isUnborn)
        {
            throw new UnbornColumnException(Id);
        }

        OwnLocked();
        long firstChunk = offset / ChunkBytes;
        long lastChunk = (offset + length - 1) / ChunkBytes;
        Side.Prepare(firstChunk, lastChunk);
        long firstIntended = -1;
        long lastIntended = -1;
        long firstMarked = -1;
        long lastMarked = -1;
        for (long chunk = firstChunk; chunk <= lastChunk; chunk++)
        {
            ChunkEntry entry = Side.GetPage(chunk / SideBook.PageEntryCount).Entries[chunk % SideBook.PageEntryCount];
            long from = Math.Max(offset - (chunk * ChunkBytes), 0);
            if (from < entry.DurableLength)
            {
                firstIntended = firstIntended < 0 ? chunk : firstIntended;
                lastIntended = chunk;
            }

            if (entry.IsUnflushed && from < entry.CurrentLength)
            {
                firstMarked = firstMarked < 0 ? chunk : firstMarked;
                lastMarked = chunk;
            }
        }

        if (firstIntended >= 0)
        {
            Side.Intend(firstIntended, lastIntended);
        }

        if (firstMarked >= 0)
        {
            Side.StoreMarked(firstMarked, lastMarked);
        }
    }

    private void WriteWholeLocked(long firstChunk, int count, in StripeView view)
    {
        try
        {
            Scatter.Write(File, _path, firstChunk * ChunkBytes, count * ChunkBytes, view);
        }
        catch (DataLayerException)
        {
            for (int i = 0; i < count; i++)
            {
                ReadBackLocked(firstChunk + i);
            }

            throw;
        }

        for (int i = 0; i < count; i++)
        {
            long chunk = firstChunk + i;
            SetCurrentLocked(chunk, Seal(chunk, view.Slice(chunk * ChunkBytes, ChunkBytes)), ChunkBytes);
            FoundLocked(chunk);
        }
    }

    private void WritePartLocked(long chunk, int from, int to, in StripeView view)
    {
        ChunkEntry entry = ResolveLocked(chunk);
        long start = chunk * ChunkBytes;
        ReadOnlySpan<byte> source = view.Slice(start + from, to - from);
        int length = entry.CurrentLength;
        if (!IsPlausible(chunk, entry))
        {
            // Nothing is known of the chunk: only a write of all of it can heal it.
            throw CorruptChunk(chunk);
        }

        byte[] scratch = _scratch.Rent();
        try
        {
            int newLength = Math.Max(length, to);
            bool isLost = _loss is not null && _loss.Chunks.Contains(chunk);
            uint crc;
            if (from >= length && !isLost)
            {
                // An append: the checksum grows, nothing is read. A gap before it becomes written zeros.
                uint before = entry.CurrentCrc ^ Id.Bind(chunk, length);
                Span<byte> gap = scratch.AsSpan(0, from - length);
                gap.Clear();
                crc = Crc32C.Append(Crc32C.Append(before, gap), source);
                WriteOrReadBackLocked(chunk, gap, start + length);
                WriteOrReadBackLocked(chunk, source, start + from);
            }
            else
            {
                Span<byte> merged = scratch.AsSpan(0, newLength);
                merged[length..].Clear();
                bool isGood = DurableFile.Read(File, _path, merged[..length], start) == length
                    && Seal(chunk, merged[..length]) == entry.CurrentCrc;
                if (!isGood && (from > 0 || to < length))
                {
                    throw CorruptChunk(chunk);
                }

                source.CopyTo(merged[from..]);
                crc = Crc32C.Compute(merged);

                // After a failed flush the kernel holds the chunk's other pages as clean: all of it is written again.
                WriteOrReadBackLocked(chunk, isLost ? merged : source, isLost ? start : start + from);
            }

            SetCurrentLocked(chunk, crc ^ Id.Bind(chunk, newLength), newLength);
            FoundLocked(chunk);
        }
        finally
        {
            _scratch.Return(scratch);
        }
    }

    private void WriteOrReadBackLocked(long chunk, ReadOnlySpan<byte> bytes, long offset)
    {
        if (bytes.IsEmpty)
        {
            return;
        }

        try
        {
            DurableFile.Write(File, _path, bytes, offset);
        }
        catch (DataLayerException)
        {
            ReadBackLocked(chunk);
            throw;
        }
    }

    /// <summary>
    /// After a write that failed half way: the chunk's old bytes are partly replaced by the caller's. Both were good,
    /// so the entry is made to fit what is there now. If that cannot be read either the chunk is lost, and reads say
    /// so.
    /// </summary>
    private void ReadBackLocked(long chunk)
    {
        ChunkEntry entry = Side.GetPage(chunk / SideBook.PageEntryCount).Entries[chunk % SideBook.PageEntryCount];
        if (entry.CurrentLength is <= 0 or > ChunkBytes)
        {
            return;
        }

        byte[] scratch = _scratch.Rent();
        try
        {
            Span<byte> bytes = scratch.AsSpan(0, entry.CurrentLength);
            if (DurableFile.Read(File, _path, bytes, chunk * ChunkBytes) == bytes.Length)
            {
                SetCurrentLocked(chunk, Seal(chunk, bytes), bytes.Length);
            }
        }
        catch (DataLayerException)
        {
            // The caller throws the first error.
        }
        finally
        {
            _scratch.Return(scratch);
        }
    }

    /// <summary>The chunk's first bytes stay, the rest goes: durable marks first, as for an overwrite.</summary>
    private void ShortenLocked(long chunk, int kept)
    {
        ChunkEntry entry = ResolveLocked(chunk);
        if (entry.CurrentLength <= kept && IsPlausible(chunk, entry))
        {
            return;
        }

        byte[] scratch = _scratch.Rent();
        try
        {
            Span<byte> bytes = scratch.AsSpan(0, Math.Clamp(entry.CurrentLength, 0, ChunkBytes));
            if (!IsPlausible(chunk, entry) || DurableFile.Read(File, _path, bytes, chunk * ChunkBytes) != bytes.Length
                || Seal(chunk, bytes) != entry.CurrentCrc)
            {
                throw CorruptChunk(chunk);
            }

            if (entry.DurableLength > 0)
            {
                Side.Intend(chunk, chunk);
            }

            SetCurrentLocked(chunk, Seal(chunk, bytes[..kept]), kept);
            Side.StoreEntries(chunk, chunk);
        }
        finally
        {
            _scratch.Return(scratch);
        }
    }

    private void MakeHolesLocked(long firstChunk, long lastChunk)
    {
        for (long chunk = firstChunk; chunk <= lastChunk; chunk++)
        {
            ChunkEntry entry = ChunkEntry.Hole(Id, chunk);
            Side.SetEntry(chunk, entry);
            FoundLocked(chunk);
        }

        if (firstChunk <= lastChunk)
        {
            Side.StoreEntries(firstChunk, lastChunk);
        }
    }

    private void SetCurrentLocked(long chunk, uint sealedCrc, int length)
    {
        ChunkEntry entry = Side.GetPage(chunk / SideBook.PageEntryCount).Entries[chunk % SideBook.PageEntryCount];
        if (entry.IsAbsent)
        {
            entry = ChunkEntry.Hole(Id, chunk);
        }

        Side.SetEntry(chunk, entry.WithCurrent(sealedCrc, length));
    }

    /// <summary>All bytes of the chunk were written again: an earlier failed flush no longer concerns it.</summary>
    private void FoundLocked(long chunk)
    {
        if (_loss is not null && _loss.Chunks.Remove(chunk) && _loss.Chunks.Count == 0)
        {
            _loss = null;
        }
    }
}
