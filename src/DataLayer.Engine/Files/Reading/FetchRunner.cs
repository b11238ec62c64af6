using System.Diagnostics;
using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tenants;
using DataLayer.Storage.Objects;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// Starts fetches and carries them out: bytes from a tier into the fetch's buffer, then on to the cache and the hot
/// tier.
/// </summary>
internal sealed class FetchRunner(EngineContext context, RecallQueue recalls)
{
    /// <summary>Files up to this size are small to the doctor: each costs a request of its own.</summary>
    private const int SmallFileBytes = 256 << 10;

    private long _fills;
    private long _refusals;

    /// <summary>Whether the cache takes new blocks at present: of the last ones, some were admitted.</summary>
    public bool CacheAdmits
    {
        get
        {
            long refusals = Volatile.Read(ref _refusals);
            return refusals < 32 || Volatile.Read(ref _fills) * 8 > refusals;
        }
    }

    /// <summary>
    /// Makes a fetch of an extent that no fetch covers; the caller holds the content's lock. It runs only after
    /// <see cref="Run"/>. The caller owns the one reference that the run releases, and takes its own for waiting.
    /// </summary>
    public BlockFetch NewLocked(ContentState content, long offsetBytes, int lengthBytes, bool isCold, bool isReadahead)
    {
        TransferBuffer buffer = context.Buffers.Rent(lengthBytes);
        BlockFetch fetch = new(
            content, offsetBytes, lengthBytes, content.WriteEpoch, isCold, isReadahead, buffer, context.Fetches)
        {
            AsksPeers = isCold && context.Peers is { } peers && peers.WouldAsk(content, offsetBytes, lengthBytes),
        };
        content.AddFetchLocked(fetch);
        return fetch;
    }

    /// <summary>
    /// Runs a fetch to its end on this thread until the first wait; faults go to those who wait for the fetch.
    /// </summary>
    public void Run(BlockFetch fetch)
    {
        context.Fetches.Begin();
        _ = RunAsync(fetch);
    }

    /// <summary>As <see cref="Run"/>, on a pool thread: the caller does not pay for the start of the request.</summary>
    public void RunLater(BlockFetch fetch)
    {
        context.Fetches.Begin();
        ThreadPool.UnsafeQueueUserWorkItem(
            static work => _ = work.Runner.RunAsync(work.Fetch), (Runner: this, Fetch: fetch), preferLocal: false);
    }

    /// <summary>
    /// As <see cref="RunLater"/> for fetches of contents that lie in one pack, sorted by where: one request reads them
    /// all, and what lies between them.
    /// </summary>
    public void RunTogether(IReadOnlyList<BlockFetch> fetches)
    {
        foreach (BlockFetch _ in fetches)
        {
            context.Fetches.Begin();
        }

        ThreadPool.UnsafeQueueUserWorkItem(
            static work => _ = work.Runner.RunTogetherAsync(work.Fetches), (Runner: this, Fetches: fetches),
            preferLocal: false);
    }

    /// <summary>
    /// Reads an extent of the content's object, by way of the node that reads it for all, at the caller's cost; where
    /// the time went.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// Stale when the object is another now; Archived, where reads do not wait for its restore; else what the store
    /// says.
    /// </exception>
    public ValueTask<ReadTimes> ReadObjectAsync(
        ContentState content, long offsetBytes, Memory<byte> destination, bool isBackground,
        CancellationToken cancellationToken) =>
        ReadSharedAsync(
            content, offsetBytes, destination, isBackground,
            OriginUse.Within(OriginUse.Current, OriginPurpose.Recall, null), cancellationToken);

    private ValueTask<ReadTimes> ReadSharedAsync(
        ContentState content, long offsetBytes, Memory<byte> destination, bool isBackground, OriginUse use,
        CancellationToken cancellationToken) =>
        context.Peers is not { } peers
            ? ReadObjectAsync(content, offsetBytes, destination, isBackground, use, cancellationToken)
            : peers.ReadAsync(
                content, offsetBytes, destination, use.Purpose,
                (offset, bytes, token) => ReadObjectAsync(content, offset, bytes, isBackground, use, token),
                cancellationToken);

