using DataLayer.Core.Identity;
using DataLayer.Core.Tree;

namespace DataLayer.Engine.Files.State;

/// <summary>
/// All contents in use, by inode. After the last release a content's state is kept for a while (its readers' streams
/// outlive a stateless request), bounded in number: of each shard those that were used last.
/// </summary>
/// <remarks>
/// Opening and closing a file whose state is idle allocates nothing: feeds and mounts do it for each small file. Lock
/// order: a shard's lock is taken alone; streams are let go outside of it.
/// </remarks>
internal sealed class ContentTable : IDisposable
{
    private const int ShardCount = 64;
    private readonly Shard[] _shards = new Shard[ShardCount];
    private readonly int _idleLimit;

    /// <summary>Makes an empty table.</summary>
    /// <param name="idleLimit">How many idle states are kept, a count; shared evenly by the shards.</param>
    public ContentTable(int idleLimit)
    {
        _idleLimit = (idleLimit + ShardCount - 1) / ShardCount;
        for (int i = 0; i < ShardCount; i++)
        {
            _shards[i] = new Shard();
        }
    }

    /// <summary>
    /// The state of a content that is in use or idle, with a reference for the caller; null if there is none.
    /// </summary>
    public ContentState? TryAcquire(ContentId id)
    {
        Shard shard = ShardOf(id.Inode);
        lock (shard.Sync)
        {
            ContentState? state = FindLocked(shard, id);
            if (state is null)
            {
                state = shard.TakeIdle(id);
                if (state is null)
                {
                    return null;
                }

                shard.Active.Add(id, state);
            }

            state.References++;
            return state;
        }
    }

    /// <summary>
    /// The state of <paramref name="content"/>, made if there is none; read from the tree at <paramref name="stamp"/>.
    /// </summary>
    public ContentState Acquire(FileContent content, long stamp)
    {
        ContentId id = content.Attributes.Content;
        Shard shard = ShardOf(id.Inode);
        lock (shard.Sync)
        {
            ContentState? state = FindLocked(shard, id);
            if (state is null)
            {
                state = shard.TakeIdle(id) ?? new ContentState(id, content, stamp);
                shard.Active.Add(id, state);
            }

            state.References++;
            state.Apply(content, stamp);
            return state;
        }
    }

    /// <summary>One more reference on a state the caller already holds.</summary>
    public void AddReference(ContentState state)
    {
        lock (ShardOf(state.Id.Inode).Sync)
        {
            state.References++;
        }
    }

    /// <summary>Gives a reference back. True when it was the last one of an orphan's contents.</summary>
    public bool Release(ContentState state)
    {
        Shard shard = ShardOf(state.Id.Inode);
        ContentState? dropped;
        bool isLast;
        lock (shard.Sync)
        {
            if (--state.References > 0)
            {
                return false;
            }

            shard.Active.Remove(state.Id);
            dropped = shard.AddIdle(state, _idleLimit);
            isLast = state.IsOrphan && !IsInUseLocked(shard, state.Id.Inode);
        }

        dropped?.Streams.ReleaseAll();
        return isLast;
    }

    /// <summary>Forgets an idle content that will not be opened again.</summary>
    public void Forget(ContentId id)
    {
        Shard shard = ShardOf(id.Inode);
        ContentState? state;
        lock (shard.Sync)
        {
            state = shard.TakeIdle(id);
        }

        state?.Streams.ReleaseAll();
    }

    /// <summary>
    /// Contents of an inode without names that nobody uses but the table of unflushed contents.
    /// </summary>
    public List<ContentState> UnflushedOrphans(InodeId inode)
    {
        List<ContentState> found = [];
        Shard shard = ShardOf(inode);
        lock (shard.Sync)
        {
            foreach ((ContentId id, ContentState state) in shard.Active)
            {
                if (id.Inode == inode && state is { IsOrphan: true, IsTracked: true, References: 1 })
                {
                    found.Add(state);
                }
            }
        }

        return found;
    }

    /// <summary>Whether only the table of unflushed contents uses a state.</summary>
    public bool IsOnlyTracked(ContentState state)
    {
        lock (ShardOf(state.Id.Inode).Sync)
        {
            return state is { IsTracked: true, References: 1 };
        }
    }

    public bool IsInUse(InodeId inode)
    {
        Shard shard = ShardOf(inode);
        lock (shard.Sync)
        {
            return IsInUseLocked(shard, inode);
        }
    }

