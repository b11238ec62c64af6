using DataLayer.Storage.Cache.Memory;

namespace DataLayer.Storage.Cache.Policies;

/// <summary>
/// Least recently used: admits everything, gives up what was idle longest. Each hit takes a lock and moves a link.
/// </summary>
internal sealed class LruPolicy(PolicySettings settings) : EvictionPolicy
{
    private readonly EntryTable _entries = settings.Entries;
    private readonly EntryList _list = new(settings.Entries);
    private readonly Lock _lock = new();

    /// <inheritdoc/>
    public override string Name => "lru";

    /// <inheritdoc/>
    public override void OnHit(uint entry, ulong hash, int datasetId)
    {
        lock (_lock)
        {
            if (_entries[entry].Queue != 0)
            {
                _list.MoveToHead(entry);
            }
        }
    }

    /// <inheritdoc/>
    public override uint SelectVictim(in Candidate candidate)
    {
        lock (_lock)
        {
            uint entry = _list.Tail;
            for (int left = _list.Count; entry != 0 && left > 0; left--)
            {
                ref CacheEntry node = ref _entries[entry];
                if (_entries.MayEvict(ref node))
                {
                    return entry;
                }

                uint next = node.Previous;
                if (node.IsEvictable)
                {
                    _list.MoveToHead(entry); // Shielded: the next fill shall not meet it again.
                }

                entry = next;
            }

            return 0;
        }
    }

    /// <inheritdoc/>
    public override void OnInsert(uint entry, in Candidate candidate)
    {
        lock (_lock)
        {
            _list.AddHead(entry);
            _entries[entry].Queue = 1;
        }
    }

    /// <inheritdoc/>
    public override void OnRemove(uint entry, ulong hash, bool evicted)
    {
        lock (_lock)
        {
            _list.Remove(entry);
            _entries[entry].Queue = 0;
        }
    }
}
