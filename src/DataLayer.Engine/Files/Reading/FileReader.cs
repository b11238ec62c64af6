using System.Diagnostics;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// The read path: memory, else a transfer under way, else the hot tier, else the object. A read that memory answers
/// completes at once and allocates nothing; everything else is in <see cref="ReadSlowAsync"/>.
/// </summary>
/// <remarks>
/// A slow read is cut into parts, started in order and awaited together: resident extents go straight into the
/// caller's buffer; cold ones and small sequential ones by shared fetches. All parts have ended when a read returns
/// or throws, so nothing writes into the caller's buffer afterwards. A failure that another look may cure (the hot
/// copy moved, was released or is damaged while an object holds the content) is retried; damage is repaired by
/// forgetting the bad blocks' residency.
/// </remarks>
internal sealed class FileReader(EngineContext context, FetchRunner runner, Readahead readahead, Freshness freshness)
{
    private readonly ReadWaits _waits = new(context);
    private const int Attempts = 4;
    private const int SmallBlockBytes = 256 << 10;

    /// <summary>
    /// Reads at most destination.Length bytes; fewer only at the content's end. <paramref name="extentEndBytes"/> is
    /// where the extent ends of which the read is a piece, or 0.
    /// </summary>
    public ValueTask<int> ReadAsync(
        ContentState content, long offsetBytes, Memory<byte> destination, long extentEndBytes,
        CancellationToken cancellationToken, ReadTally? tally = null) =>
        ReadAsync(content, offsetBytes, destination, extentEndBytes, isForeground: true, cancellationToken, tally);

    /// <summary>
    /// Reads what memory holds, all of it or nothing: false where a byte is not there, or lies behind the end; then
    /// nothing was counted, and the buffer may hold anything. Allocates nothing.
    /// </summary>
    public bool TryReadMemory(ContentState content, long offsetBytes, Span<byte> destination)
    {
        long size = content.SizeBytes;
        if (offsetBytes > size - destination.Length || destination.IsEmpty)
        {
            return destination.IsEmpty;
        }

        int hits = 1;
        if (!(content.Staged is { } staged && staged.TryRead(content, offsetBytes, destination))
            && ReadMemory(content, offsetBytes, destination, size, out hits) < destination.Length)
        {
            return false;
        }

        context.Recorder?.Note(content, offsetBytes, destination.Length);
        NoteHit(content, hits, destination.Length, isForeground: true);
        return true;
    }

    /// <summary>
    /// Reads pieces of one block that memory holds, all of them or nothing: false where one is not there; then nothing
    /// was counted, and the buffer may hold anything. Counts as one read. Allocates nothing.
    /// </summary>
    public bool TryReadMemory(
        ContentState content, uint block, ReadOnlySpan<CachePiece> pieces, Span<byte> destination)
    {
        if (content.Staged is not null || context.Recorder is not null
            || !context.Cache.TryReadMany(new BlockId(content.Id, block), pieces, destination, content.DatasetId))
        {
            return false; // Who records reads wants them one by one.
        }

        NoteHit(content, pieces);
        return true;
    }

    /// <summary>
    /// As the other; the pieces are shown to a reader where they lie. What it made of them counts only if this is true.
    /// </summary>
    public bool TryVisitMemory<TReader>(
        ContentState content, uint block, scoped ReadOnlySpan<CachePiece> pieces, ref TReader reader)
        where TReader : struct, ICacheReader, allows ref struct
    {
        if (content.Staged is not null || context.Recorder is not null
            || !context.Cache.TryVisit(new BlockId(content.Id, block), pieces, ref reader, content.DatasetId))
        {
            return false;
        }

        NoteHit(content, pieces);
        return true;
    }

    private void NoteHit(ContentState content, ReadOnlySpan<CachePiece> pieces)
    {
        int bytes = 0;
        foreach (CachePiece piece in pieces)
        {
            bytes += piece.LengthBytes;
        }

        NoteHit(content, blocks: 1, bytes, isForeground: true);
    }

