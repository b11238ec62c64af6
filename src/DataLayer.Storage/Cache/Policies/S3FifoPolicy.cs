using DataLayer.Storage.Cache.Memory;

namespace DataLayer.Storage.Cache.Policies;

/// <summary>
/// S3-FIFO (Yang and others, SOSP 2023): a small queue in front of a main queue, and a memory of what fell out of the
/// small one.
/// </summary>
/// <remarks>
/// A block enters the small queue (a tenth of the bytes), or the main one if it fell out of the small one not long ago.
/// At the small queue's end a block that was hit meanwhile moves to main; the others leave and are remembered. At
/// main's end a block that was hit goes round again with one mark less (marks stop at 3). A hit only sets a mark, so it
/// takes no lock. Pinned and busy blocks go round at no cost; after a whole round without a victim the candidate is
/// refused.
/// </remarks>
internal sealed class S3FifoPolicy : EvictionPolicy
{
    private const byte Small = 1;
    private const byte Main = 2;
    private const int MaxMarks = 3;
    private readonly EntryTable _entries;
    private readonly EntryList _small;
    private readonly EntryList _main;
    private readonly GhostTable _ghosts;

    /// <summary>Makes an empty policy.</summary>
    public S3FifoPolicy(PolicySettings settings)
    {
        _entries = settings.Entries;
        _small = new EntryList(_entries);
        _main = new EntryList(_entries);
        _ghosts = new GhostTable(settings.GhostSlots);
    }

    /// <inheritdoc/>
    public override string Name => "s3fifo";

    /// <summary>Bytes in both queues.</summary>
    public long Bytes => _small.Bytes + _main.Bytes;

    /// <summary>Whether a block fell out of the small queue not long ago.</summary>
    public bool Remembers(ulong hash) => _ghosts.Contains(hash, Reach);

    private long Reach => Math.Max(_main.Count, 1);

    /// <inheritdoc/>
    public override void OnHit(uint entry, ulong hash, int datasetId)
    {
        ref byte marks = ref _entries[entry].Marks;
        if (marks < MaxMarks)
        {
            marks++;
        }
    }

    /// <inheritdoc/>
    public override uint SelectVictim(in Candidate candidate)
    {
        // Each round lowers a mark, moves a block to main or passes over one that may not go: this many rounds see them
        // all.
        for (long rounds = (MaxMarks + 2L) * (_small.Count + _main.Count); rounds > 0; rounds--)
        {
            bool fromSmall = _main.Count == 0 || (_small.Count > 0 && _small.Bytes * 10 >= Bytes);
            uint entry = fromSmall ? _small.Tail : _main.Tail;
            ref CacheEntry node = ref _entries[entry];
            if (!_entries.MayEvict(ref node))
            {
                (fromSmall ? _small : _main).Remove(entry);
                node.Queue = Main;
                _main.AddHead(entry);
            }
            else if (fromSmall && node.Marks > 0)
            {
                _small.Remove(entry);
                node.Marks = 0;
                node.Queue = Main;
                _main.AddHead(entry);
            }
            else if (!fromSmall && node.Marks > 0)
            {
                node.Marks--;
                _main.MoveToHead(entry);
            }
            else
            {
                return entry;
            }
        }

        return 0;
    }

    /// <inheritdoc/>
    public override void OnInsert(uint entry, in Candidate candidate)
    {
        ref CacheEntry node = ref _entries[entry];
        bool remembered = _ghosts.Take(candidate.Hash, Reach);
        node.Marks = 0;
        node.Queue = remembered ? Main : Small;
        (remembered ? _main : _small).AddHead(entry);
    }

    /// <inheritdoc/>
    public override void OnRemove(uint entry, ulong hash, bool evicted)
    {
        ref CacheEntry node = ref _entries[entry];
        (node.Queue == Small ? _small : _main).Remove(entry);
        if (evicted && node.Queue == Small)
        {
            _ghosts.Add(hash);
        }

        node.Queue = 0;
    }
}
