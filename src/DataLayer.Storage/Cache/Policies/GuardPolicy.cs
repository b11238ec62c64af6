using DataLayer.Core.Identity;
using DataLayer.Storage.Cache.Memory;

namespace DataLayer.Storage.Cache.Policies;

/// <summary>
/// Keeps what is there until something is worth more. A newcomer takes free space; in a full cache it comes in only if
/// its <see cref="ReuseModel">worth</see> is clearly above that of the least worthy of a few random blocks. Blocks of
/// no dataset (metadata, indexes, files outside all attachments) have a small area of their own under S3-FIFO.
/// </summary>
/// <remarks>
/// <para>Each dataset has a model with a clock of its own, counted in accesses to it; blocks of no dataset have one
/// too. A dataset whose pass length was told (<see cref="SetDataset"/>) follows the plain rule: a block idle for more
/// than two pass lengths times the running jobs is worth nothing, all others about one hit a pass. Worths of different
/// datasets are compared in hits per access of everybody, so a dataset nobody reads fades away.</para>
/// <para>The area counts while both sides are read: datasets and blocks of none. It gets its first 5 % of the capacity
/// without a contest and grows to at most 10 % for blocks that come back after they fell out. Beyond that it takes only
/// what is free, and gives that back as soon as a dataset asks. Blocks inside the bounds never compete with datasets.
/// A side that made less than <see cref="IdleShare"/> of the accesses lately, or whose jobs all ended, has no claim:
/// then worth alone decides, over all blocks.</para>
/// <para>Reads of one block in a row (a sequential reader asking for parts) count as one use.</para>
/// <para>Cost: a hit takes no lock; a refusal or eviction looks at <see cref="Samples"/> entries; every so many
/// accesses the models are refreshed from at most <see cref="MaxScanned"/> entries and as many remembered
/// blocks.</para>
/// </remarks>
internal sealed class GuardPolicy : EvictionPolicy
{
    /// <summary>The area has one ghost for so many slots of history.</summary>
    internal const int AreaGhostPart = 8;

    private const int Samples = 24;
    private const int PoolSize = 8;
    private const int MaxScanned = 1 << 16;
    private const int MaxModels = 32;
    private const int MinPeriod = 128;
    private const float ShareHalfLife = 0.5f;

    // Small, because metadata that is read once a pass is what the area is for: ten blocks a pass of ten thousand.
    private const float IdleShare = 1f / 1024;

    // The area's part of the capacity.
    private const int FloorDivisor = 20;
    private const int CeilingDivisor = 10;

    // Queue of a dataset's block; the area's blocks are in queues 1 and 2.
    private const byte Guarded = 3;

    // A newcomer must be worth this much more: equals do not replace each other.
    private const float Margin = 2.5f;

    private readonly EntryTable _entries;
    private readonly AccessHistory _history;
    private readonly S3FifoPolicy _area;
    private readonly EntryList _guarded;
    private readonly long _floorBytes;
    private readonly long _ceilingBytes;
    private readonly ReuseModel[] _models = new ReuseModel[MaxModels];
    private readonly int[] _modelDataset = new int[MaxModels];
    private readonly uint[] _seenAt = new uint[MaxModels];
    private readonly Lock _lock = new();
    private readonly uint[] _pool = new uint[PoolSize];
    private ulong _random;
    private int _modelCount = 1;
    private uint _accesses;
    private uint _refreshedAt;
    private uint _nextRefresh = MinPeriod;

    /// <summary>Makes an empty policy.</summary>
    public GuardPolicy(PolicySettings settings)
    {
        _entries = settings.Entries;
        _history = new AccessHistory(settings.GhostSlots);
        _area = new S3FifoPolicy(settings with { GhostSlots = settings.GhostSlots / AreaGhostPart });
        _guarded = new EntryList(_entries);
        _floorBytes = settings.CapacityBytes / FloorDivisor;
        _ceilingBytes = settings.CapacityBytes / CeilingDivisor;
        _random = ((ulong)settings.Seed * 0x9E3779B97F4A7C15) | 1;
        _models[0] = new ReuseModel();
    }

    /// <inheritdoc/>
    public override string Name => "guard";

    /// <summary>For blocks of datasets.</summary>
    public override bool KeepsAdmitted => true;

    /// <summary>What blocks of no dataset take, bytes.</summary>
    public long AreaBytes => _area.Bytes;

    /// <inheritdoc/>
    public override void OnHit(uint entry, ulong hash, int datasetId)
    {
        ref CacheEntry node = ref _entries[entry];
        ReuseModel model = _models[ModelOf(node.DatasetId)];
        AccessRecord record = RecordOf(ref node);
        uint age = model.Now - record.LastAccess;
        if (age <= Correlated)
        {
            return;
        }

        uint now = Tick(model);
        model.OnReuse(record.Count, record.MeanLog, age);
        Store(ref node, record.Used(now));
        if (node.DatasetId == 0)
        {
            _area.OnHit(entry, hash, 0);
        }
    }

