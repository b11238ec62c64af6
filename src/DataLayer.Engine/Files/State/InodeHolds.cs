using DataLayer.Core.Identity;
using DataLayer.Core.Tree;

namespace DataLayer.Engine.Files.State;

/// <summary>
/// Which inodes a mount's kernel knows, with a count each: such an inode is not forgotten when its last name goes.
/// </summary>
/// <remarks>
/// Of inodes that the tree forgets with their last name (folders, links, special files) the last attributes are kept
/// here while they are held, so that fstat of an open one still answers. One lock, a leaf, held for a look-up.
/// </remarks>
internal sealed class InodeHolds
{
    private readonly Lock _sync = new();
    private readonly Dictionary<InodeId, Entry> _held = [];

    public void Add(InodeId inode)
    {
        lock (_sync)
        {
            if (_held.TryGetValue(inode, out Entry? entry))
            {
                entry.Count++;
            }
            else
            {
                _held.Add(inode, new Entry { Count = 1 });
            }
        }
    }

    /// <summary>Holds an orphan that a mount of an earlier process may know, until it is forgotten.</summary>
    public void Keep(InodeId orphan)
    {
        lock (_sync)
        {
            _held[orphan] = new Entry { Count = 1, IsOrphan = true, IsKept = true };
        }
    }

    /// <summary>
    /// Gives holds back, all of them with a count past what is known (a mount that outlived a service knows more).
    /// </summary>
    /// <returns>Whether the inode is an orphan that may go now.</returns>
    public bool Release(InodeId inode, long count)
    {
        lock (_sync)
        {
            if (!_held.TryGetValue(inode, out Entry? entry))
            {
                return false;
            }

            entry.Count -= count;
            if (entry.Count > 0)
            {
                return false;
            }

            _held.Remove(inode);
            return entry.IsOrphan;
        }
    }

    /// <summary>
    /// Notes that the inode has no name any more; false if it is not held, so that it may go at once.
    /// </summary>
    public bool MarkOrphan(InodeId inode)
    {
        lock (_sync)
        {
            if (!_held.TryGetValue(inode, out Entry? entry))
            {
                return false;
            }

            entry.IsOrphan = true;
            return true;
        }
    }

    /// <summary>Notes that an inode without a name got one.</summary>
    public void UnmarkOrphan(InodeId inode)
    {
        lock (_sync)
        {
            if (_held.TryGetValue(inode, out Entry? entry))
            {
                entry.IsOrphan = false;
            }
        }
    }

    /// <summary>Keeps what is left to tell of an inode the tree has forgotten.</summary>
    public void Remember(InodeAttributes forgotten)
    {
        lock (_sync)
        {
            if (_held.TryGetValue(forgotten.Inode, out Entry? entry))
            {
                entry.Last = forgotten with { LinkCount = 0 };
            }
        }
    }

    public InodeAttributes? FindForgotten(InodeId inode)
    {
        lock (_sync)
        {
            return _held.TryGetValue(inode, out Entry? entry) ? entry.Last : null;
        }
    }

    /// <summary>The orphans that were kept for a mount of an earlier process and not forgotten since.</summary>
    public List<InodeId> ListKept()
    {
        List<InodeId> kept = [];
        lock (_sync)
        {
            foreach ((InodeId inode, Entry entry) in _held)
            {
                if (entry.IsKept)
                {
                    kept.Add(inode);
                }
            }
        }

        return kept;
    }

    private sealed class Entry
    {
        public long Count { get; set; }

        public bool IsOrphan { get; set; }

        public bool IsKept { get; init; }

        public InodeAttributes? Last { get; set; }
    }
}
