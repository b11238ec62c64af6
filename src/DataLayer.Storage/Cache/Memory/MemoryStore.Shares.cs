using DataLayer.Core.Identity;
using DataLayer.Core.Layout;

namespace DataLayer.Storage.Cache.Memory;

/// <content>
/// Reserves of shares. A share that holds no more than its reserve is shielded: blocks of others do not push its
/// blocks out. One that holds less takes room from the others, whatever the policy thinks its block is worth; what it
/// does not use others may borrow. Without reserves this costs a fill one comparison.
/// </content>
internal sealed unsafe partial class MemoryStore
{
    private const int RelabelStep = 4096;
    private readonly long[] _shareBytes = new long[ShareMap.MaxShare + 1];
    private readonly bool[] _shielded = new bool[ShareMap.MaxShare + 1];
    private ShareMap? _shares;
    private ShareReserve[] _reserves = [];
    private uint _hand;

    /// <summary>Sets the reserves, instead of those before, and finds out which cached block is whose.</summary>
    public void SetReserves(ShareMap? shares, IReadOnlyList<ShareReserve> reserves)
    {
        lock (_lock)
        {
            _shares = reserves.Count > 0 ? shares : null;
            _reserves = [.. reserves];
            _entries.Shielded = null;
        }

        for (uint from = 1; from < _entries.End; from += RelabelStep)
        {
            lock (_lock)
            {
                uint end = Math.Min(_entries.End, from + RelabelStep);
                for (uint entry = from; entry < end; entry++)
                {
                    RelabelLocked(ref _entries[entry]);
                }
            }
        }
    }

    /// <summary>What the blocks of a share take, bytes with rounding and headers.</summary>
    public long GetShareBytes(int share)
    {
        lock (_lock)
        {
            return _shareBytes[share];
        }
    }

    private static bool IsPublished(ref CacheEntry node) => (node.Version & 1) != 0;

    private void RelabelLocked(ref CacheEntry node)
    {
        int share = _shares?.ShareOf(node.Block.Content.Inode) ?? 0;
        if (!IsPublished(ref node) || share == node.Share)
        {
            return;
        }

        CountLocked(ref node, -1);
        node.Share = (byte)share;
        CountLocked(ref node, 1);
    }

    private void CountLocked(ref CacheEntry node, int sign)
    {
        if (node.Share != 0)
        {
            _shareBytes[node.Share] += sign * Footprint(node.Length);
        }
    }

    /// <summary>A victim for a block that wants in: the policy's, where the reserves allow it.</summary>
    private uint SelectVictimLocked(in Policies.Candidate candidate, InodeId inode)
    {
        if (_reserves.Length == 0)
        {
            return _policy.SelectVictim(candidate);
        }

        int own = _shares!.ShareOf(inode);
        bool isOwed = false;
        Array.Clear(_shielded);
        foreach (ShareReserve reserve in _reserves)
        {
            long used = _shareBytes[reserve.Share];
            if (reserve.Share == own)
            {
                // It grows by what others hold first.
                isOwed = used + Footprint(candidate.Bytes) <= reserve.Bytes;
                _shielded[own] = isOwed;
            }
            else
            {
                _shielded[reserve.Share] = used < reserve.Bytes + Footprint(BlockLayout.BlockBytes);
            }
        }

        _entries.Shielded = _shielded;
        uint victim = _policy.SelectVictim(candidate);
        return victim == 0 && isOwed ? NextVictimLocked() : victim;
    }

    /// <summary>The next block in turn that may go, whatever it is worth; 0 for none.</summary>
    private uint NextVictimLocked()
    {
        uint end = _entries.End;
        for (uint looked = 1; looked < end; looked++)
        {
            _hand = _hand + 1 < end ? _hand + 1 : 1;
            ref CacheEntry node = ref _entries[_hand];
            if (node.Queue != 0 && IsPublished(ref node) && _entries.MayEvict(ref node))
            {
                return _hand;
            }
        }

        return 0;
    }
}
