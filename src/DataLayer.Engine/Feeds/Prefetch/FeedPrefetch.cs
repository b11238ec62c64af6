using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Order;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Feeds.Prefetch;

/// <summary>
/// Brings the samples that a feed comes to next into memory, and on into the hot tier: what is neither there nor under
/// way, whole blocks, in the order of the feed but in requests that span neighbours.
/// </summary>
/// <remarks>
/// <para>One task goes along the feed's order, a group of samples at a time, as far ahead of the cursor as the options
/// allow. The blocks of a group are sorted: those in a row in one file are one request, and so are files in a row in
/// one pack. Requests are the fetches that readers share, so a reader that comes meanwhile waits for them and asks for
/// nothing itself; each is charged to the budget of all feeds (<see cref="PrefetchBudget"/>), which lets readers go
/// first. Hot bytes are not fetched ahead: the feed reads them straight into its slab.</para>
/// <para>A spent budget (<see cref="Storage.Objects.OriginUse"/>) stops it, never a reader. What fails is left to the
/// reader to meet. Where neither memory nor the hot tier keeps what is fetched, it stops for the rest of the
/// feed.</para>
/// <para>Life: <see cref="Open"/> registers the feed's course → <see cref="WhenLookedAsync"/> before each step is read,
/// <see cref="MoveTo"/> after → disposal, which ends course and task; requests in flight end by themselves.</para>
/// </remarks>
internal sealed class FeedPrefetch : IAsyncDisposable
{
    private const int GroupSamples = 128;
    private const long GroupBytes = 64L << 20;
    private const int RefusalsToStop = 64;
    private const int MaxSkippedGroups = 16;
    private readonly EngineContext _context;
    private readonly FetchRunner _runner;
    private readonly FeedCourse _course;
    private readonly PrefetchBudget _budget;
    private readonly CourseWalk _walk;
    private readonly long _aheadBytes;
    private readonly bool _isMemoryEnough;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private readonly List<WantedBlock> _wanted = [];
    private readonly HashSet<BlockId> _seen = [];
    private readonly Queue<(long Position, long Bytes)> _fetched = new();
    private TaskCompletionSource _moved = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _looked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _loop = Task.CompletedTask;
    private long _lookedTo;
    private bool _isBlocked;
    private bool _foundCold;
    private int _skippedGroups;
    private int _refusals;

    private FeedPrefetch(FileEngine engine, FeedCourse course, PrefetchBudget budget)
    {
        (_context, _runner, _course, _budget) = (engine.Context, engine.Runner, course, budget);
        _walk = course.NewWalk();
        _lookedTo = course.Cursor;
        _aheadBytes = Math.Min(budget.Options.AheadBytes, _context.Cache.CapacityBytes / 8);

        // A block of many samples that come one by one, here and there, would be evicted and fetched again for each.
        _isMemoryEnough = course.SampleBytes >= BlockLayout.BlockBytes / 8
            || course.Files.Bytes <= _context.Cache.CapacityBytes
            || course.Order.Spec.Mode is OrderMode.Sequential or OrderMode.Blocks;
    }

    /// <summary>The cursor up to which everything that is wanted was asked for.</summary>
    public long LookedTo => Volatile.Read(ref _lookedTo);

    /// <summary>About how long a sample is, bytes.</summary>
    public long SampleBytes => _course.SampleBytes;

    /// <summary>Takes a feed up and begins to read ahead of it.</summary>
    /// <param name="engine">The engine.</param>
    /// <param name="index">The index.</param>
    /// <param name="order">The order of its samples.</param>
    /// <param name="slice">Which positions the feed takes.</param>
    /// <param name="cursor">Where it begins.</param>
    /// <param name="endCursor">Where it ends; the largest number for never.</param>
    public static FeedPrefetch Open(
        FileEngine engine, SampleIndex index, SampleOrder order, RankSlice slice, long cursor, long endCursor)
    {
        FeedCourse course = engine.Context.Futures.Register(index, order, slice, cursor, endCursor);
        FeedPrefetch prefetch = new(engine, course, engine.Context.Prefetch);
        if (prefetch._aheadBytes > 0)
        {
            prefetch._loop = Task.Run(prefetch.RunAsync, CancellationToken.None);
        }
        else
        {
            prefetch.SetLooked(long.MaxValue);
        }

        return prefetch;
    }

