using DataLayer.Core.Batches;
using DataLayer.Core.Layout;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.State;
using DataLayer.Storage.Cache;

namespace DataLayer.Engine.Feeds.Serving;

/// <content>How the bytes come into the slab.</content>
internal sealed partial class BatchAssembly
{
    /// <summary>
    /// What one thread copies or one read brings of a large sample, bytes; whole elements of any type.
    /// </summary>
    private const int PieceBytes = 4 << 20;

    /// <summary>What a thread has to have to copy before another one helps, bytes.</summary>
    private const int ShareBytes = 1 << 20;

    private const int MaxThreads = 8;

    /// <summary>Above this a piece is looked up by itself, bytes.</summary>
    private const int SmallBytes = 16 << 10;

    /// <summary>Pieces that one look-up brings at most, a count.</summary>
    private const int MaxGroup = 64;

    /// <summary>What is cast at once, bytes: it stays in the first cache between its two copies.</summary>
    private const int CastBytes = 16 << 10;

    [ThreadStatic]
    private static byte[]? _castBuffer;

    /// <summary>
    /// Reads what memory holds, by several threads where it is much and no other batch keeps them busy; notes what it
    /// does not hold.
    /// </summary>
    private async ValueTask GatherAsync()
    {
        int batches = _parts.BeginGather();
        try
        {
            await GatherAsync(Math.Max(1, Math.Min(Environment.ProcessorCount, MaxThreads) / batches))
                .ConfigureAwait(false);
        }
        finally
        {
            _parts.EndGather();
        }
    }

