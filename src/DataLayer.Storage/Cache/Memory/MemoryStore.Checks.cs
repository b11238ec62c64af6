using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;

namespace DataLayer.Storage.Cache.Memory;

/// <content>Checksums and integrity of what is cached.</content>
internal sealed unsafe partial class MemoryStore
{
    /// <summary>
    /// Checks the checksum of one entry's bytes against its header. A bad block is taken out and counted. Returns the
    /// bytes looked at; 0 if the entry holds nothing now.
    /// </summary>
    public int Scrub(uint entry)
    {
        BlockIndex.Session session = _index.Borrow();
        try
        {
            return Compare(entry, Volatile.Read(ref _entries[entry].Version));
        }
        finally
        {
            BlockIndex.Return(session);
        }
    }

    /// <summary>
    /// As <see cref="Scrub"/>, for the block that waits longest since a sweep moved its index record. False if none
    /// waits.
    /// </summary>
    public bool TryScrubSwept(out int bytes)
    {
        BlockIndex.Session session = _index.Borrow();
        try
        {
            bool any = TryTakeSwept(out uint entry, out uint version);
            bytes = any ? Compare(entry, version) : 0;
            return any;
        }
        finally
        {
            BlockIndex.Return(session);
        }
    }

    /// <summary>Compares one survivor of a sweep, if any waits. For the holder of a session.</summary>
    private void CheckSwept()
    {
        if (TryTakeSwept(out uint entry, out uint version))
        {
            Compare(entry, version);
        }
    }

    private bool TryTakeSwept(out uint entry, out uint version)
    {
        entry = version = 0;
        if (!_swept.HasSurvivors)
        {
            return false;
        }

        lock (_lock)
        {
            return _swept.TryTakeSurvivor(out entry, out version);
        }
    }

    /// <summary>
    /// Compares an entry's bytes with its checksum, if it still has that version; returns the bytes looked at.
    /// </summary>
    private int Compare(uint entry, uint version)
    {
        ref CacheEntry node = ref _entries[entry];
        BlockId block = node.Block;
        int length = node.Length;
        uint expected = node.Checksum;
        if ((version & 1) == 0 || !IsStill(entry, version))
        {
            return 0;
        }

        bool good = TryChecksum(entry, length, out uint checksum) && checksum == expected;
        if (!good)
        {
            DropBad(block, BlockLocation.Of(entry, ref node, version));
        }

        return length;
    }

    /// <summary>Takes out what a sweep found damaged.</summary>
    private void DropDamagedLocked()
    {
        while (_swept.TryTakeDamaged(out BlockLocation location))
        {
            if (location.Entry == 0)
            {
                _badBlocks++;
            }
            else
            {
                DropBadLocked(location);
            }
        }
    }

    /// <summary>Puts a wrong record into the index, for tests of what is done about damaged ones.</summary>
    internal void OverwriteRecord(in BlockId block, in BlockLocation location)
    {
        lock (_lock)
        {
            _index.Overwrite(block, location);
        }
    }

    /// <summary>
    /// Checks that pieces, entries, index and counters agree. For tests and soaks: nobody else may use the store.
    /// </summary>
    public void CheckIntegrity()
    {
        _arena.CheckIntegrity();
        BlockIndex.Session session = _index.Borrow();
        try
        {
            long pieces = _givenUpBytes + _logRoom.Count * (long)EntryTable.ChunkBytes, bytes = 0;
            int live = 0;
            for (uint entry = 1; entry < _entries.End; entry++)
            {
                ref CacheEntry node = ref _entries[entry];
                if ((node.Version & 1) == 0)
                {
                    continue;
                }

                live++;
                bytes += node.Length;
                pieces += PieceBytes(entry);
                Check(TryFindLive(session, node.Block, out uint found) && found == entry,
                    $"{node.Block} is not indexed");
                Check(TryChecksum(entry, node.Length, out uint checksum) && checksum == node.Checksum,
                    $"{node.Block} is damaged");
                Check(!node.Busy, $"{node.Block} is still busy");
            }

            Check(live == _blocks && live == _entries.Count && bytes == _blockBytes,
                $"{live} blocks of {bytes} bytes are live");
            Check(pieces + _entries.ChunkCount * (long)EntryTable.ChunkBytes == _arena.UsedBytes, "pieces leaked");
        }
        finally
        {
            BlockIndex.Return(session);
        }
    }

    private static void Check(bool holds, string what)
    {
        if (!holds)
        {
            throw new InvalidOperationException($"The cache is inconsistent: {what}.");
        }
    }

    private bool TryChecksum(uint entry, int length, out uint checksum)
    {
        ref CacheEntry node = ref _entries[entry];
        checksum = 0;
        for (int i = 0; length > 0; i++)
        {
            int order = i < SlabArena.MaxPieces ? node.Orders[i] : byte.MaxValue;
            if (i >= node.PieceCount || !_arena.TryGetPiece(node.Pieces[i], order, out byte* pointer))
            {
                return false;
            }

            int bytes = SlabArena.GranuleBytes << order;
            checksum = Crc32C.Append(checksum, new ReadOnlySpan<byte>(pointer, Math.Min(bytes, length)));
            length -= bytes;
        }

        return true;
    }

    private void DropBad(in BlockId block, in BlockLocation location)
    {
        lock (_lock)
        {
            // If the version moved on, the block was replaced meanwhile and nothing is wrong.
            if (_entries[location.Entry].Version == location.Version)
            {
                // The index knows who the block was; the header may be what is damaged.
                _entries[location.Entry].Block = block;
                DropBadLocked(location);
            }
        }
    }

    /// <summary>Takes a block out whose bytes, header or index record are damaged.</summary>
    private void DropBadLocked(in BlockLocation location)
    {
        ref CacheEntry node = ref _entries[location.Entry];
        if (node.Version != location.Version)
        {
            return;
        }

        _badBlocks++;
        if (node.Pieces[0] != location.Piece)
        {
            // Nobody knows which of the two is right, so the arena does not get the pieces back: they may be another's.
            for (int i = 0; i < node.PieceCount; i++)
            {
                _givenUpBytes += (long)SlabArena.GranuleBytes << node.Orders[i];
            }

            node.PieceCount = 0;
        }

        RemoveLocked(location.Entry, evicted: false);
    }

    private long PieceBytes(uint entry)
    {
        ref CacheEntry node = ref _entries[entry];
        long sum = 0;
        for (int i = 0; i < node.PieceCount; i++)
        {
            sum += (long)SlabArena.GranuleBytes << _arena.OrderOf(node.Pieces[i]);
        }

        return sum;
    }
}
