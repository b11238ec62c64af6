using System.Collections.Concurrent;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// Fetches ahead of sequential and strided readers, and whole blocks of which pieces are asked for again and again.
/// Bounded by the readahead memory; when that is used up, streams that nobody reads any more lose what they hold and
/// the others shrink.
/// </summary>
internal sealed class Readahead(EngineContext context, FetchRunner runner)
{
    private const long ForgottenMilliseconds = 2000;
    private readonly ConcurrentDictionary<ReadStreams, byte> _holders = new();
    private readonly Touch[] _touched = new Touch[1 << 14];

    /// <summary>
    /// Notes a read and starts what should run ahead of it. True when the read belongs to a sequential reader.
    /// <paramref name="extentEndBytes"/> is where the extent ends of which the read is a piece, or 0.
    /// </summary>
    public bool Note(ContentState content, long offsetBytes, int lengthBytes, long extentEndBytes)
    {
        long size = content.SizeBytes;
        bool resident = content.IsResident(BlockLayout.BlockIndex(offsetBytes));
        long window = resident ? context.Options.HotReadaheadBytes : context.Options.ReadaheadBytes;
        long now = context.NowMilliseconds;
        ReadAdvice advice = content.Streams.Note(offsetBytes, lengthBytes, extentEndBytes, size, window, now);
        if (!resident && advice.IsSequential && advice.WindowBytes > ReadStreams.FirstWindowBytes)
        {
            context.Fetches.StreamReadAt = now;
        }

        if (advice.IssueTo > advice.IssueFrom)
        {
            if (advice.Stride > 0)
            {
                IssueStrided(content, advice, lengthBytes, size);
            }
            else if (advice.IsExtent)
            {
                // The block the extent starts in is fetched by the read itself, and the last one in part.
                long unit = context.Options.SubBlockBytes;
                long from = (advice.IssueFrom + BlockLayout.BlockBytes - 1) / BlockLayout.BlockBytes;
                long to = (advice.IssueTo + unit - 1) / unit * unit;
                Issue(content, from * BlockLayout.BlockBytes, to, RequestBytes(advice.WindowBytes));
            }
            else
            {
                Issue(content, advice.IssueFrom, advice.IssueTo, RequestBytes(advice.WindowBytes));
            }
        }

        return advice.IsSequential;
    }

    /// <summary>
    /// A piece of a block was asked for. The whole block is fetched in the background once an eighth of it was asked
    /// for, or its pieces cost as much as itself; where it is hot and pieces cost no request, the second time.
    /// </summary>
    public void NoteSubBlock(ContentState content, uint block, int askedBytes, int fetchedBytes)
    {
        BlockId id = new(content.Id, block);
        int hash = HashCode.Combine(id.Inode, id.Generation, id.Index);
        int tag = (hash >>> 16) | 1;
        ref Touch seen = ref _touched[hash & (_touched.Length - 1)]; // Races only miscount.
        bool isFirst = seen.Tag != tag;
        Touch now = isFirst
            ? new Touch { Tag = tag, AskedBytes = askedBytes, FetchedBytes = fetchedBytes }
            : new Touch
            {
                Tag = tag,
                AskedBytes = seen.AskedBytes + askedBytes,
                FetchedBytes = seen.FetchedBytes + fetchedBytes,
            };
        bool isWorthIt = content.IsResident(block) || now.AskedBytes >= BlockLayout.BlockBytes / 8
            || now.FetchedBytes >= BlockLayout.BlockBytes;
        if (isFirst || !isWorthIt)
        {
            seen = now;
            return;
        }

        seen = default;
        if (!runner.CacheAdmits && content.IsResident(block))
        {
            return; // It would be read and thrown away.
        }

        long offset = BlockLayout.BlockOffset(block);
        Issue(content, offset, offset
            + BlockLayout.BlockLength(block, content.SizeBytes), BlockLayout.BlockBytes, hold: false);
    }