    /// <summary>All samples before a cursor were read, or are being read.</summary>
    public void MoveTo(long cursor)
    {
        _course.MoveTo(cursor);
        lock (_lock)
        {
            _moved.TrySetResult();
            while (_fetched.TryPeek(out (long Position, long Bytes) oldest) && oldest.Position < cursor)
            {
                _fetched.Dequeue();
                _context.Counters.Add(Counter.PrefetchUsefulBytes, oldest.Bytes);
            }
        }
    }

    /// <summary>
    /// Waits until the samples before a cursor were asked for, so that a reader of them shares large requests instead
    /// of making small ones; not while prefetch itself waits for room.
    /// </summary>
    public async ValueTask WhenLookedAsync(long cursor, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task looked;
            lock (_lock)
            {
                if (_lookedTo >= cursor || _isBlocked)
                {
                    return;
                }

                looked = _looked.Task;
            }

            await looked.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _course.Dispose();
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        lock (_lock)
        {
            foreach ((_, long bytes) in _fetched)
            {
                _context.Counters.Add(Counter.PrefetchWastedBytes, bytes);
            }

            _fetched.Clear();
        }

        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(
            _stopping.Token, _context.Stopping);
        try
        {
            while (await NextGroupAsync(both.Token).ConfigureAwait(false))
            {
                await FetchGroupAsync(both.Token).ConfigureAwait(false);
                SkipIfWarm();
                SetLooked(Math.Max(LookedTo, _walk.Cursor));
                if (Volatile.Read(ref _refusals) >= RefusalsToStop)
                {
                    break;
                }
            }
        }
        catch (OperationCanceledException) when (both.IsCancellationRequested)
        {
            // The feed or the service ends.
        }
        catch (Exception error)
        {
            // Whatever it is, readers meet it where it matters.
            EngineLog.BackgroundFailed(_context.Log, "prefetch", error);
        }

        SetLooked(long.MaxValue);
    }

    /// <summary>
    /// Where a group had nothing to fetch the next ones are passed over, more and more of them: all but a few looks are
    /// saved for a feed whose samples are in memory or hot. What is cold among them its reader fetches.
    /// </summary>
    private void SkipIfWarm()
    {
        _skippedGroups = _foundCold ? 0 : Math.Min(MaxSkippedGroups, (2 * _skippedGroups) + 1);
        if (_skippedGroups > 0)
        {
            _walk.Skip(Math.Max(1, _skippedGroups * GroupSamples / _course.Slice.Batch));
        }

        _foundCold = false;
    }

