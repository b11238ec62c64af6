using System.Collections.Immutable;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering;

namespace DataLayer.Engine.Files.Upkeep;

/// <summary>Room that a writer needs.</summary>
/// <param name="Pool">In which pool.</param>
/// <param name="Targets">On which targets, each; none for any of the pool.</param>
/// <param name="Bytes">How much on each target, bytes.</param>
/// <param name="Inode">Whose share of the tier they count in: the file, or the folder it will be in.</param>
internal readonly record struct RoomNeed(string Pool, ImmutableArray<int> Targets, long Bytes, InodeId Inode);

/// <summary>
/// Makes room in the hot tier for a writer that found none: releases premigrated contents in the order of the policy
/// and of heat (<see cref="ReleaseOrder"/>) until the write fits, and a little more. One writer at a time does so, the
/// others wait for it and mostly find room then.
/// </summary>
/// <remarks>
/// <para>A release is the evictor's: the tree commits it durably, then the bytes go, here at once and not when the
/// journal comes to it (which does it again, to no effect, after a crash). Small contents share segments: those are
/// punched or deleted after each batch.</para>
/// <para>Where nothing is left to release but the journal still deletes or uploads, the writer waits for the next of
/// these to end, as long as they do: a write then runs at the speed of the uploads instead of failing. All waiting of
/// one write together is bounded by <see cref="FileEngineOptions.RoomPatience"/>.</para>
/// <para>No deadlock: a writer waits here with the write gate of its own content, so gates are only tried, never waited
/// for, and a content whose gate is taken is left alone; the tree's writer and the journal's worker wait for nothing of
/// this. The work runs outside of the caller's flow (whose scope and purpose are its own) and is not cancelled with
/// it.</para>
/// </remarks>
internal sealed class RoomMaker(EngineContext context, Evictor evictor, ReleaseOrder order) : IDisposable
{
    /// <summary>A list of candidates is of use for so long.</summary>
    private static readonly TimeSpan _listAge = TimeSpan.FromSeconds(30);

    /// <summary>After a fruitless wait others fail at once for so long, unless something ended meanwhile.</summary>
    private static readonly TimeSpan _rest = TimeSpan.FromSeconds(5);

    /// <summary>Before a content that somebody worked on is looked at again.</summary>
    private static readonly TimeSpan _busyWait = TimeSpan.FromMilliseconds(50);

    /// <summary>Files released at once, a count: their commits are few.</summary>
    private const int MaxReleases = 256;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private ReleaseList? _list;
    private string? _listPool;
    private bool _isUsedUp;
    private bool _wasBusy;
    private long _freedOfList;
    private long _listAt;
    private long _listEnded = -1;
    private long _hopelessAt;
    private long _hopelessEnded = -1;
    private long _ended;
    private TaskCompletionSource _nextEnd = New();

    /// <summary>An upload or the deletion of a hot copy ended: there may be more to release, or room.</summary>
    public void NoteEnd()
    {
        Interlocked.Increment(ref _ended);
        Interlocked.Exchange(ref _nextEnd, New()).TrySetResult();
    }

