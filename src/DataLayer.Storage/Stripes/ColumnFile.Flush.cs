using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes;

/// <content>Flush, recovery after an unclean stop, repair.</content>
internal sealed partial class ColumnFile
{
    /// <summary>Marks a fault that repeats an earlier one: the target is not fenced again for it.</summary>
    internal const string RememberedKey = "remembered";

    /// <summary>
    /// Makes all writes durable: the data, then the entries that vouch for it, then the names. A failure concerns every
    /// chunk that was not durable yet; flushes fail from then on until each of them was written again as a whole.
    /// </summary>
    internal void Flush()
    {
        lock (_write)
        {
            ThrowIfUnusable();
            ThrowIfLostLocked();
            FlushLocked();
        }
    }

    private void ThrowIfLostLocked()
    {
        if (_loss is not null)
        {
            DataLayerException remembered = new(ErrorCode.TargetFailed,
                $"An earlier flush of '{_path}' failed ({_loss.Reason}) and {_loss.Chunks.Count} chunks were "
                    + $"not written again "
                + "since. Write the data again or delete the file.");
            remembered.Data[RememberedKey] = true;
            throw remembered;
        }
    }

    /// <summary>
    /// Flushes if needed and takes crash marks back: the files may be closed after. False if that failed; <see
    /// cref="Loss"/> then says what must be remembered.
    /// </summary>
    internal bool TryPrepareClose()
    {
        lock (_write)
        {
            if (_side is null || _isDeleted || _needsRecovery || _isReadOnly || _loss is not null)
            {
                return true;
            }

            try
            {
                FlushLocked();
                FlushOwnNameLocked();
                Side.ClearIntent();
                return true;
            }
            catch (DataLayerException)
            {
                return false;
            }
        }
    }

    /// <summary>
    /// First half of a recovery: every chunk of the marked pages gets an entry that fits its bytes. Reads and repairs
    /// are allowed until <see cref="EndRecovery"/>.
    /// </summary>
    /// <returns>The chunks of the marked pages; those whose entry had to be made from their bytes have their sign
    /// flipped (~chunk).</returns>
    internal List<long> BeginRecovery()
    {
        lock (_write)
        {
            List<long> chunks = [];
            _isRecovering = true;
            long chunkCount = (PhysicalLength + ChunkBytes - 1) / ChunkBytes;
            foreach (long group in Side.GetIntendedGroups())
            {
                long first = group * SideBook.PageEntryCount;
                for (long chunk = first; chunk < Math.Min(first + SideBook.PageEntryCount, chunkCount); chunk++)
                {
                    chunks.Add(RecoverLocked(chunk) ? ~chunk : chunk);
                }
            }

            return chunks;
        }
    }

    /// <summary>Second half: what was recovered is made durable, then the marks go.</summary>
    internal void EndRecovery()
    {
        lock (_write)
        {
            if (_needsRecovery)
            {
                if (_loss is not null)
                {
                    OwnLocked();
                }

                Side.Prepare(0, 0);
                RewriteLostLocked();
                FlushLocked();
                Side.ClearIntent();
            }

            _needsRecovery = false;
            _isRecovering = false;
        }
    }

    /// <summary>Replaces a chunk by bytes of a verified copy: the whole chunk with its length. A hole if empty. Of a
    /// file that others have too the chunk is replaced for all of them, where they all expect these
    /// bytes.</summary>
    internal void Repair(long chunk, ReadOnlyMemory<byte> bytes)
    {
        lock (_write)
        {
            ThrowIfUnusable();
            if (!IsVouchedForLocked(chunk, bytes.Span))
            {
                OwnLocked();
            }

            Side.Prepare(chunk, chunk);
            Side.Intend(chunk, chunk);
            if (bytes.Length > 0)
            {
                DurableFile.Write(File, _path, bytes.Span, chunk * ChunkBytes);
                SetCurrentLocked(chunk, Seal(chunk, bytes.Span), bytes.Length);
            }
            else
            {
                Side.SetEntry(chunk, ChunkEntry.Hole(Id, chunk));
            }

            Side.StoreEntries(chunk, chunk);
        }
    }

    /// <summary>
    /// Whether bytes are those that the chunk's entry has a checksum of, and all contents with the file have one of: a
    /// shared file did not change since it was shared. A hole changes nothing in the file.
    /// </summary>
    private bool IsVouchedForLocked(long chunk, ReadOnlySpan<byte> bytes)
    {
        ChunkEntry entry = Side.GetPage(chunk / SideBook.PageEntryCount).Entries[chunk % SideBook.PageEntryCount];
        return bytes.IsEmpty || (!entry.IsUnflushed && entry.CurrentLength == bytes.Length
            && entry.CurrentCrc == Seal(chunk, bytes));
    }