    private async ValueTask<ReadTimes> ReadObjectAsync(
        ContentState content, long offsetBytes, Memory<byte> destination, bool isBackground, OriginUse use,
        CancellationToken cancellationToken)
    {
        try
        {
            return await ReadObjectOnceAsync(content, offsetBytes, destination, isBackground, use, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.Archived && !isBackground)
        {
            await context.Archives.OnReadAsync(content.Content.Object!, error, cancellationToken)
                .ConfigureAwait(false);
        }

        return await ReadObjectOnceAsync(content, offsetBytes, destination, isBackground, use, cancellationToken)
            .ConfigureAwait(false);
    }

    private async ValueTask<ReadTimes> ReadObjectOnceAsync(
        ContentState content, long offsetBytes, Memory<byte> destination, bool isBackground, OriginUse use,
        CancellationToken cancellationToken)
    {
        FileContent current = content.Content;
        ObjectReference source = current.Object is not null && current.Attributes.State != TierState.Hot
            ? current.Object
            : throw context.NoCopy(content.Id, offsetBytes, destination.Length);
        IObjectStore store = context.Attachments.StoreOf(source.AttachmentId);
        long started = context.Time.GetTimestamp();
        Tenant tenant = context.Tenants.Of(current.Attributes);
        await context.OriginGate.EnterAsync(tenant, destination.Length, cancellationToken).ConfigureAwait(false);
        TimeSpan queued = context.Time.GetElapsedTime(started);
        tenant.NoteTurn(destination.Length, queued);
        try
        {
            context.Counters.Add(Counter.OriginReads, 1);
            context.Counters.Add(Counter.OriginBytes, destination.Length);
            OriginUse.Current = use with
            {
                StorageClass = source.StorageClass ?? string.Empty,
                Tenant = use.Tenant.Length > 0 ? use.Tenant : tenant.Name,
            };
            if (isBackground)
            {
                context.Counters.Add(Counter.BackgroundReads, 1);
                context.Counters.Add(Counter.BackgroundBytes, destination.Length);
            }

            ObjectReadResult result = await store.ReadAsync(
                source.Key, source.PackOffsetBytes + offsetBytes, destination, source.ETag, cancellationToken)
                    .ConfigureAwait(false);
            if (result.BytesRead != destination.Length)
            {
                throw new DataLayerException(
                    ErrorCode.Stale,
                    $"Object '{source.Key}' of {store.DisplayName} is shorter than it was: "
                        + $"{result.ObjectSizeBytes} bytes.");
            }

            TimeSpan elapsed = context.Time.GetElapsedTime(started);
            EngineMeter.RecordTier(isCold: true, elapsed);
            context.Counters.Add(Counter.ColdReadNanoseconds, (long)elapsed.TotalNanoseconds);
            context.Counters.Add(Counter.FirstByteNanoseconds, (long)(result.Times.FirstByte > TimeSpan.Zero
                ? result.Times.FirstByte : elapsed - queued).TotalNanoseconds);
            return ReadTimes.OfOrigin(elapsed, queued, result.Times);
        }
        finally
        {
            context.OriginGate.Leave(tenant, destination.Length);
        }
    }

    /// <summary>Offers the whole blocks among bytes just read to the cache; true if it took all of them.</summary>
    public bool OfferToCache(ContentState content, long offsetBytes, ReadOnlySpan<byte> bytes, long epoch)
    {
        long size = content.SizeBytes;
        long end = offsetBytes + bytes.Length;
        long position = (offsetBytes + BlockLayout.BlockBytes - 1) / BlockLayout.BlockBytes * BlockLayout.BlockBytes;
        bool all = position == offsetBytes;
        while (position < end)
        {
            uint block = BlockLayout.BlockIndex(position);
            int length = BlockLayout.BlockLength(block, size);
            if (length == 0 || position + length > end)
            {
                return false;
            }

            bool admitted = content.TryFill(
                context.Cache, block, bytes.Slice((int)(position - offsetBytes), length), epoch);
            CountFill(admitted);
            all &= admitted;
            position += length;
        }

        return all;
    }

    private void CountFill(bool admitted)
    {
        // A rough moving average: both are halved now and then, without care for races.
        if (Interlocked.Increment(ref admitted ? ref _fills : ref _refusals) > 1024)
        {
            Volatile.Write(ref _fills, _fills / 2);
            Volatile.Write(ref _refusals, _refusals / 2);
        }
    }

    /// <summary>Reads an extent of the content's hot copy; how long that took.</summary>
    /// <exception cref="DataLayerException">NotFound, TargetFailed, Corrupt.</exception>
    public async ValueTask<TimeSpan> ReadHotAsync(
        ContentState content, long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken)
    {
        Placement placement = content.Content.Placement
            ?? throw new DataLayerException(ErrorCode.NotFound, $"Content {content.Id} has no hot copy any more.");
        long started = context.Time.GetTimestamp();
        if (context.Tenants.IsEmpty)
        {
            await context.Hot.ReadAsync(
                content.Id, placement, content.SizeBytes, offsetBytes, destination, cancellationToken)
                .ConfigureAwait(false);
        }
        else
        {
            await ReadHotInTurnAsync(content, placement, offsetBytes, destination, cancellationToken)
                .ConfigureAwait(false);
        }

        TimeSpan elapsed = context.Time.GetElapsedTime(started);
        EngineMeter.RecordTier(isCold: false, elapsed);
        context.Counters.Add(Counter.HotReadNanoseconds, (long)elapsed.TotalNanoseconds);
        return elapsed;
    }

    private async ValueTask ReadHotInTurnAsync(
        ContentState content, Placement placement, long offsetBytes, Memory<byte> destination,
        CancellationToken cancellationToken)
    {
        Tenant tenant = context.Tenants.Of(content.Content.Attributes);
        long started = context.Time.GetTimestamp();
        await context.HotGate.EnterAsync(tenant, destination.Length, cancellationToken).ConfigureAwait(false);
        try
        {
            tenant.NoteTurn(destination.Length, context.Time.GetElapsedTime(started));
            await context.Hot.ReadAsync(
                content.Id, placement, content.SizeBytes, offsetBytes, destination, cancellationToken)
                .ConfigureAwait(false);
        }
        finally
        {
            context.HotGate.Leave(tenant, destination.Length);
        }
    }

    private async Task RunAsync(BlockFetch fetch)
    {
        ContentState content = fetch.Content;
        using Activity? activity = ReadTrace.BeginTier(fetch);
        try
        {
            if (fetch.IsCold)
            {
                await ReadColdAsync(fetch).ConfigureAwait(false);
            }
            else
            {
                fetch.Times = new ReadTimes
                {
                    Hot = await ReadHotAsync(content, fetch.OffsetBytes, fetch.Memory, context.Stopping)
                        .ConfigureAwait(false),
                };
            }

            ReadTrace.EndTier(activity, fetch.Times);
            Succeed(fetch);
        }
        catch (OperationCanceledException) when (context.Stopping.IsCancellationRequested)
        {
            Fail(fetch, new DataLayerException(ErrorCode.ShuttingDown, "The service stops; the read was given up."));
        }
        catch (Exception error)
        {
            Fail(fetch, error);
        }
        finally
        {
            fetch.Settle();
            fetch.Release();
            context.Fetches.End();
        }
    }

    private void Succeed(BlockFetch fetch)
    {
        ContentState content = fetch.Content;
        fetch.Succeed();
        if (fetch.IsBackground)
        {
            return;
        }

        fetch.IsCached = OfferToCache(content, fetch.OffsetBytes, fetch.Memory.Span, fetch.Epoch);
        if (fetch.IsReadahead)
        {
            context.Counters.Add(Counter.ReadaheadBytes, fetch.LengthBytes);
        }

        if (fetch.IsCold)
        {
            fetch.IsRecalled = recalls.Offer(fetch);
        }

        if (fetch.IsCached)
        {
            content.Streams.Drop(fetch);
        }
    }

    private async Task RunTogetherAsync(IReadOnlyList<BlockFetch> fetches)
    {
        BlockFetch first = fetches[0];
        long start = PlaceOf(first);
        int length = (int)(PlaceOf(fetches[^1]) + fetches[^1].LengthBytes - start);
        TransferBuffer buffer = context.Buffers.Rent(length);
        int ended = 0;
        try
        {
            ReadTimes times = await ReadObjectAsync(
                first.Content, first.OffsetBytes, buffer.Memory[..length], isBackground: false, first.Use,
                context.Stopping).ConfigureAwait(false);
            for (; ended < fetches.Count; ended++)
            {
                BlockFetch fetch = fetches[ended];
                buffer.GetSpan().Slice((int)(PlaceOf(fetch) - start), fetch.LengthBytes).CopyTo(fetch.Memory.Span);
                fetch.Times = times;
                Succeed(fetch);
            }
        }
        catch (Exception error)
        {
            Exception told = error is OperationCanceledException
                ? new DataLayerException(ErrorCode.ShuttingDown, "The service stops; the read was given up.")
                : error;
            for (int i = ended; i < fetches.Count; i++)
            {
                Fail(fetches[i], told);
            }
        }
        finally
        {
            context.Buffers.Return(buffer);
            foreach (BlockFetch fetch in fetches)
            {
                fetch.Settle();
                fetch.Release();
                context.Fetches.End();
            }
        }
    }

    /// <summary>Where a fetch starts in the object that holds its content.</summary>
    private static long PlaceOf(BlockFetch fetch) => fetch.Content.Content.Object!.PackOffsetBytes + fetch.OffsetBytes;

    private async ValueTask ReadColdAsync(BlockFetch fetch)
    {
        if (fetch.IsBackground)
        {
            fetch.Times = await ReadForAsync(fetch, isBackground: true).ConfigureAwait(false);
            return;
        }

        context.Counters.Add(Counter.ForegroundFetches, 1);
        if (fetch.LengthBytes == fetch.Content.SizeBytes && fetch.LengthBytes <= SmallFileBytes)
        {
            context.Counters.Add(Counter.SmallFileFetches, 1);
        }

        context.Fetches.BeginCold();
        try
        {
            fetch.Times = await ReadForAsync(fetch, isBackground: false).ConfigureAwait(false);
        }
        finally
        {
            context.Fetches.EndCold();
        }
    }

    private ValueTask<ReadTimes> ReadForAsync(BlockFetch fetch, bool isBackground) => fetch.AsksPeers
        ? ReadSharedAsync(
            fetch.Content, fetch.OffsetBytes, fetch.Memory, isBackground, fetch.Use, context.Stopping)
        : ReadObjectAsync(
            fetch.Content, fetch.OffsetBytes, fetch.Memory, isBackground, fetch.Use, context.Stopping);

    private static void Fail(BlockFetch fetch, Exception error)
    {
        fetch.Fail(error);
        fetch.Content.Streams.Drop(fetch);
    }
}