    private async ValueTask GatherAsync(int most)
    {
        long bytes = CutPieces();
        int threads = (int)Math.Clamp(bytes / ShareBytes, 1, most);
        if (threads == 1)
        {
            Gather(0, _pieces.Count);
            return;
        }

        Task[] helpers = new Task[threads - 1];
        int from = 0;
        long share = bytes / threads;
        for (int i = 0; i < helpers.Length; i++)
        {
            int to = from;
            for (long taken = 0; to < _pieces.Count && taken < share; to++)
            {
                taken += _pieces[to].LengthBytes;
            }

            (int first, int end) = (from, to);
            helpers[i] = Task.Run(() => Gather(first, end), CancellationToken.None);
            from = to;
        }

        Exception? failure = null;
        try
        {
            Gather(from, _pieces.Count);
        }
        catch (Exception e)
        {
            failure = e;
        }

        // All have ended before the slab is anybody else's.
        await Task.WhenAll(helpers).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        failure ??= Array.Find(helpers, static h => h.IsFaulted)?.Exception!.InnerException;
        if (failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    private long CutPieces()
    {
        _pieces.Clear();
        long bytes = 0;
        OpenFile file = null!;
        for (int i = 0; i < Count; i++)
        {
            file = _files[i]?.File ?? file;
            int length = (int)_places[i].LengthBytes;
            bytes += length;
            for (int offset = 0; offset < length; offset += PieceBytes)
            {
                _pieces.Add(new Piece(i, file, offset, Math.Min(PieceBytes, length - offset)));
            }
        }

        return bytes;
    }

    private void Gather(int from, int to)
    {
        Span<byte> batch = Slab.GetSpan();
        Span<CachePiece> group = stackalloc CachePiece[MaxGroup];
        long hit = 0;
        for (int i = from; i < to;)
        {
            int count = FindGroup(i, to, group, out uint block);
            if (count > 1 && TryReadGroup(i, block, group[..count], batch))
            {
                for (int end = i + count; i < end; i++)
                {
                    hit += _pieces[i].LengthBytes;
                }

                continue;
            }

            // One by one: of a block that memory does not hold as a whole, transfers that ended may have pieces.
            for (int end = i + count; i < end; i++)
            {
                if (TryReadOne(i, batch))
                {
                    hit += _pieces[i].LengthBytes;
                    continue;
                }

                lock (_missed)
                {
                    _missed.Add(i);
                }
            }
        }

        _tally.Add(hit, 0, 0);
    }

    /// <summary>How many of the next pieces lie in one block, at least 1; and where they go.</summary>
    private int FindGroup(int from, int to, Span<CachePiece> group, out uint block)
    {
        Piece first = _pieces[from];
        long start = _places[first.At].OffsetBytes + first.OffsetBytes;
        block = BlockLayout.BlockIndex(start);
        long blockStart = BlockLayout.BlockOffset(block);
        int count = 0;
        for (int i = from; i < to && count < group.Length; i++)
        {
            Piece piece = _pieces[i];
            long inBlock = _places[piece.At].OffsetBytes + piece.OffsetBytes - blockStart;
            if (piece.File != first.File || inBlock + piece.LengthBytes > BlockLayout.BlockBytes
                || piece.LengthBytes > SmallBytes)
            {
                break;
            }

            // A cast finds its place by itself.
            int destination = Setup.Cast is null ? _offsets[_slots[piece.At]] + piece.OffsetBytes : 0;
            group[count++] = new CachePiece((int)inBlock, piece.LengthBytes, destination);
        }

        return Math.Max(1, count);
    }

    private bool TryReadGroup(int from, uint block, ReadOnlySpan<CachePiece> group, Span<byte> batch)
    {
        if (Setup.Cast is not { } cast)
        {
            return _pieces[from].File.TryReadMemory(block, group, batch);
        }

        CastReader reader = new(this, cast, from, 0, batch);
        return _pieces[from].File.TryVisitMemory(block, group, ref reader);
    }

    private bool TryReadOne(int at, Span<byte> batch)
    {
        Piece piece = _pieces[at];
        return Setup.Cast is { } cast
            ? TryCast(cast, at, batch)
            : piece.File.TryReadMemory(
                _places[piece.At].OffsetBytes + piece.OffsetBytes,
                batch.Slice(_offsets[_slots[piece.At]] + piece.OffsetBytes, piece.LengthBytes));
    }

    /// <summary>
    /// Casts what one block has of a piece, straight from the cache; how many bytes of the file that was, 0 for none:
    /// also where an element lies across the block's end.
    /// </summary>
    private int TryVisit(CastPlan cast, int at, int done, int size, Span<byte> batch)
    {
        Piece piece = _pieces[at];
        long start = _places[piece.At].OffsetBytes + piece.OffsetBytes + done;
        uint block = BlockLayout.BlockIndex(start);
        int inBlock = (int)(start - BlockLayout.BlockOffset(block));
        int length = Math.Min(piece.LengthBytes - done, BlockLayout.BlockBytes - inBlock);
        if (length % size != 0)
        {
            return 0;
        }

        CastReader reader = new(this, cast, at, done, batch);
        return piece.File.TryVisitMemory(block, [new CachePiece(inBlock, length, 0)], ref reader) ? length : 0;
    }

    private bool TryCast(CastPlan cast, int at, Span<byte> batch)
    {
        Piece piece = _pieces[at];
        byte[] buffer = _castBuffer ??= new byte[CastBytes];
        int size = FeedElements.SizeOf(Setup.SourceElement);
        for (int done = 0; done < piece.LengthBytes;)
        {
            if (TryVisit(cast, at, done, size, batch) is > 0 and int visited)
            {
                done += visited;
                continue;
            }

            int length = Math.Min(buffer.Length, piece.LengthBytes - done);
            if (!piece.File.TryReadMemory(
                _places[piece.At].OffsetBytes + piece.OffsetBytes + done, buffer.AsSpan(0, length)))
            {
                return false;
            }

            Cast(cast, piece, done, buffer.AsSpan(0, length), batch);
            done += length;
        }

        return true;
    }

    private void Cast(CastPlan cast, in Piece piece, int done, ReadOnlySpan<byte> source, Span<byte> batch)
    {
        int from = FeedElements.SizeOf(Setup.SourceElement);
        int to = FeedElements.SizeOf(cast.To);
        int element = (piece.OffsetBytes + done) / from;
        cast.Apply(
            source, element,
            batch.Slice(_offsets[_slots[piece.At]] + (element * to), source.Length / from * to));
    }

    /// <summary>
    /// Reads the missed pieces: those that lie in one unit of a first answer one after the other (the first brings the
    /// unit), all others side by side.
    /// </summary>
    private async ValueTask ReadMissesAsync()
    {
        _missed.Sort();
        List<Task> reads = [];
        int unit = Context.Options.SubBlockBytes;
        for (int from = 0; from < _missed.Count;)
        {
            int to = from + 1;
            while (to < _missed.Count && UnitOf(_missed[to], unit) == UnitOf(_missed[from], unit)
                && _pieces[_missed[to]].File == _pieces[_missed[from]].File)
            {
                to++;
            }

            await _parts.Reads.WaitAsync(CancellationToken.None).ConfigureAwait(false);
            reads.Add(ReadGroupAsync(from, to));
            from = to;
        }

        // The first failure is thrown, after all have ended.
        Task all = Task.WhenAll(reads);
        await all.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!all.IsCompletedSuccessfully)
        {
            Task failed = reads.Find(static r => r.IsFaulted) ?? reads.Find(static r => r.IsCanceled) ?? all;
            await failed.ConfigureAwait(false);
        }
    }

    private long UnitOf(int piece, int unit) =>
        (_places[_pieces[piece].At].OffsetBytes + _pieces[piece].OffsetBytes) / unit;

    private async Task ReadGroupAsync(int from, int to)
    {
        try
        {
            // Away from the thread that starts the reads: the part of one that is not asynchronous takes its time.
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            for (int i = from; i < to; i++)
            {
                await ReadPieceAsync(_pieces[_missed[i]]).ConfigureAwait(false);
            }
        }
        finally
        {
            _parts.Reads.Release();
        }
    }

    private async ValueTask ReadPieceAsync(Piece piece)
    {
        if (Setup.Cast is not { } cast)
        {
            await ReadWholeAsync(
                piece,
                Slab.Memory.Slice(_offsets[_slots[piece.At]] + piece.OffsetBytes, piece.LengthBytes))
                .ConfigureAwait(false);
            return;
        }

        TransferBuffer buffer = Context.Buffers.Rent(piece.LengthBytes);
        try
        {
            await ReadWholeAsync(piece, buffer.Memory[..piece.LengthBytes]).ConfigureAwait(false);
            Cast(cast, piece, 0, buffer.GetSpan()[..piece.LengthBytes], Slab.GetSpan());
        }
        finally
        {
            Context.Buffers.Return(buffer);
        }
    }

    private async ValueTask ReadWholeAsync(Piece piece, Memory<byte> destination)
    {
        SamplePlace place = _places[piece.At];
        long start = place.OffsetBytes + piece.OffsetBytes;
        for (int done = 0; done < piece.LengthBytes;)
        {
            int count = await piece.File.ReadAsync(
                start + done, destination[done..], place.OffsetBytes + place.LengthBytes, _tally, _parts.Stopping)
                .ConfigureAwait(false);
            done += count > 0 ? count : throw DatasetService.Changed(place, "was changed");
        }
    }

    /// <summary>Casts pieces as the cache shows them.</summary>
    private readonly ref struct CastReader(
        BatchAssembly owner, CastPlan cast, int first, int done, Span<byte> batch) : ICacheReader
    {
        private readonly Span<byte> _batch = batch;

        public void Take(int piece, ReadOnlySpan<byte> bytes) =>
            owner.Cast(cast, owner._pieces[first + piece], done, bytes, _batch);
    }
}
