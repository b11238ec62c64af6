using System.Runtime.CompilerServices;
using DataLayer.Core.Identity;
using DataLayer.Storage.Cache.Memory;

namespace DataLayer.Storage.Cache.Policies;

/// <summary>
/// Farthest next use, for the blocks of which the next use is known; all others are another policy's. Without anybody
/// who knows the future (<see cref="Uses"/>) it is that other policy, plus a comparison a hit.
/// </summary>
/// <remarks>
/// <para>Known blocks. A newcomer comes in if some known block is used later than it; of <see cref="Samples"/> random
/// ones, and the latest that were met before, the latest goes. So a block whose next use is farther than that of all
/// those looked at is not admitted: Belady's rule, by samples. The next use is kept in the entry and asked for again
/// when it was hit, when its time has come, or when the oracle says that answers changed: about one question for each
/// use of a block.</para>
/// <para>Both sides. What known and other blocks have a claim on is their part of the bytes read lately (half of it
/// forgotten after half a capacity of reads), but at least <see cref="LeastShare"/> each. A side below its claim takes
/// room from the other, whatever that thinks of it; a side above it replaces blocks of its own, and what is free
/// anybody may take. A side that was hardly read lately (<see cref="IdleShare"/>) loses what it has to the other, as
/// that asks.</para>
/// <para>Blocks change sides when the oracle's version changes: a sweep of <see cref="SweptAtOnce"/> entries with each
/// fill, and whenever one is met. Under the cache's lock; <see cref="OnHit"/> is not, and writes one byte.</para>
/// </remarks>
internal sealed class FuturePolicy : EvictionPolicy
{
    /// <summary>The queue of entries whose next use is known; other policies' are below.</summary>
    public const byte Known = 200;

    private const int Samples = 32;
    private const int PoolSize = 16;
    private const int SweptAtOnce = 64;
    private const double LeastShare = 1.0 / 20;
    private const double IdleShare = 1.0 / 1024;
    private readonly EntryTable _entries;
    private readonly EvictionPolicy _others;
    private readonly long _capacityBytes;
    private readonly Func<(long KnownBytes, long AllBytes)>? _hitBytes;
    private readonly List<uint> _known = [];
    private readonly uint[] _pool = new uint[PoolSize];
    private readonly long[] _poolNext = new long[PoolSize];
    private IFutureUses? _uses;
    private ulong _random;
    private long _knownBytes;
    private long _otherBytes;
    private long _missedKnown;
    private long _missedAll;
    private long _missedAtLook;
    private long _seenKnown;
    private long _seenAll;
    private ulong _lastMissed;
    private double _knownShare;
    private int _version = -1;
    private uint _sweepNext;

    /// <summary>Makes an empty policy.</summary>
    /// <param name="settings">As for other policies.</param>
    /// <param name="others">The policy for blocks of which nothing is known.</param>
    /// <param name="hitBytes">Bytes hit so far, of known blocks and of all; null where nothing but misses is
    /// counted.</param>
    public FuturePolicy(
        PolicySettings settings, EvictionPolicy others, Func<(long KnownBytes, long AllBytes)>? hitBytes)
    {
        (_entries, _others, _hitBytes) = (settings.Entries, others, hitBytes);
        _capacityBytes = settings.CapacityBytes;
        _random = ((ulong)settings.Seed * 0x9E3779B97F4A7C15) | 1;
    }

    /// <inheritdoc/>
    public override string Name => "future";

    /// <inheritdoc/>
    public override bool KeepsAdmitted => _others.KeepsAdmitted;

    /// <summary>Who knows the future; null for nobody.</summary>
    public IFutureUses? Uses
    {
        get => Volatile.Read(ref _uses);
        set => Volatile.Write(ref _uses, value);
    }

    /// <summary>Bytes of blocks whose next use is known.</summary>
    public long KnownBytes => _knownBytes;

    /// <summary>Bytes of all others.</summary>
    public long OtherBytes => _otherBytes;

    /// <summary>The part of the bytes read lately that known blocks had, 0 to 1.</summary>
    public double KnownShare => _knownShare;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public override void OnHit(uint entry, ulong hash, int datasetId)
    {
        ref CacheEntry node = ref _entries[entry];
        if (node.Queue == Known)
        {
            node.Marks = 1; // Its next use is another one now.
        }
        else
        {
            _others.OnHit(entry, hash, datasetId);
        }
    }

