using DataLayer.Core.Layout;
using DataLayer.Core.Order;
using DataLayer.Storage.Cache;

namespace DataLayer.Engine.Feeds.Prefetch;

/// <summary>
/// Where a feed is in its order and where it goes: what eviction and prefetch know of it. Whoever runs the feed tells
/// each time its cursor moves, and disposes of it at the end.
/// </summary>
/// <remarks>
/// The next use of a block is the least over its samples of the inverse of the order, pass by pass; of a block with
/// more
/// than <see cref="MaxInverses"/> over as many of them, spread evenly: where a block comes that often, which of its
/// samples is first matters little. For orders of draws it is looked up in a <see cref="UseTable"/>.
/// <see cref="MoveTo"/> by one thread at a time, all else by any.
/// </remarks>
public sealed class FeedCourse : IDisposable
{
    /// <summary>So many samples of a block are looked at.</summary>
    internal const int MaxInverses = 32;

    // Of w ranks one meets a given sample in a pass with a chance of 1 / w: after so many times w passes it is all but
    // certain, and what lies behind that does not matter to a cache.
    private const int PassesPerRank = 2;
    private const int MaxPasses = 12;
    private readonly FeedFutures _owner;
    private readonly long _firstCursor;
    private readonly int _passes;
    private readonly UseTable? _table;
    private long _cursor;
    private long _movedAt;

    internal FeedCourse(
        FeedFutures owner, SampleIndex index, DatasetFiles files, SampleOrder order, RankSlice slice, long cursor,
        long endCursor)
    {
        (_owner, Index, Files, Order, Slice) = (owner, index, files, order, slice);
        (_cursor, _firstCursor, EndCursor) = (cursor, cursor, endCursor);
        _movedAt = owner.Time.GetTimestamp();
        SampleBytes = Math.Max(1, files.Bytes / Math.Max(1, index.Count));
        _passes = Math.Min(MaxPasses, 1 + (slice.World == 1 ? 1 : PassesPerRank * slice.World));
        if (!order.HasInverse)
        {
            _table = new UseTable(index, files.Blocks, NewWalk());
            _table.MoveTo(cursor);
        }
    }

    /// <summary>The cursor: positions that all ranks of the feed have taken.</summary>
    public long Cursor => Volatile.Read(ref _cursor);

    /// <summary>Where the feed ends.</summary>
    public long EndCursor { get; }

    /// <summary>Whether the feed has moved lately, so that its blocks are kept for it.</summary>
    public bool IsLive { get; internal set; } = true;

    internal SampleIndex Index { get; }

    internal DatasetFiles Files { get; }

    internal SampleOrder Order { get; }

    internal RankSlice Slice { get; }

    /// <summary>About how long a sample is, bytes.</summary>
    internal long SampleBytes { get; }

    /// <summary>When it moved last.</summary>
    internal long MovedAt => Volatile.Read(ref _movedAt);

    /// <summary>Bytes read lately, under the owner's lock.</summary>
    internal double Recent { get; set; }

    /// <summary>Its part of what all feeds read lately, above 0: turns its bytes into everybody's ticks.</summary>
    internal double Pace { get; set; } = 1;

    /// <summary>The feed has taken all positions before a cursor.</summary>
    public void MoveTo(long cursor)
    {
        long before = Cursor;
        if (cursor <= before)
        {
            return;
        }

        Volatile.Write(ref _cursor, cursor);
        Volatile.Write(ref _movedAt, _owner.Time.GetTimestamp());
        _table?.MoveTo(cursor);
        _owner.Moved(this, (cursor - before) / (double)Slice.World * SampleBytes);
    }

    /// <summary>The feed has ended: nothing is kept for it any more.</summary>
    public void Dispose() => _owner.Remove(this);

    /// <summary>The feed's samples from where it is on.</summary>
    internal CourseWalk NewWalk() => new(Index, Order, Slice, Cursor, EndCursor);

    /// <summary>
    /// In how many bytes of the feed's reading a block comes, <see cref="IFutureUses.Never"/> if not in the time that
    /// is looked at, <see cref="IFutureUses.Unknown"/> if the feed does not use it.
    /// </summary>
    internal long DistanceOf(long file, uint block)
    {
        long cursor = Cursor;
        long position = _table is not null
            ? _table.NextOf(file, block, cursor)
            : NextOf(file, block, cursor, out bool isUsed) is var found && isUsed ? found : -2;
        return position switch
        {
            -2 => IFutureUses.Unknown,
            -1 => IFutureUses.Never,
            _ => (1 + ((position - cursor) / Slice.World)) * SampleBytes,
        };
    }

    private long NextOf(long file, uint block, long cursor, out bool isUsed)
    {
        long start = (long)block * BlockLayout.BlockBytes;
        (long first, long count) = Index.FindSamples(file, start, start + BlockLayout.BlockBytes);
        long soonest = -1;
        isUsed = false;
        long step = Math.Max(1, (count + MaxInverses - 1) / MaxInverses);
        for (long sample = first; sample < first + count; sample += step)
        {
            long ordinal = Index.OrdinalOf(Order.Spec.Part, Order.Sorting, sample);
            if (ordinal >= 0)
            {
                isUsed = true;
                long position = NextOf(ordinal, cursor, soonest < 0 ? EndCursor : Math.Min(soonest, EndCursor));
                soonest = position >= 0 ? position : soonest;
            }
        }

        return soonest;
    }

    /// <summary>The first position of an ordinal that this rank takes, from the cursor on and before a limit.</summary>
    private long NextOf(long ordinal, long cursor, long limit)
    {
        long length = Order.PassLength;
        long pass = cursor / length;
        long from = cursor % length;
        for (int i = 0; i < _passes && pass * length < limit; i++, pass++, from = 0)
        {
            long position = Order.Find(pass, ordinal, from);
            while (position >= 0 && !IsTaken(pass, position))
            {
                // Only an order that repeats ordinals within a pass finds it again.
                position = Order.IsByClass && position + 1 < length ? Order.Find(pass, ordinal, position + 1) : -1;
            }

            if (position >= 0 && (pass * length) + position < limit)
            {
                return (pass * length) + position;
            }
        }

        return -1;
    }

    /// <summary>Whether this rank takes a position (<see cref="RankSlice"/>).</summary>
    private bool IsTaken(long pass, long position)
    {
        long length = Order.PassLength;
        long start = pass == _firstCursor / length ? _firstCursor % length : 0;
        long unit = (long)Slice.World * Slice.Batch;
        long end = Slice.LastStep == LastStep.Pad ? length : start + ((length - start) / unit * unit);
        return position >= start && position < end && (position - start) % Slice.World == Slice.Rank;
    }
}