    public bool IsInUse(ContentId id)
    {
        Shard shard = ShardOf(id.Inode);
        lock (shard.Sync)
        {
            return shard.Active.ContainsKey(id);
        }
    }

    /// <summary>
    /// Notes that the inode has no name any more; true if it is in use, so that its last release must forget it.
    /// </summary>
    public bool MarkOrphan(InodeId inode) => SetOrphan(inode, isOrphan: true);

    /// <summary>Notes that an inode without a name got one.</summary>
    public void UnmarkOrphan(InodeId inode) => SetOrphan(inode, isOrphan: false);

    /// <summary>
    /// A look at a content's state without a reference, for reports; null if nobody uses it and it is not idle.
    /// </summary>
    public ContentState? Peek(ContentId id)
    {
        Shard shard = ShardOf(id.Inode);
        lock (shard.Sync)
        {
            return FindLocked(shard, id) ?? shard.Idle.GetValueOrDefault(id);
        }
    }

    /// <summary>The contents in use.</summary>
    public List<ContentState> ListInUse()
    {
        List<ContentState> found = [];
        foreach (Shard shard in _shards)
        {
            lock (shard.Sync)
            {
                found.AddRange(shard.Active.Values);
            }
        }

        return found;
    }

    /// <summary>States of contents other than <paramref name="current"/> of its inode that are in use.</summary>
    public List<ContentState> OlderInUse(ContentId current)
    {
        List<ContentState> older = [];
        Shard shard = ShardOf(current.Inode);
        lock (shard.Sync)
        {
            foreach ((ContentId id, ContentState state) in shard.Active)
            {
                if (id.Inode == current.Inode && id.Generation != current.Generation)
                {
                    older.Add(state);
                }
            }
        }

        return older;
    }

    /// <summary>States in use whose content lies in the object at a key.</summary>
    public List<ContentState> ReadersOf(string key)
    {
        List<ContentState> readers = [];
        foreach (Shard shard in _shards)
        {
            lock (shard.Sync)
            {
                foreach (ContentState state in shard.Active.Values)
                {
                    if (state.Content.Object?.Key == key)
                    {
                        readers.Add(state);
                    }
                }
            }
        }

        return readers;
    }

    public void Dispose()
    {
        foreach (Shard shard in _shards)
        {
            lock (shard.Sync)
            {
                foreach (ContentState state in shard.Idle.Values)
                {
                    state.Streams.ReleaseAll();
                }

                shard.Idle.Clear();
                shard.Recent.Clear();
            }
        }
    }

    private static ContentState? FindLocked(Shard shard, ContentId id) =>
        shard.Active.TryGetValue(id, out ContentState? state) ? state : null;

    private static bool IsInUseLocked(Shard shard, InodeId inode)
    {
        foreach (ContentId id in shard.Active.Keys)
        {
            if (id.Inode == inode)
            {
                return true;
            }
        }

        return false;
    }

    private bool SetOrphan(InodeId inode, bool isOrphan)
    {
        bool inUse = false;
        Shard shard = ShardOf(inode);
        lock (shard.Sync)
        {
            foreach ((ContentId id, ContentState state) in shard.Active)
            {
                if (id.Inode == inode)
                {
                    state.IsOrphan = isOrphan;
                    inUse = true;
                }
            }
        }

        return inUse;
    }

    private Shard ShardOf(InodeId inode) => _shards[(int)((ulong)inode.Value % ShardCount)];

    private sealed class Shard
    {
        public Lock Sync { get; } = new();

        public Dictionary<ContentId, ContentState> Active { get; } = [];

        public Dictionary<ContentId, ContentState> Idle { get; } = [];

        /// <summary>The idle ones, the one used last at the end.</summary>
        public LinkedList<ContentState> Recent { get; } = [];

        /// <summary>Takes a state off the idle ones; null if it is none of them.</summary>
        public ContentState? TakeIdle(ContentId id)
        {
            if (!Idle.Remove(id, out ContentState? state))
            {
                return null;
            }

            Recent.Remove(state.IdlePlace);
            return state;
        }

        /// <summary>Keeps a state; gives the one that has to go for it.</summary>
        public ContentState? AddIdle(ContentState state, int limit)
        {
            Idle.Add(state.Id, state);
            Recent.AddLast(state.IdlePlace);
            if (Idle.Count <= limit)
            {
                return null;
            }

            ContentState oldest = Recent.First!.Value;
            Recent.RemoveFirst();
            Idle.Remove(oldest.Id);
            return oldest;
        }
    }
}