    /// <inheritdoc/>
    public override void OnMiss(in BlockId block, ulong hash, int datasetId)
    {
        if (Uses is not { IsEmpty: false } uses || !uses.Knows(block))
        {
            _others.OnMiss(block, hash, datasetId);
        }
    }

    /// <inheritdoc/>
    public override uint SelectVictim(in Candidate candidate)
    {
        if (Uses is not { } uses || (uses.IsEmpty && _known.Count == 0))
        {
            return _others.SelectVictim(candidate);
        }

        Sweep(uses);
        long next = uses.NextUseOf(candidate.Block);
        Count(candidate, next != IFutureUses.Unknown);
        UpdateShare();
        long otherClaim = (long)(Math.Clamp(1 - _knownShare, LeastShare, 1 - LeastShare) * _capacityBytes);
        if (next == IFutureUses.Unknown)
        {
            bool isOwed = _otherBytes + candidate.Bytes <= otherClaim || _knownShare < IdleShare;
            uint lent = isOwed ? FindLatest(uses).Victim : 0;
            return lent != 0 ? lent : _others.SelectVictim(candidate);
        }

        if (_knownBytes + candidate.Bytes <= _capacityBytes - otherClaim || 1 - _knownShare < IdleShare)
        {
            uint lent = _otherBytes > 0 ? _others.SelectLeast(candidate) : 0;
            if (lent != 0)
            {
                return lent;
            }
        }

        (uint victim, long latest) = FindLatest(uses);
        return latest > next ? victim : 0;
    }

    /// <inheritdoc/>
    public override void OnInsert(uint entry, in Candidate candidate)
    {
        long next = Uses is { IsEmpty: false } uses ? uses.NextUseOf(candidate.Block) : IFutureUses.Unknown;
        Count(candidate, next != IFutureUses.Unknown);
        Add(entry, candidate, next);
    }

    /// <inheritdoc/>
    public override void OnRemove(uint entry, ulong hash, bool evicted)
    {
        ref CacheEntry node = ref _entries[entry];
        if (node.Queue == Known)
        {
            RemoveKnown(entry, ref node);
        }
        else
        {
            _otherBytes -= node.Length;
            _others.OnRemove(entry, hash, evicted);
        }
    }

    /// <inheritdoc/>
    public override void SetDataset(int datasetId, long passLengthBlocks, int runningJobs) =>
        _others.SetDataset(datasetId, passLengthBlocks, runningJobs);

    private static long NextOf(ref CacheEntry node) => (long)(((ulong)node.LastAccess << 32) | node.PolicyWord);

    private void Add(uint entry, in Candidate candidate, long next)
    {
        ref CacheEntry node = ref _entries[entry];
        if (next == IFutureUses.Unknown)
        {
            _otherBytes += node.Length;
            _others.OnInsert(entry, candidate);
            return;
        }

        node.Previous = (uint)_known.Count;
        node.Next = 0;
        node.Queue = Known;
        Store(ref node, next);
        _known.Add(entry);
        _knownBytes += node.Length;
    }

    private void Store(ref CacheEntry node, long next)
    {
        node.PolicyWord = (uint)next;
        node.LastAccess = (uint)(next >> 32);
        node.Frequency = (byte)_version;
        node.Marks = 0;
    }

    private void RemoveKnown(uint entry, ref CacheEntry node)
    {
        int place = (int)node.Previous;
        uint last = _known[^1];
        _known[place] = last;
        _entries[last].Previous = (uint)place;
        _known.RemoveAt(_known.Count - 1);
        _knownBytes -= node.Length;
        node.Previous = node.Next = 0;
        node.Queue = 0;
        int pooled = Array.IndexOf(_pool, entry);
        if (pooled >= 0)
        {
            (_pool[pooled], _poolNext[pooled]) = (0, -1);
        }
    }