    /// <summary>
    /// As the other; what is not in the foreground (a warm-up) is nobody's access and makes no file hotter.
    /// </summary>
    public ValueTask<int> ReadAsync(
        ContentState content, long offsetBytes, Memory<byte> destination, long extentEndBytes, bool isForeground,
        CancellationToken cancellationToken, ReadTally? tally = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        long size = content.SizeBytes;
        if (offsetBytes >= size || destination.IsEmpty)
        {
            return ValueTask.FromResult(0);
        }

        int wanted = (int)Math.Min(destination.Length, size - offsetBytes);
        if (isForeground && context.Recorder is { } recorder)
        {
            recorder.Note(content, offsetBytes, wanted);
        }

        if (content.Staged is { } staged && staged.TryRead(content, offsetBytes, destination.Span[..wanted]))
        {
            NoteHit(content, blocks: 1, wanted, isForeground);
            tally?.Add(wanted, 0, 0);
            return ValueTask.FromResult(wanted);
        }

        int done = ReadMemory(content, offsetBytes, destination.Span[..wanted], size, out int hits);
        if (done < wanted)
        {
            context.Counters.Add(Counter.MemoryHits, hits);
            context.Counters.Add(Counter.MemoryHitBytes, done);
            return ReadSlowAsync(
                content, offsetBytes, destination[..wanted], done, Math.Min(extentEndBytes, size), isForeground, tally,
                cancellationToken);
        }

        NoteHit(content, hits, wanted, isForeground);
        tally?.Add(wanted, 0, 0);
        if (content.Streams.IsActive)
        {
            readahead.Note(content, offsetBytes, wanted, Math.Min(extentEndBytes, size));
            content.Streams.Passed(size);
        }

        return ValueTask.FromResult(wanted);
    }

    /// <summary>
    /// As the other, for another node: nobody's access here. Never asks a node, nor waits for one.
    /// </summary>
    /// <exception cref="DataLayerException">Overloaded: the bytes are on their way here from another node.</exception>
    public ValueTask<int> ReadForPeerAsync(
        ContentState content, long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken)
    {
        long size = content.SizeBytes;
        if (offsetBytes > size - destination.Length)
        {
            return ValueTask.FromResult(0);
        }

        int done = ReadMemory(content, offsetBytes, destination.Span, size, out int hits);
        if (done == destination.Length)
        {
            NoteHit(content, hits, done, isForeground: false);
            return ValueTask.FromResult(done);
        }

        context.Counters.Add(Counter.MemoryHits, hits);
        context.Counters.Add(Counter.MemoryHitBytes, done);
        return ReadSlowAsync(
            content, offsetBytes, destination, done, extentEndBytes: 0, isForeground: false, tally: null,
            cancellationToken, isForPeer: true);
    }

    /// <summary>
    /// Copies what memory holds from the start on: cached blocks, and blocks of transfers that have ended.
    /// </summary>
    private int ReadMemory(ContentState content, long offsetBytes, Span<byte> destination, long size, out int hits)
    {
        int done = 0;
        hits = 0;
        while (done < destination.Length)
        {
            long position = offsetBytes + done;
            uint block = BlockLayout.BlockIndex(position);
            int inBlock = (int)(position - BlockLayout.BlockOffset(block));
            int length = Math.Min(destination.Length - done, BlockLayout.BlockLength(block, size) - inBlock);
            BlockId id = new(content.Id, block);
            if (!context.Cache.TryRead(id, inBlock, destination.Slice(done, length), content.DatasetId, out int read)
                || read != length)
            {
                if (!TryReadEndedFetch(content, position, destination[done..], out length))
                {
                    break;
                }
            }

            hits++;
            done += length;
        }

        return done;
    }

    private void NoteHit(ContentState content, int blocks, int bytes, bool isForeground)
    {
        context.Counters.AddHit(blocks, bytes);
        if (isForeground)
        {
            content.Accesses.NoteHit(context.Accesses, bytes);
        }
        else
        {
            context.Counters.Add(Counter.UpkeepReads, 1);
        }
    }

    private static bool TryReadEndedFetch(ContentState content, long position, Span<byte> destination, out int length)
    {
        length = 0;
        BlockFetch? fetch = content.Streams.IsActive ? content.FindFetch(position) : null;
        if (fetch is null)
        {
            return false;
        }

        bool ended = fetch.IsCompleted;
        if (ended)
        {
            length = (int)Math.Min(destination.Length, fetch.EndBytes - position);
            fetch.Bytes(position, length).CopyTo(destination);
        }

        fetch.Release();
        return ended;
    }