    private void SetLooked(long cursor, bool isBlocked = false)
    {
        TaskCompletionSource looked;
        lock (_lock)
        {
            (_lookedTo, _isBlocked) = (cursor, isBlocked);
            looked = _looked;
            _looked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        looked.SetResult();
    }

    /// <summary>
    /// Collects what is wanted of the next samples; waits while they are too far ahead. False at the feed's end.
    /// </summary>
    private async ValueTask<bool> NextGroupAsync(CancellationToken cancellationToken)
    {
        _wanted.Clear();
        _seen.Clear();
        long bytes = 0;
        for (int samples = 0; samples < GroupSamples && bytes < GroupBytes; samples++)
        {
            long cursor = _course.Cursor;
            if (_walk.Cursor < cursor)
            {
                _walk.Seek(cursor); // The feed was faster.
            }

            if (!_walk.TryNext(out long position, out long sample))
            {
                return samples > 0;
            }

            bytes += Want(position, sample);
            if ((position - cursor) / _course.Slice.World * _course.SampleBytes >= _aheadBytes)
            {
                if (samples > 0)
                {
                    return true; // What there is first; the next group waits.
                }

                await WhileTooFarAsync(position, cancellationToken).ConfigureAwait(false);
            }
        }

        return true;
    }

    private async ValueTask WhileTooFarAsync(long position, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task moved;
            lock (_lock)
            {
                if (_moved.Task.IsCompleted)
                {
                    _moved = new(TaskCreationOptions.RunContinuationsAsynchronously);
                }

                moved = _moved.Task;
            }

            if ((position - _course.Cursor) / _course.Slice.World * _course.SampleBytes < _aheadBytes)
            {
                return;
            }

            SetLooked(LookedTo, isBlocked: true);
            await moved.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Notes the blocks of a sample that memory lacks; the sample's length.</summary>
    private long Want(long position, long sample)
    {
        SamplePlace place = _course.Index[sample];
        ContentId content = new(place.Inode, place.Generation);
        uint last = BlockLayout.BlockIndex(place.OffsetBytes + Math.Max(1, place.LengthBytes) - 1);
        for (uint block = BlockLayout.BlockIndex(place.OffsetBytes); block <= last; block++)
        {
            BlockId id = new(content, block);
            if (_seen.Add(id) && !_context.Cache.Contains(id))
            {
                _wanted.Add(new WantedBlock(content, block, position));
            }
        }

        return place.LengthBytes;
    }

    private async ValueTask FetchGroupAsync(CancellationToken cancellationToken)
    {
        _wanted.Sort(static (a, b) => (a.Content.Inode.Value, a.Block).CompareTo((b.Content.Inode.Value, b.Block)));
        List<PackedPart> packed = [];
        for (int i = 0; i < _wanted.Count;)
        {
            int end = i + 1;
            while (end < _wanted.Count && _wanted[end].Content == _wanted[i].Content)
            {
                end++;
            }

            await FetchFileAsync(i, end, packed, cancellationToken).ConfigureAwait(false);
            i = end;
        }

        await FetchPackedAsync(packed, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Fetches the wanted blocks of one file, or puts it among those of packs.</summary>
    private async ValueTask FetchFileAsync(
        int first, int end, List<PackedPart> packed, CancellationToken cancellationToken)
    {
        ContentState? content = await _context.AcquireAsync(_wanted[first].Content.Inode, cancellationToken)
            .ConfigureAwait(false);
        if (content is null)
        {
            return;
        }

        bool isKept = false;
        try
        {
            if (content.Id != _wanted[first].Content || content.Staged is not null || content.IsDirty
                || content.Content.Object is not { } source || content.Content.Attributes.State == TierState.Hot
                || !_context.MayFetchAhead(content))
            {
                return; // Changed, at hand, or not to be had: the reader sees to it.
            }

            for (int i = first; i < end;)
            {
                (long from, long to, long position, int next) = Extent(content, i, end);
                i = next;
                if (to <= from)
                {
                    continue;
                }

                if (source.IsPacked && from == 0 && to == content.SizeBytes)
                {
                    packed.Add(new PackedPart(content, source, position));
                    isKept = true;
                    continue;
                }

                await StartAsync(content, from, to, position, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            if (!isKept)
            {
                await _context.ReleaseAsync(content).ConfigureAwait(false);
            }
        }
    }

    /// <summary>The wanted blocks from one on that lie in a row and are cold, as many as one request takes.</summary>
    private (long From, long To, long Position, int Next) Extent(ContentState content, int first, int end)
    {
        long size = content.SizeBytes;
        uint start = _wanted[first].Block;
        if (start >= BlockLayout.BlockCount(size) || content.IsResident(start))
        {
            return (0, 0, 0, first + 1);
        }

        long from = BlockLayout.BlockOffset(start);
        long limit = (from / _context.Options.MaxRequestBytes * _context.Options.MaxRequestBytes)
            + _context.Options.MaxRequestBytes;
        long to = from + BlockLayout.BlockLength(start, size);
        long position = _wanted[first].Position;
        int next = first + 1;
        for (; next < end; next++)
        {
            uint block = _wanted[next].Block;
            if (BlockLayout.BlockOffset(block) > to || (BlockLayout.BlockOffset(block) == to && to >= limit)
                || content.IsResident(block))
            {
                break;
            }

            position = Math.Min(position, _wanted[next].Position);
            to = Math.Max(
                to, Math.Min(size, BlockLayout.BlockOffset(block) + BlockLayout.BlockLength(block, size)));
        }

        return (from, to, position, next);
    }

    private async ValueTask StartAsync(
        ContentState content, long from, long to, long position, CancellationToken cancellationToken)
    {
        _foundCold = true;
        await TakeAsync(to - from, cancellationToken).ConfigureAwait(false);
        BlockFetch? fetch = Make(content, from, to);
        if (fetch is null)
        {
            _budget.Return(to - from);
            return;
        }

        _ = FollowAsync([fetch], position, to - from);
        _runner.RunLater(fetch);
    }

    /// <summary>A fetch with a reference of ours, unless readers or others fetch some of it already.</summary>
    private BlockFetch? Make(ContentState content, long from, long to)
    {
        lock (content.Sync)
        {
            if (content.NextFetchLocked(from) < to)
            {
                return null;
            }

            BlockFetch fetch = _runner.NewLocked(content, from, (int)(to - from), isCold: true, isReadahead: true);
            fetch.IsReserved = false; // Its memory is charged to our own budget.
            fetch.AddReferenceLocked();
            return fetch;
        }
    }

    /// <summary>Waits for room; who waits for us to look is let go meanwhile.</summary>
    private async ValueTask TakeAsync(long bytes, CancellationToken cancellationToken)
    {
        while (!_budget.TryTake(bytes, out Task freed))
        {
            SetLooked(LookedTo, isBlocked: true);
            await freed.WaitAsync(cancellationToken).ConfigureAwait(false);
            SetLooked(LookedTo);
        }
    }

    /// <summary>Files that lie near one another in one pack are one request.</summary>
    private async ValueTask FetchPackedAsync(List<PackedPart> packed, CancellationToken cancellationToken)
    {
        packed.Sort(static (a, b) => string.CompareOrdinal(a.Source.Key, b.Source.Key) is var byKey and not 0
            ? byKey
            : a.Source.PackOffsetBytes.CompareTo(b.Source.PackOffsetBytes));
        int taken = 0;
        try
        {
            while (taken < packed.Count)
            {
                int end = taken + 1;
                long start = packed[taken].Source.PackOffsetBytes;
                while (end < packed.Count && IsNear(packed[end - 1], packed[end])
                    && packed[end].EndBytes - start <= _context.Options.MaxRequestBytes)
                {
                    end++;
                }

                await StartTogetherAsync(packed[taken..end], cancellationToken).ConfigureAwait(false);
                for (; taken < end; taken++)
                {
                    await _context.ReleaseAsync(packed[taken].Content).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            for (; taken < packed.Count; taken++)
            {
                await _context.ReleaseAsync(packed[taken].Content).ConfigureAwait(false);
            }
        }
    }

    private bool IsNear(PackedPart one, PackedPart next) =>
        one.Source.Key == next.Source.Key && one.Source.AttachmentId == next.Source.AttachmentId
        && one.Source.ETag == next.Source.ETag
        && next.Source.PackOffsetBytes - one.EndBytes <= _budget.Options.GapBytes;

    private async ValueTask StartTogetherAsync(List<PackedPart> parts, CancellationToken cancellationToken)
    {
        _foundCold = true;
        long bytes = parts[^1].EndBytes - parts[0].Source.PackOffsetBytes;
        await TakeAsync(2 * bytes, cancellationToken).ConfigureAwait(false);
        List<BlockFetch> fetches = [];
        long position = long.MaxValue;
        foreach (PackedPart part in parts)
        {
            if (Make(part.Content, 0, part.Content.SizeBytes) is { } fetch)
            {
                fetches.Add(fetch);
                position = Math.Min(position, part.Position);
            }
        }

        if (fetches.Count == 0)
        {
            _budget.Return(2 * bytes);
            return;
        }

        _ = FollowAsync(fetches, position, 2 * bytes);
        _runner.RunTogether(fetches);
    }

    /// <summary>Gives the room back at the end of a request, and counts what became of its bytes.</summary>
    private async Task FollowAsync(List<BlockFetch> fetches, long position, long taken)
    {
        _context.Fetches.Begin();
        foreach (BlockFetch fetch in fetches)
        {
            await fetch.Settled.ConfigureAwait(false);
            if (!fetch.HasFailed)
            {
                Note(fetch, position);
            }

            fetch.Release();
        }

        _budget.Return(taken);
        _context.Fetches.End();
    }

    private void Note(BlockFetch fetch, long position)
    {
        _context.Counters.Add(Counter.PrefetchedBytes, fetch.LengthBytes);
        bool isKept = fetch.IsRecalled || (fetch.IsCached && _isMemoryEnough);
        Volatile.Write(ref _refusals, isKept ? 0 : _refusals + 1);
        lock (_lock)
        {
            if (!isKept && position >= _course.Cursor)
            {
                _context.Counters.Add(Counter.PrefetchWastedBytes, fetch.LengthBytes);
            }
            else if (position < _course.Cursor)
            {
                _context.Counters.Add(Counter.PrefetchUsefulBytes, fetch.LengthBytes);
            }
            else
            {
                _fetched.Enqueue((position, fetch.LengthBytes));
            }
        }
    }

    private readonly record struct WantedBlock(ContentId Content, uint Block, long Position);

    private readonly record struct PackedPart(ContentState Content, ObjectReference Source, long Position)
    {
        public long EndBytes => Source.PackOffsetBytes + Content.SizeBytes;
    }
}