    /// <summary>Makes room, or waits for it.</summary>
    /// <param name="need">What is needed.</param>
    /// <param name="isRetry">Whether a write failed although there seemed to be room: something goes then.</param>
    /// <param name="cancellationToken">Gives up the wait; what was begun for it goes on.</param>
    /// <returns>Null where the write is worth another try; else why there is no room, for people.</returns>
    public async ValueTask<string?> MakeAsync(RoomNeed need, bool isRetry, CancellationToken cancellationToken)
    {
        context.Counters.Add(Counter.RoomWaits, 1);
        long started = context.Time.GetTimestamp();
        if (!await _turn.WaitAsync(context.Options.RoomPatience, cancellationToken).ConfigureAwait(false))
        {
            return "others wait for room too, and none was made in time";
        }

        Task<string?> work;
        using (ExecutionContext.SuppressFlow())
        {
            work = Task.Run(() => RunAsync(need, isRetry, started), CancellationToken.None);
        }

        return await work.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    public void Dispose() => _turn.Dispose();

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>One turn: ends it.</summary>
    private async Task<string?> RunAsync(RoomNeed need, bool isRetry, long started)
    {
        try
        {
            return await TryAsync(need, isRetry, started).ConfigureAwait(false);
        }
        catch (DataLayerException error)
        {
            EngineLog.BackgroundFailed(context.Log, "making room", error);
            return $"making room failed ({error.Message})";
        }
        catch (OperationCanceledException)
        {
            return "the service stops";
        }
        finally
        {
            _turn.Release();
        }
    }

    private async ValueTask<string?> TryAsync(RoomNeed need, bool isRetry, long started)
    {
        CancellationToken stopping = context.Stopping;
        bool mustFree = isRetry;
        ImmutableArray<int> places = need.Targets.IsDefaultOrEmpty ? [] : context.Hot.SharingSpace(need.Targets);
        while (true)
        {
            stopping.ThrowIfCancellationRequested();
            if (!mustFree && HasRoom(need, need.Bytes))
            {
                return null;
            }

            Task end = Volatile.Read(ref _nextEnd).Task;
            long ended = Interlocked.Read(ref _ended);
            bool isMade = await ReleaseAsync(need, places, mustFree, stopping).ConfigureAwait(false);
            if (isMade || (!mustFree && HasRoom(need, need.Bytes)))
            {
                return null;
            }

            if (!await WaitAsync(end, ended, started, stopping).ConfigureAwait(false))
            {
                return Explain();
            }

            mustFree = false;
        }
    }

    /// <summary>Releases in order until there is room and some to spare; true where a write is worth a try.</summary>
    private async ValueTask<bool> ReleaseAsync(
        RoomNeed need, ImmutableArray<int> places, bool mustFree, CancellationToken cancellationToken)
    {
        long wanted = need.Bytes
            + Math.Min(context.Options.RoomSpareBytes, PoolFill.CapacityOf(context.Hot, need.Pool) / 32);
        long asked = wanted * Math.Max(1, need.Targets.IsDefaultOrEmpty ? 1 : need.Targets.Length);
        long freed = 0;
        while (await ListAsync(need, cancellationToken).ConfigureAwait(false) is { } list
            && !IsTooLarge(need, list))
        {
            List<ReleaseCandidate> files = list.Take(places, asked, MaxReleases);
            if (files.Count == 0)
            {
                _isUsedUp = true;
                if (_wasBusy)
                {
                    break;
                }

                continue;
            }

            freed += await ReleaseAllAsync(files, need.Pool, cancellationToken).ConfigureAwait(false);
            if ((freed > 0 || !mustFree) && HasRoom(need, wanted))
            {
                return true;
            }
        }

        return freed > 0 && (mustFree || HasRoom(need, need.Bytes));
    }

    /// <summary>Whether even all that may go would not make the room: then nothing goes.</summary>
    private bool IsTooLarge(RoomNeed need, ReleaseList list) =>
        need.Bytes > list.ReleasableBytes && !HasRoom(need, need.Bytes - list.ReleasableBytes);

    private bool HasRoom(RoomNeed need, long bytes) =>
        context.Hot.HasRoom(need.Pool, need.Targets, bytes, need.Inode);

    /// <summary>The files to release, in order; null where a look now would find none that the last did not.</summary>
    private async ValueTask<ReleaseList?> ListAsync(RoomNeed need, CancellationToken cancellationToken)
    {
        long ended = Interlocked.Read(ref _ended);
        bool isFresh = _list is not null && _listPool == need.Pool
            && context.Time.GetElapsedTime(_listAt) < _listAge;
        if (isFresh && !_isUsedUp && (_listEnded == ended || _list!.ReleasableBytes >= need.Bytes))
        {
            return _list;
        }

        if (isFresh && !(_list!.IsCut && _freedOfList > 0) && _listEnded == ended && !_wasBusy)
        {
            return null;
        }

        _list = await order.ListAsync(need.Pool, cancellationToken).ConfigureAwait(false);
        (_listPool, _listAt, _listEnded) = (need.Pool, context.Time.GetTimestamp(), ended);
        (_isUsedUp, _wasBusy, _freedOfList) = (false, false, 0);
        return _list;
    }

    /// <summary>Releases files side by side, so that they share commits, and gives back what their records took.
    /// </summary>
    private async ValueTask<long> ReleaseAllAsync(
        List<ReleaseCandidate> files, string pool, CancellationToken cancellationToken)
    {
        long freed = 0;
        ParallelOptions side = new()
        {
            MaxDegreeOfParallelism = context.Options.UpkeepParallelism,
            CancellationToken = cancellationToken,
        };
        await Parallel.ForEachAsync(files, side, async (file, token) =>
        {
            if (await ReleaseOneAsync(file.Inode, token).ConfigureAwait(false))
            {
                Interlocked.Add(ref freed, file.Bytes);
            }
        }).ConfigureAwait(false);
        _freedOfList += freed;
        context.Counters.Add(Counter.RoomReleasedBytes, freed);
        if (freed > 0)
        {
            context.JournalSignal?.Invoke();
            await context.Hot.ReclaimSegmentsAsync(pool, cancellationToken).ConfigureAwait(false);
        }

        return freed;
    }

    private async ValueTask<bool> ReleaseOneAsync(InodeId inode, CancellationToken cancellationToken)
    {
        ContentState? content = await context.AcquireAsync(inode, cancellationToken).ConfigureAwait(false);
        if (content is null)
        {
            return false;
        }

        try
        {
            // An upload may have ended a moment ago.
            await context.ReloadAsync(content, cancellationToken).ConfigureAwait(false);
            bool? released = await evictor.TryReleaseNowAsync(content, cancellationToken).ConfigureAwait(false);
            Volatile.Write(ref _wasBusy, Volatile.Read(ref _wasBusy) || released is null);
            return released == true;
        }
        finally
        {
            await context.ReleaseAsync(content).ConfigureAwait(false);
        }
    }

    /// <summary>Waits for the next upload or deletion to end, where some are owed; else false.</summary>
    private async ValueTask<bool> WaitAsync(
        Task end, long ended, long started, CancellationToken cancellationToken)
    {
        if (_hopelessEnded == ended && context.Time.GetElapsedTime(_hopelessAt) < _rest)
        {
            return false;
        }

        context.JournalSignal?.Invoke();
        TimeSpan left = context.Options.RoomPatience - context.Time.GetElapsedTime(started);
        if (_wasBusy && left > TimeSpan.Zero)
        {
            await Task.Delay(_busyWait, context.Time, cancellationToken).ConfigureAwait(false);
            return true;
        }

        bool isOwed = await context.Tree.CountJournalAsync(JournalKind.DeleteHotCopy, cancellationToken)
            .ConfigureAwait(false) > 0
            || await context.Tree.CountJournalAsync(JournalKind.UploadObject, cancellationToken)
                .ConfigureAwait(false) > 0;
        if (isOwed && left > TimeSpan.Zero)
        {
            try
            {
                await end.WaitAsync(left, context.Time, cancellationToken).ConfigureAwait(false);
                return true;
            }
            catch (TimeoutException)
            {
                // Nothing ended: the writer is told.
            }
        }

        _hopelessAt = context.Time.GetTimestamp();
        _hopelessEnded = ended;
        return false;
    }

    private string Explain()
    {
        ReleaseList? list = _list;
        return list is null
            ? "nothing is premigrated"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"no premigrated data is left to release: {list.OnlyHotBytes} bytes are in the hot tier only, ")
                + string.Create(CultureInfo.InvariantCulture, $"{list.KeptBytes} bytes are pinned or excluded");
    }
}