    private async ValueTask<int> ReadSlowAsync(
        ContentState content, long offsetBytes, Memory<byte> destination, int done, long extentEndBytes,
        bool isForeground, ReadTally? tally, CancellationToken cancellationToken, bool isForPeer = false)
    {
        using Activity? activity = ReadTrace.Begin(content, offsetBytes, destination.Length, isForeground);
        long started = context.Time.GetTimestamp();
        context.Counters.Add(Counter.SlowReadsBegun, 1);
        bool sequential = isForeground && readahead.Note(content, offsetBytes, destination.Length, extentEndBytes);
        ReadRequest request = new(content, offsetBytes, destination, done, sequential, extentEndBytes)
        {
            IsForeground = isForeground,
            IsForPeer = isForPeer,
        };
        Exception? failure = null;
        context.Fetches.BeginRead(isForeground);
        try
        {
            for (int attempt = 1; ; attempt++)
            {
                FileContent before = content.Content;
                long epoch = content.WriteEpoch;
                request.BeginAttempt();
                try
                {
                    await ReadPartsAsync(request, cancellationToken).ConfigureAwait(false);
                    break;
                }
                catch (DataLayerException error) when (attempt < Attempts)
                {
                    if (!await RecoverAsync(request, error, before, epoch, cancellationToken).ConfigureAwait(false))
                    {
                        throw;
                    }
                }
            }
        }
        catch (Exception error)
        {
            failure = error;
            throw;
        }
        finally
        {
            context.Fetches.EndRead(isForeground);
            _waits.Note(request, context.Time.GetElapsedTime(started), failure, activity);
        }

        if (request.WasCold && isForeground)
        {
            context.Folders?.Note(content);
        }

        tally?.Add(request.MemoryBytes, request.HotBytes, request.ColdBytes);
        content.Streams.Passed(content.SizeBytes);
        context.Counters.Add(Counter.Reads, 1);
        context.Counters.Add(Counter.UpkeepReads, isForeground ? 0 : 1);
        context.Counters.Add(Counter.ReadBytes, destination.Length);
        return destination.Length;
    }