    /// <inheritdoc/>
    public override void OnMiss(in BlockId block, ulong hash, int datasetId)
    {
        lock (_lock)
        {
            int index = FindOrAddModel(datasetId);
            ReuseModel model = _models[index];
            if (_history.TryGet(hash, out AccessRecord record) && record.Model == index)
            {
                uint age = model.Now - record.LastAccess;
                if (age <= Correlated)
                {
                    return;
                }

                uint now = Tick(model);
                model.OnReuse(record.Count, record.MeanLog, age);
                _history.Put(hash, record.Used(now), 0);
            }
            else
            {
                _history.Put(hash, new AccessRecord(Tick(model), 0, 0, (byte)index), 0);
            }
        }
    }

    /// <inheritdoc/>
    public override uint SelectVictim(in Candidate candidate)
    {
        lock (_lock)
        {
            RefreshIfDue();
            int index = FindOrAddModel(candidate.DatasetId);
            if (!BothAreRead())
            {
                return SelectByWorth(candidate, _models[index], datasetsOnly: false);
            }

            if (candidate.DatasetId == 0)
            {
                return SelectForArea(candidate);
            }

            uint lent = _area.Bytes > _ceilingBytes ? _area.SelectVictim(candidate) : 0;
            return lent != 0 ? lent : SelectByWorth(candidate, _models[index], datasetsOnly: true);
        }
    }

    /// <inheritdoc/>
    public override uint SelectLeast(in Candidate candidate)
    {
        lock (_lock)
        {
            uint victim = LeastWorthy(datasetsOnly: false).Victim;
            return victim != 0 ? victim : _area.SelectVictim(candidate);
        }
    }

    /// <inheritdoc/>
    public override void OnInsert(uint entry, in Candidate candidate)
    {
        lock (_lock)
        {
            int index = FindOrAddModel(candidate.DatasetId);
            if (!_history.TryGet(candidate.Hash, out AccessRecord record) || record.Model != index)
            {
                record = new AccessRecord(_models[index].Now, 0, 0, (byte)index);
            }

            _history.Remove(candidate.Hash);
            ref CacheEntry node = ref _entries[entry];
            Store(ref node, record);
            if (candidate.DatasetId == 0)
            {
                _area.OnInsert(entry, candidate);
            }
            else
            {
                _guarded.AddHead(entry);
                node.Queue = Guarded;
            }
        }
    }

    /// <inheritdoc/>
    public override void OnRemove(uint entry, ulong hash, bool evicted)
    {
        lock (_lock)
        {
            ref CacheEntry node = ref _entries[entry];
            if (node.Queue == Guarded)
            {
                _guarded.Remove(entry);
                node.Queue = 0;
            }
            else
            {
                _area.OnRemove(entry, hash, evicted);
            }

            if (evicted)
            {
                AccessRecord record = RecordOf(ref node);
                _history.Put(hash, record, _models[record.Model].Now - record.LastAccess);
            }
        }
    }

    /// <inheritdoc/>
    public override void SetDataset(int datasetId, long passLengthBlocks, int runningJobs)
    {
        lock (_lock)
        {
            _models[FindOrAddModel(datasetId)].Tell(passLengthBlocks, runningJobs);
        }
    }

    /// <summary>Uses within this many ticks are one use.</summary>
    private uint Correlated => (uint)Math.Min(16, _entries.Count / 64);

    private static void Store(ref CacheEntry node, in AccessRecord record)
    {
        node.LastAccess = record.LastAccess;
        node.Frequency = record.Count;
        node.PolicyWord = BitConverter.SingleToUInt32Bits(record.MeanLog);
    }

    private AccessRecord RecordOf(ref CacheEntry node) =>
        new(node.LastAccess, BitConverter.UInt32BitsToSingle(node.PolicyWord), node.Frequency,
            (byte)ModelOf(node.DatasetId));

    private uint Tick(ReuseModel model)
    {
        Interlocked.Increment(ref _accesses);
        return Interlocked.Increment(ref model.Now);
    }

    private int ModelOf(int datasetId)
    {
        int count = Volatile.Read(ref _modelCount);
        for (int i = 0; i < count; i++)
        {
            if (_modelDataset[i] == datasetId)
            {
                return i;
            }
        }

        // More datasets than models: the last ones share.
        return count < MaxModels ? 0 : 1 + (int)((uint)datasetId % (MaxModels - 1));
    }

    private int FindOrAddModel(int datasetId)
    {
        int index = ModelOf(datasetId);
        if (_modelDataset[index] == datasetId || _modelCount == MaxModels)
        {
            return index;
        }

        _models[_modelCount] = new ReuseModel();
        _modelDataset[_modelCount] = datasetId;
        Volatile.Write(ref _modelCount, _modelCount + 1);
        return _modelCount - 1;
    }

    /// <summary>Whether datasets and blocks of none are both read, so that each side has a claim.</summary>
    private bool BothAreRead()
    {
        float datasets = 0;
        for (int i = 1; i < _modelCount; i++)
        {
            datasets += _models[i].IsWithoutJobs ? 0 : _models[i].Share;
        }

        return datasets >= IdleShare && _models[0].Share >= IdleShare;
    }