    /// <summary>The known entry, of those looked at, that is used last.</summary>
    private (uint Victim, long Next) FindLatest(IFutureUses uses)
    {
        long now = uses.Now;
        uint victim = 0;
        long latest = -1;
        for (int i = 0; i < PoolSize; i++)
        {
            uint entry = _pool[i];
            ref CacheEntry node = ref _entries[entry];
            if (entry != 0 && _entries.MayEvict(ref node) && TryGetNext(uses, entry, ref node, now, out long next))
            {
                _poolNext[i] = next;
                (victim, latest) = next > latest ? (entry, next) : (victim, latest);
            }
        }

        for (int i = 0; i < Samples && _known.Count > 0; i++)
        {
            uint entry = _known[(int)((NextRandom() >> 32) * (ulong)_known.Count >> 32)];
            ref CacheEntry node = ref _entries[entry];
            if (_entries.MayEvict(ref node) && TryGetNext(uses, entry, ref node, now, out long next))
            {
                Keep(entry, next);
                (victim, latest) = next > latest ? (entry, next) : (victim, latest);
            }
        }

        return (victim, latest);
    }

    /// <summary>Notes an entry among those to look at next time, in place of the one used earliest.</summary>
    private void Keep(uint entry, long next)
    {
        int chosen = 0;
        for (int i = 0; i < PoolSize; i++)
        {
            if (_pool[i] == entry)
            {
                return;
            }

            chosen = _poolNext[i] < _poolNext[chosen] ? i : chosen;
        }

        if (_poolNext[chosen] < next)
        {
            (_pool[chosen], _poolNext[chosen]) = (entry, next);
        }
    }

    /// <summary>The next use of a known entry; false if nobody knows it any more, then it is the others'.</summary>
    private bool TryGetNext(IFutureUses uses, uint entry, ref CacheEntry node, long now, out long next)
    {
        next = NextOf(ref node);
        if (node.Marks == 0 && node.Frequency == (byte)_version && next > now)
        {
            return true;
        }

        next = uses.NextUseOf(node.Block);
        if (next != IFutureUses.Unknown)
        {
            Store(ref node, next);
            return true;
        }

        Hand(entry, ref node, next);
        return false;
    }

    /// <summary>Gives an entry to the other side.</summary>
    private void Hand(uint entry, ref CacheEntry node, long next)
    {
        ulong hash = BlockIndex.Hash(node.Block);
        Candidate candidate = new(hash, node.Length, node.DatasetId) { Block = node.Block };
        OnRemove(entry, hash, evicted: false);
        node.LastAccess = node.PolicyWord = 0;
        node.Frequency = node.Marks = 0;
        Add(entry, candidate, next);
    }

    /// <summary>Goes on with the look at all entries that a new version asks for.</summary>
    private void Sweep(IFutureUses uses)
    {
        int version = uses.Version;
        if (version != _version)
        {
            (_version, _sweepNext) = (version, 1);
        }

        uint end = Math.Min(_entries.End, _sweepNext + SweptAtOnce);
        for (; _sweepNext < end && _sweepNext != 0; _sweepNext++)
        {
            ref CacheEntry node = ref _entries[_sweepNext];
            if (node.Queue != 0 && !node.Busy && (node.Version & 1) != 0)
            {
                long next = uses.NextUseOf(node.Block);
                if ((next != IFutureUses.Unknown) != (node.Queue == Known))
                {
                    Hand(_sweepNext, ref node, next);
                }
            }
        }
    }

    /// <summary>Counts the bytes of a block that was missed: once, however often room is made for it.</summary>
    private void Count(in Candidate candidate, bool isKnown)
    {
        if (candidate.Hash != _lastMissed)
        {
            _lastMissed = candidate.Hash;
            _missedAll += candidate.Bytes;
            _missedKnown += isKnown ? candidate.Bytes : 0;
        }
    }

    private void UpdateShare()
    {
        if (_missedAll - _missedAtLook < _capacityBytes / 1024)
        {
            return;
        }

        _missedAtLook = _missedAll;
        (long hitKnown, long hitAll) = _hitBytes?.Invoke() ?? (0, 0);
        long all = hitAll + _missedAll - _seenAll;
        long known = hitKnown + _missedKnown - _seenKnown;
        if (all <= 0)
        {
            return;
        }

        (_seenAll, _seenKnown) = (hitAll + _missedAll, hitKnown + _missedKnown);
        double keep = double.Exp2(-2.0 * all / _capacityBytes);
        _knownShare = (_knownShare * keep) + (Math.Clamp((double)known / all, 0, 1) * (1 - keep));
    }

    private ulong NextRandom()
    {
        _random ^= _random << 13;
        _random ^= _random >> 7;
        _random ^= _random << 17;
        return _random;
    }
}