    private async ValueTask ReadPartsAsync(ReadRequest request, CancellationToken cancellationToken)
    {
        ContentState content = request.Content;
        List<ReadPart> parts = new(4);
        Exception? failure = null;
        long position = request.OffsetBytes + request.Done;
        try
        {
            if (content.Staged is not null
                && await TryReadStagedAsync(request, position, cancellationToken).ConfigureAwait(false))
            {
                return;
            }

            while (position < request.EndBytes)
            {
                if (parts.Count >= context.Options.MaxRequestsPerFile)
                {
                    failure = await DrainAsync(request, parts, cancellationToken).ConfigureAwait(false);
                    if (failure is not null)
                    {
                        break;
                    }
                }

                position += await TryMemoryAsync(request, position, cancellationToken)
                    .ConfigureAwait(false) is var hit and > 0
                    ? hit
                    : StartPart(request, position, parts, cancellationToken);
            }
        }
        catch (Exception error)
        {
            failure = error;
        }

        Exception? draining = await DrainAsync(request, parts, cancellationToken).ConfigureAwait(false);
        if ((failure ?? draining) is { } thrown)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(thrown);
        }
    }

    /// <summary>
    /// The rest of the request from a staged content; false once it is staged no more. Where the bytes move under the
    /// copy, the writer's turn is waited for: what the tree knows of such a content is older.
    /// </summary>
    private static async ValueTask<bool> TryReadStagedAsync(
        ReadRequest request, long position, CancellationToken cancellationToken)
    {
        ContentState content = request.Content;
        Memory<byte> rest = request.Slice(position, (int)(request.EndBytes - position));
        if (content.Staged is { } staged && staged.TryRead(content, position, rest.Span))
        {
            return true;
        }

        await content.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (content.Staged is not { } settled)
            {
                return false;
            }

            if (request.EndBytes > content.SizeBytes)
            {
                throw new DataLayerException(ErrorCode.Stale, $"Content {content.Id} became shorter during the read.");
            }

            settled.Bytes(request.EndBytes)[(int)position..].CopyTo(rest);
            return true;
        }
        finally
        {
            content.WriteGate.Release();
        }
    }

    /// <summary>
    /// Bytes answered from memory or its spill at <paramref name="position"/>, at most to the end of the block.
    /// </summary>
    private async ValueTask<int> TryMemoryAsync(ReadRequest request, long position, CancellationToken cancellationToken)
    {
        ContentState content = request.Content;
        uint block = BlockLayout.BlockIndex(position);
        int inBlock = (int)(position - BlockLayout.BlockOffset(block));
        int length = (int)Math.Min(
            request.EndBytes - position, BlockLayout.BlockLength(block, content.SizeBytes) - inBlock);
        if (length <= 0)
        {
            throw new DataLayerException(ErrorCode.Stale, $"Content {content.Id} became shorter during the read.");
        }

        BlockId id = new(content.Id, block);
        Memory<byte> destination = request.Slice(position, length);
        int read = 0;
        bool wasTried = position == request.OffsetBytes + request.Done; // By the caller, a moment ago.
        if (wasTried || !context.Cache.TryRead(id, inBlock, destination.Span, content.DatasetId, out read)
            || read != length)
        {
            (bool hit, read) = await context.Cache.TryReadSpillAsync(
                id, inBlock, destination, content.DatasetId, cancellationToken).ConfigureAwait(false);
            if (!hit || read != length)
            {
                return 0;
            }
        }

        context.Counters.Add(Counter.MemoryHits, 1);
        context.Counters.Add(Counter.MemoryHitBytes, length);
        return length;
    }

    /// <summary>Starts what brings the bytes at <paramref name="position"/>; returns how many it will bring.</summary>
    private int StartPart(ReadRequest request, long position, List<ReadPart> parts, CancellationToken cancellationToken)
    {
        ContentState content = request.Content;
        uint block = BlockLayout.BlockIndex(position);
        bool resident = !request.AvoidHot && content.IsResident(block);
        BlockFetch? fetch;
        bool isNew = false;
        int length;
        lock (content.Sync)
        {
            fetch = content.FindFetchLocked(position);
            if (fetch is null)
            {
                long nextFetch = content.NextFetchLocked(position);
                if (resident && IsDirect(request, position))
                {
                    length = DirectLength(request, position, nextFetch);
                }
                else
                {
                    (long from, int fetchLength) = PlanFetch(request, position, resident, nextFetch);
                    fetch = runner.NewLocked(content, from, fetchLength, !resident, isReadahead: false);
                    fetch.AsksPeers &= !request.IsForPeer;
                    fetch.AddReferenceLocked();
                    isNew = true;
                    length = (int)(Math.Min(request.EndBytes, fetch.EndBytes) - position);
                }
            }
            else
            {
                length = (int)(Math.Min(request.EndBytes, fetch.EndBytes) - position);
            }
        }

        if (request.IsForPeer && fetch is { AsksPeers: true, IsCompleted: false })
        {
            fetch.Release();
            throw new DataLayerException(
                ErrorCode.Overloaded, $"Bytes of content {content.Id} are on their way here from another node.");
        }

        if (fetch is null)
        {
            parts.Add(
                new ReadPart(null, ReadDirectAsync(request, position, length, cancellationToken), position, length));
            return length;
        }

        if (isNew)
        {
            StartFetch(request, fetch);
        }

        parts.Add(new ReadPart(fetch, null, position, length));
        return length;
    }

    private void StartFetch(ReadRequest request, BlockFetch fetch)
    {
        bool wholeBlock = fetch.LengthBytes >= BlockLayout.BlockLength(
            BlockLayout.BlockIndex(fetch.OffsetBytes), request.Content.SizeBytes);
        bool readsOn = request.ExtentEndBytes > request.EndBytes || (request.IsSequential && wholeBlock);
        if (readsOn && fetch.EndBytes > request.EndBytes)
        {
            // The reader will come back for the rest; should the cache refuse the block, the stream keeps it.
            readahead.TryHold(request.Content, fetch);
        }

        if (!wholeBlock)
        {
            int asked = (int)(Math.Min(request.ExtentEndBytes, fetch.EndBytes)
                - Math.Max(request.OffsetBytes, fetch.OffsetBytes));
            readahead.NoteSubBlock(
                request.Content, BlockLayout.BlockIndex(fetch.OffsetBytes), asked, fetch.LengthBytes);
        }

        runner.Run(fetch);
    }

    /// <summary>
    /// Whether a resident extent is read straight into the caller's buffer: whole blocks, or a random piece.
    /// </summary>
    private static bool IsDirect(ReadRequest request, long position)
    {
        long size = request.Content.SizeBytes;
        int blockLength = BlockLayout.BlockLength(BlockLayout.BlockIndex(position), size);
        bool coversBlock = position % BlockLayout.BlockBytes == 0 && request.EndBytes - position >= blockLength;
        return coversBlock || (!request.IsSequential && blockLength > SmallBlockBytes);
    }

    private int DirectLength(ReadRequest request, long position, long nextFetch)
    {
        long end = Math.Min(Math.Min(request.EndBytes, nextFetch), position + context.Options.MaxRequestBytes);
        long blockEnd = (position / BlockLayout.BlockBytes * BlockLayout.BlockBytes) + BlockLayout.BlockBytes;
        while (blockEnd < end)
        {
            uint block = BlockLayout.BlockIndex(blockEnd);
            if (!request.Content.IsResident(block) || context.Cache.Contains(new BlockId(request.Content.Id, block)))
            {
                break;
            }

            blockEnd += BlockLayout.BlockBytes;
        }

        return (int)(Math.Min(end, blockEnd) - position);
    }

    /// <summary>
    /// The extent to fetch for a miss: whole blocks for a sequential or large read, else the aligned pieces asked for.
    /// </summary>
    private (long Offset, int Length) PlanFetch(ReadRequest request, long position, bool resident, long nextFetch)
    {
        long size = request.Content.SizeBytes;
        uint block = BlockLayout.BlockIndex(position);
        long blockStart = BlockLayout.BlockOffset(block);
        int blockLength = BlockLayout.BlockLength(block, size);
        long wanted = request.EndBytes - position;
        bool isPiece = request.ExtentEndBytes > request.EndBytes;
        if (!request.IsSequential && (isPiece || wanted < BlockLayout.BlockBytes / 2)
            && blockLength > SmallBlockBytes)
        {
            long unit = context.Options.SubBlockBytes;
            long from = position / unit * unit;
            long blockEnd = blockStart + blockLength;
            long to = Math.Min((Math.Min(request.ExtentEndBytes, blockEnd) + unit - 1) / unit * unit, blockEnd);
            return (from, (int)(Math.Min(to, Math.Max(nextFetch, position + 1)) - from));
        }

        // A large read is cut so that its parts travel side by side.
        long part = request.IsForPeer
            ? context.Options.MaxRequestBytes // Several nodes wait for it, and one request costs less than four.
            : Math.Clamp(
                wanted / 4 / BlockLayout.BlockBytes * BlockLayout.BlockBytes, BlockLayout.BlockBytes,
                context.Options.MaxRequestBytes);
        long limit = Math.Min(request.EndBytes, blockStart + part);
        long end = blockStart + blockLength;
        while (end < limit && end < nextFetch)
        {
            uint next = BlockLayout.BlockIndex(end);
            if ((!request.AvoidHot && request.Content.IsResident(next)) != resident
                || context.Cache.Contains(new BlockId(request.Content.Id, next)))
            {
                break;
            }

            end += BlockLayout.BlockLength(next, size);
        }

        return (blockStart, (int)(end - blockStart));
    }

    private async Task ReadDirectAsync(
        ReadRequest request, long position, int length, CancellationToken cancellationToken)
    {
        ContentState content = request.Content;
        long epoch = content.WriteEpoch;
        Memory<byte> destination = request.Slice(position, length);
        using Activity? activity = ReadTrace.BeginHot(position, length);
        TimeSpan elapsed = await runner.ReadHotAsync(content, position, destination, cancellationToken)
            .ConfigureAwait(false);
        request.NoteTimes(new ReadTimes { Hot = elapsed });
        context.Counters.Add(Counter.HotReads, 1);
        context.Counters.Add(Counter.HotReadBytes, length);
        request.NoteBytes(isCold: false, length);
        runner.OfferToCache(content, position, destination.Span, epoch);
        if (length < BlockLayout.BlockBytes / 2)
        {
            readahead.NoteSubBlock(content, BlockLayout.BlockIndex(position), length, length);
        }
    }

    /// <summary>Awaits all parts, copies from fetches, and returns the first failure.</summary>
    private async ValueTask<Exception?> DrainAsync(
        ReadRequest request, List<ReadPart> parts, CancellationToken cancellationToken)
    {
        Exception? first = null;
        foreach (ReadPart part in parts)
        {
            try
            {
                if (part.Direct is not null)
                {
                    await part.Direct.ConfigureAwait(false);
                }
                else
                {
                    await WaitAsync(request, part, cancellationToken).ConfigureAwait(false);
                }
            }
            catch (Exception error)
            {
                first ??= error;
            }
        }

        parts.Clear();
        return first;
    }

    private async ValueTask WaitAsync(ReadRequest request, ReadPart part, CancellationToken cancellationToken)
    {
        BlockFetch fetch = part.Fetch!;
        try
        {
            request.WasCold |= fetch.IsCold; // Also where it fails: then the cold tier is what was waited for.
            await fetch.Completion.WaitAsync(cancellationToken).ConfigureAwait(false);
            fetch.Bytes(part.OffsetBytes, part.LengthBytes)
                .CopyTo(request.Slice(part.OffsetBytes, part.LengthBytes).Span);
            request.NoteTimes(fetch.Times);
            context.Counters.Add(fetch.IsCold ? Counter.ColdReads : Counter.HotReads, 1);
            context.Counters.Add(fetch.IsCold ? Counter.ColdReadBytes : Counter.HotReadBytes, part.LengthBytes);
            request.NoteBytes(fetch.IsCold, part.LengthBytes);
        }
        finally
        {
            fetch.Release();
        }
    }

    /// <summary>Whether a failed read is worth another try, after doing what can be done about the cause.</summary>
    private async ValueTask<bool> RecoverAsync(
        ReadRequest request, DataLayerException error, FileContent before, long epoch,
        CancellationToken cancellationToken)
    {
        ContentState content = request.Content;
        if (error.Code == ErrorCode.Stale)
        {
            if (await freshness.RenewAsync(content, cancellationToken).ConfigureAwait(false))
            {
                return true;
            }

            await freshness.ObjectChangedAsync(content, cancellationToken).ConfigureAwait(false);
            return false;
        }

        if (error.Code is not (ErrorCode.Corrupt or ErrorCode.NotFound or ErrorCode.TargetFailed) || request.AvoidHot)
        {
            return false;
        }

        await context.ReloadAsync(content, cancellationToken).ConfigureAwait(false);
        FileContent now = content.Content;
        if (content.WriteEpoch != epoch || !Equals(now.Placement, before.Placement))
        {
            return true;
        }

        bool objectIsCurrent = now.Object is not null && now.Attributes.State != TierState.Hot && !content.IsDirty;
        if (!objectIsCurrent)
        {
            return false;
        }

        context.Counters.Add(Counter.HotRepairs, 1);
        EngineLog.HotCopyBad(context.Log, content.Id.ToString(), error.Message);
        request.AvoidHot = true;
        if (error.Code != ErrorCode.TargetFailed)
        {
            await ForgetAsync(request, now).ConfigureAwait(false);
        }

        return true;
    }

    /// <summary>Clears the residency of the request's blocks, so that they are recalled from the object.</summary>
    private async ValueTask ForgetAsync(ReadRequest request, FileContent now)
    {
        List<uint> blocks = [];
        uint last = BlockLayout.BlockIndex(request.EndBytes - 1);
        for (uint block = BlockLayout.BlockIndex(request.OffsetBytes); block <= last; block++)
        {
            if (request.Content.IsResident(block))
            {
                blocks.Add(block);
            }
        }

        try
        {
            await context.UpdateAsync(
                request.Content,
                new ContentUpdate
                {
                    Content = request.Content.Id,
                    IfVersion = now.Attributes.Version,
                    ClearResident = blocks,
                    State = TierState.Released,
                },
                CancellationToken.None).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code is ErrorCode.Stale or ErrorCode.NotFound)
        {
            // An older content, still open: nothing is stored of it any more, and this read avoids the hot tier.
        }
    }
}