    /// <summary>
    /// Fetches what is neither cached nor under way of an extent, from the start of its first block to its end, in
    /// requests of at most <paramref name="requestBytes"/> that end at multiples of it: stores keep large objects in
    /// parts, and a request that crosses their borders is more work for them (Ceph: objects of 4 MiB).
    /// </summary>
    public void Issue(ContentState content, long from, long to, int requestBytes, bool hold = true)
    {
        long position = from / BlockLayout.BlockBytes * BlockLayout.BlockBytes;
        long size = content.SizeBytes;
        to = Math.Min(to, size);
        int started = 0;
        while (position < to && started < context.Options.MaxRequestsPerFile)
        {
            uint block = BlockLayout.BlockIndex(position);
            long blockEnd = Math.Min(to, position + BlockLayout.BlockLength(block, size));
            if (context.Cache.Contains(new BlockId(content.Id, block)))
            {
                position = blockEnd;
                continue;
            }

            BlockFetch? fetch = TryStart(content, position, to, size, requestBytes, hold, out long next);
            if (next < 0)
            {
                ShrinkAll(content, position);
                return;
            }

            started += fetch is null ? 0 : 1;
            position = next;
        }
    }

    /// <summary>
    /// Lets a content's readers keep a fetch that is about to run until they passed it, if readahead's memory has room
    /// for it: held without count, the last blocks of some hundred files read here and there outgrow any budget.
    /// </summary>
    public void TryHold(ContentState content, BlockFetch fetch)
    {
        if (!context.Fetches.TryReserve(fetch.LengthBytes))
        {
            ShrinkAll(content, fetch.EndBytes);
            if (!context.Fetches.TryReserve(fetch.LengthBytes))
            {
                return;
            }
        }

        fetch.IsReserved = true;
        fetch.AddReference();
        content.Streams.Hold(fetch);
        _holders.TryAdd(content.Streams, 0);
    }

    /// <summary>
    /// Makes and starts one request at a block's start unless a fetch covers it already. <paramref name="next"/> is
    /// where to go on, or -1 when memory is used up.
    /// </summary>
    private BlockFetch? TryStart(
        ContentState content, long position, long to, long size, int requestBytes, bool hold, out long next)
    {
        uint block = BlockLayout.BlockIndex(position);
        bool resident = content.IsResident(block);
        if (!resident && !context.MayFetchAhead(content))
        {
            next = to; // A budget is spent: readers fetch for themselves, nothing runs ahead of them.
            return null;
        }

        BlockFetch fetch;
        lock (content.Sync)
        {
            long covered = content.CoveredToLocked(position);
            long end = Math.Min(to, position + BlockLayout.BlockLength(block, size));
            if (covered >= end)
            {
                next = covered;
                return null;
            }

            long nextFetch = content.NextFetchLocked(end);
            long limit = (position / requestBytes * requestBytes) + requestBytes;
            while (end < to && end < nextFetch && end + BlockLayout.BlockBytes <= limit)
            {
                uint following = BlockLayout.BlockIndex(end);
                if (content.IsResident(following) != resident
                    || context.Cache.Contains(new BlockId(content.Id, following)))
                {
                    break;
                }

                end = Math.Min(to, end + BlockLayout.BlockLength(following, size));
            }

            int length = (int)(end - position);
            if (!context.Fetches.TryReserve(length))
            {
                next = -1;
                return null;
            }

            fetch = runner.NewLocked(content, position, length, !resident, isReadahead: true);
            next = end;
            if (hold)
            {
                fetch.AddReferenceLocked();
            }
        }

        if (hold)
        {
            content.Streams.Hold(fetch);
            _holders.TryAdd(content.Streams, 0);
        }

        runner.RunLater(fetch);
        return fetch;
    }

    private void IssueStrided(ContentState content, ReadAdvice advice, int lengthBytes, long size)
    {
        int started = 0;
        for (long place = advice.IssueFrom; place < advice.IssueTo
            && started < ReadStreams.StrideDepth; place += advice.Stride)
        {
            Issue(content, place, Math.Min(place + lengthBytes, size), BlockLayout.BlockBytes);
            started++;
        }
    }

    /// <summary>A window travels as about eight requests, each 1 MiB or more.</summary>
    private int RequestBytes(long windowBytes) => (int)Math.Clamp(
        windowBytes / 8 / BlockLayout.BlockBytes * BlockLayout.BlockBytes, BlockLayout.BlockBytes,
        context.Options.MaxRequestBytes);

    private void ShrinkAll(ContentState content, long issuedTo)
    {
        long now = context.NowMilliseconds;
        foreach (ReadStreams streams in _holders.Keys)
        {
            if (streams != content.Streams && now - streams.LastUse > ForgottenMilliseconds)
            {
                _holders.TryRemove(streams, out _);
                streams.ReleaseAll();
            }
        }

        content.Streams.Shrink(issuedTo);
    }

    /// <summary>What was asked for and fetched of a block in pieces, bytes.</summary>
    private struct Touch
    {
        public int Tag;
        public int AskedBytes;
        public int FetchedBytes;
    }
}