    /// <summary>Reads a chunk as it is stored, verified, for comparison and repair; returns its length, 0 for a
    /// hole.</summary>
    /// <exception cref="DataLayerException">Corrupt, TargetFailed.</exception>
    internal int ReadChunk(long chunk, Memory<byte> destination)
    {
        lock (_write)
        {
            ThrowIfUnusable();
            ChunkEntry entry = ResolveLocked(chunk);
            if (!IsPlausible(chunk, entry))
            {
                throw CorruptChunk(chunk);
            }

            StripeView view = new(destination, chunk * ChunkBytes);
            return entry.CurrentLength == 0 || TryReadPart(chunk, entry, 0, entry.CurrentLength, view)
                ? entry.CurrentLength
                : throw CorruptChunk(chunk);
        }
    }

    private void FlushLocked()
    {
        // One that was never written keeps its mark until its set is known to be complete.
        if (_isUnborn || (!Side.IsUnflushed && _isNameDurable))
        {
            return;
        }

        List<long> groups = [];
        try
        {
            FlushOwnNameLocked(); // Before any entry vouches for what only the file of this name has.
            ResolveLeftoversLocked();
            groups = Side.GetDirtyGroups();
            DurableFile.Flush(File, _path);
            foreach (long group in groups)
            {
                PromoteLocked(group);
            }

            Side.Flush();
            if (!_isNameDurable)
            {
                DurableFile.FlushDirectory(Path.GetDirectoryName(_path)!);
                _isNameDurable = true;
            }
        }
        catch (DataLayerException fault)
        {
            RememberLossLocked(groups.Count > 0 ? groups : Side.GetDirtyGroups(), fault);
            throw;
        }

        foreach (long group in groups)
        {
            SidePage page = Side.GetPage(group);
            for (int slot = 0; slot < SideBook.PageEntryCount; slot++)
            {
                page.SetDirty(slot, dirty: false);
            }
        }

        Side.MarkFlushed(groups);
    }

    /// <summary>
    /// Entries that an earlier process wrote and did not flush are settled before they are vouched for. Only a file
    /// opened with the unflushed mark and not made by this process can have them.
    /// </summary>
    private void ResolveLeftoversLocked()
    {
        if (_leftoversResolved)
        {
            return;
        }

        long chunkCount = (PhysicalLength + ChunkBytes - 1) / ChunkBytes;
        for (long chunk = 0; chunk < chunkCount; chunk++)
        {
            _ = ResolveLocked(chunk);
        }

        _leftoversResolved = true;
    }

    private void PromoteLocked(long group)
    {
        SidePage page = Side.GetPage(group);
        int first = -1;
        int last = -1;
        for (int slot = 0; slot < SideBook.PageEntryCount; slot++)
        {
            if (page.IsDirtySlot(slot))
            {
                first = first < 0 ? slot : first;
                last = slot;
                Side.PromoteEntry(page, slot);
            }
        }

        if (first >= 0)
        {
            long start = group * SideBook.PageEntryCount;
            Side.StoreEntries(start + first, start + last);
        }
    }

    private void RememberLossLocked(List<long> groups, DataLayerException fault)
    {
        _loss ??= new ColumnLoss(fault.Message, []);
        foreach (long group in groups)
        {
            SidePage page = Side.GetPage(group);
            for (int slot = 0; slot < SideBook.PageEntryCount; slot++)
            {
                if (page.IsDirtySlot(slot))
                {
                    _loss.Chunks.Add((group * SideBook.PageEntryCount) + slot);
                }
            }
        }

        if (_loss.Chunks.Count == 0)
        {
            // Nothing but names or times was to be flushed; the whole file is suspect: its first chunk stands for it.
            _loss.Chunks.Add(0);
        }
    }

    /// <summary>
    /// After a failed flush the kernel may hold lost bytes as clean: what is still readable is written again, so that
    /// the flush that follows covers it. The loss itself stays remembered.
    /// </summary>
    private void RewriteLostLocked()
    {
        byte[] scratch = _scratch.Rent();
        try
        {
            foreach (long chunk in _loss?.Chunks ?? [])
            {
                int length = DurableFile.Read(File, _path, scratch, chunk * ChunkBytes);
                DurableFile.Write(File, _path, scratch.AsSpan(0, length), chunk * ChunkBytes);
            }
        }
        finally
        {
            _scratch.Return(scratch);
        }
    }

    /// <summary>Makes the entry fit the bytes; true if neither checksum did and one was made from what is
    /// there.</summary>
    private bool RecoverLocked(long chunk)
    {
        ChunkEntry entry = ResolveLocked(chunk);
        byte[] scratch = _scratch.Rent();
        try
        {
            int longest = Math.Clamp(Math.Max(entry.CurrentLength, entry.DurableLength), 0, ChunkBytes);
            int read = DurableFile.Read(File, _path, scratch.AsSpan(0, longest), chunk * ChunkBytes);
            if (Matches(chunk, scratch.AsSpan(0, read), entry.CurrentCrc, entry.CurrentLength))
            {
                return false;
            }

            if (read < longest || entry.IsAbsent || longest == 0)
            {
                // Bytes are missing altogether: no overwrite does that. It stays damaged.
                return false;
            }

            Side.Prepare(chunk, chunk);
            SetCurrentLocked(chunk, Seal(chunk, scratch.AsSpan(0, longest)), longest);
            Side.StoreEntries(chunk, chunk);
            return true;
        }
        finally
        {
            _scratch.Return(scratch);
        }
    }
}