    private uint SelectForArea(in Candidate candidate)
    {
        long bytes = _area.Bytes + candidate.Bytes;
        if (candidate.Bytes > _ceilingBytes)
        {
            return 0;
        }

        bool grows = bytes <= _floorBytes || (bytes <= _ceilingBytes && _area.Remembers(candidate.Hash));
        uint victim = grows ? LeastWorthy(datasetsOnly: true).Victim : 0;
        return victim != 0 ? victim : _area.SelectVictim(candidate);
    }

    private uint SelectByWorth(in Candidate candidate, ReuseModel model, bool datasetsOnly)
    {
        float worth = _history.TryGet(candidate.Hash, out AccessRecord record)
            ? model.Worth(record.Count, record.MeanLog, 0)
            : model.Worth(0, 0, 0);
        (uint victim, float least) = LeastWorthy(datasetsOnly);
        return victim != 0 && (least * Margin < worth || least == 0 && worth > 0) ? victim : 0;
    }

    private (uint Victim, float Worth) LeastWorthy(bool datasetsOnly)
    {
        uint victim = 0, end = _entries.End;
        float least = float.MaxValue;
        int seen = 0;
        for (int i = 0; i < (2 * Samples) + PoolSize; i++)
        {
            uint entry = i < PoolSize ? _pool[i] : 1 + (uint)((NextRandom() >> 32) * (end - 1) >> 32);
            if (i >= Samples + PoolSize)
            {
                // Among many blocks of others (the area's, or feeds') random picks rarely meet a dataset's: go through
                // those in turn.
                if (seen >= (datasetsOnly ? PoolSize : 1) || _guarded.Count == 0)
                {
                    break;
                }

                entry = _guarded.Tail;
                _guarded.MoveToHead(entry);
            }

            ref CacheEntry node = ref _entries[entry];
            if (entry == 0 || node.Queue is 0 or > Guarded || !_entries.MayEvict(ref node)
                || (datasetsOnly && node.Queue != Guarded))
            {
                continue;
            }

            seen++;
            ReuseModel model = _models[ModelOf(node.DatasetId)];
            AccessRecord record = RecordOf(ref node);
            float worth = model.Worth(record.Count, record.MeanLog, model.Now - record.LastAccess);
            if (worth < least || (worth == least && node.LastAccess < _entries[victim].LastAccess))
            {
                // What was found least worthy is looked at again next time.
                _pool[i % PoolSize] = victim == 0 ? entry : victim;
                least = worth;
                victim = entry;
            }
        }

        return (victim, least);
    }

    private ulong NextRandom()
    {
        _random ^= _random << 13;
        _random ^= _random >> 7;
        _random ^= _random << 17;
        return _random;
    }

    private void RefreshIfDue()
    {
        if ((int)(_accesses - _nextRefresh) < 0)
        {
            return;
        }

        int slots = _history.SlotCount;
        uint period = (uint)Math.Clamp(_entries.Count / 4, MinPeriod, 1 << 16);
        _nextRefresh = _accesses + period;
        for (int i = 0; i < _modelCount; i++)
        {
            _models[i].BeginRefresh();
        }

        uint stride = Math.Max(1, _entries.End / MaxScanned);
        for (uint entry = 1 + (uint)(NextRandom() % stride); entry < _entries.End; entry += stride)
        {
            ref CacheEntry node = ref _entries[entry];
            if (node.Queue is not 0 and <= Guarded)
            {
                AddWaiting(RecordOf(ref node), stride);
            }
        }

        int step = Math.Max(1, slots / MaxScanned);
        for (int slot = (int)(NextRandom() % (ulong)step); slot < slots; slot += step)
        {
            if (_history.TryGetSlot(slot, out AccessRecord record))
            {
                AddWaiting(record, step);
            }
        }

        for (int i = 0; i < _modelCount; i++)
        {
            _models[i].EndRefresh();
        }

        UpdateShares();
    }

    /// <summary>
    /// Shares fade at the pace of who is active: after half a pass over a small dataset, or half a pass over a large
    /// one, what nobody read meanwhile has lost half of its share.
    /// </summary>
    private void UpdateShares()
    {
        uint passed = _accesses - _refreshedAt;
        _refreshedAt = _accesses;
        float pace = 1;
        for (int i = 0; i < _modelCount; i++)
        {
            pace += (float)(_models[i].Now - _seenAt[i]) / passed * _models[i].MeanInterval;
        }

        float keep = float.Exp2(-passed / (ShareHalfLife * pace));
        for (int i = 0; i < _modelCount; i++)
        {
            float share = (float)(_models[i].Now - _seenAt[i]) / passed;
            _seenAt[i] = _models[i].Now;
            _models[i].Share = (_models[i].Share * keep) + (share * (1 - keep));
        }
    }

    private void AddWaiting(in AccessRecord record, float weight)
    {
        ReuseModel model = _models[record.Model];
        model.AddWaiting(record.Count, record.MeanLog, model.Now - record.LastAccess, weight);
    }
}
