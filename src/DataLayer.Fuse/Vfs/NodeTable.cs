using System.Runtime.InteropServices;
using DataLayer.Core.Identity;

namespace DataLayer.Fuse.Vfs;

/// <summary>
/// The inodes the kernel knows by this service: how often each was looked up, and what is open of it.
/// </summary>
/// <remarks>
/// <para>All of it can be lost: a service that took a mount over starts with an empty table, opens lazily what is read
/// or written, and treats a count it does not know as the kernel's own (the kernel forgets an inode with one message
/// that carries all its look-ups).</para>
/// <para>A known inode without an open file costs one dictionary slot. Lock order: the shard locks are leaves.</para>
/// </remarks>
internal sealed class NodeTable(bool isTakeover)
{
    private const int ShardCount = 64;
    private readonly Shard[] _shards = NewShards();

    /// <summary>Inodes the kernel knows, a count.</summary>
    internal int Count
    {
        get
        {
            int count = 0;
            foreach (Shard shard in _shards)
            {
                lock (shard.Gate)
                {
                    count += shard.Nodes.Count;
                }
            }

            return count;
        }
    }

    /// <summary>The kernel was told of an inode.</summary>
    internal void AddLookup(InodeId inode)
    {
        Shard shard = ShardOf(inode);
        lock (shard.Gate)
        {
            ref Node node = ref CollectionsMarshal.GetValueRefOrAddDefault(shard.Nodes, inode.Value, out _);
            node.LookupCount++;
        }
    }

    /// <summary>The kernel forgot so many look-ups. Returns what is to be closed once it forgot the inode.</summary>
    internal (bool IsGone, NodeState? State) Forget(InodeId inode, ulong lookups)
    {
        Shard shard = ShardOf(inode);
        lock (shard.Gate)
        {
            ref Node node = ref CollectionsMarshal.GetValueRefOrNullRef(shard.Nodes, inode.Value);
            if (System.Runtime.CompilerServices.Unsafe.IsNullRef(ref node))
            {
                return (true, null);
            }

            if (node.LookupCount > lookups)
            {
                node.LookupCount -= lookups;
                return (false, null);
            }

            NodeState? state = node.State;
            shard.Nodes.Remove(inode.Value);
            return (true, state);
        }
    }

    /// <summary>Whether the kernel may know the inode.</summary>
    internal bool Knows(InodeId inode)
    {
        Shard shard = ShardOf(inode);
        lock (shard.Gate)
        {
            return shard.Nodes.ContainsKey(inode.Value);
        }
    }

    /// <summary>Whether an inode is known to have no extended attributes.</summary>
    internal bool HasNoXattrs(InodeId inode)
    {
        Shard shard = ShardOf(inode);
        lock (shard.Gate)
        {
            return shard.Nodes.TryGetValue(inode.Value, out Node node) && node.HasNoXattrs;
        }
    }

    /// <summary>Remembers, or forgets, that an inode has no extended attributes.</summary>
    internal void SetHasNoXattrs(InodeId inode, bool value)
    {
        Shard shard = ShardOf(inode);
        lock (shard.Gate)
        {
            ref Node node = ref CollectionsMarshal.GetValueRefOrNullRef(shard.Nodes, inode.Value);
            if (!System.Runtime.CompilerServices.Unsafe.IsNullRef(ref node))
            {
                node.HasNoXattrs = value;
            }
        }
    }

    /// <summary>What is open of an inode, or null.</summary>
    internal NodeState? Find(InodeId inode)
    {
        Shard shard = ShardOf(inode);
        lock (shard.Gate)
        {
            return shard.Nodes.TryGetValue(inode.Value, out Node node) ? node.State : null;
        }
    }

    /// <summary>What is open of an inode; made if there is nothing.</summary>
    internal NodeState GetOrAdd(InodeId inode)
    {
        Shard shard = ShardOf(inode);
        lock (shard.Gate)
        {
            ref Node node = ref CollectionsMarshal.GetValueRefOrAddDefault(shard.Nodes, inode.Value, out _);
            return node.State ??= new NodeState(inode, isTakeover);
        }
    }

    /// <summary>All states: for idle files, and at the end.</summary>
    internal List<NodeState> States()
    {
        List<NodeState> states = [];
        foreach (Shard shard in _shards)
        {
            lock (shard.Gate)
            {
                foreach (Node node in shard.Nodes.Values)
                {
                    if (node.State is not null)
                    {
                        states.Add(node.State);
                    }
                }
            }
        }

        return states;
    }

    /// <summary>All inodes the kernel knows: to invalidate everything.</summary>
    internal List<InodeId> Inodes()
    {
        List<InodeId> inodes = [];
        foreach (Shard shard in _shards)
        {
            lock (shard.Gate)
            {
                foreach (long inode in shard.Nodes.Keys)
                {
                    inodes.Add(new InodeId(inode));
                }
            }
        }

        return inodes;
    }

    private static Shard[] NewShards()
    {
        Shard[] shards = new Shard[ShardCount];
        for (int i = 0; i < shards.Length; i++)
        {
            shards[i] = new Shard();
        }

        return shards;
    }

    private Shard ShardOf(InodeId inode) => _shards[(int)((ulong)inode.Value % ShardCount)];

    private struct Node
    {
        public ulong LookupCount;
        public NodeState? State;
        public bool HasNoXattrs;
    }

    private sealed class Shard
    {
        public Lock Gate { get; } = new();

        public Dictionary<long, Node> Nodes { get; } = [];
    }
}
