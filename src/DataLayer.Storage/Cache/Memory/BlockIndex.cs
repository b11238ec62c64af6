using System.Numerics;
using System.Runtime.CompilerServices;
using DataLayer.Core.Identity;
using FASTER.core;

namespace DataLayer.Storage.Cache.Memory;

/// <summary>
/// Finds a block's entry: a FASTER store in memory only, from <see cref="BlockId"/> to <see cref="BlockLocation"/>.
/// </summary>
/// <remarks>
/// <para>Look-ups run on any thread; each borrows one of a bounded set of FASTER sessions, which are not thread safe.
/// All changes come from one thread at a time (the cache's lock).</para>
/// <para>FASTER appends a 40-byte record for each fill and never reuses one, so <see cref="Sweep"/> copies the records
/// still wanted from the log's head to its tail and moves the head: the log stays within twice the live records. A
/// record whose version is no longer its entry's is garbage, so nothing has to be deleted for correctness; deleting
/// keeps chains short. What a sweep copies is compared with the entry, field by field; what is copied or damaged goes
/// into a <see cref="SweepReport"/>.</para>
/// </remarks>
internal sealed class BlockIndex : IDisposable
{
    /// <summary>A record: FASTER's header, key, value.</summary>
    public const int RecordBytes = 40;

    /// <summary>How many log pages a sweep takes at a time.</summary>
    private const int SweptPages = 2;

    private const int IdlePages = 4;
    private readonly int _pageBytes;
    private readonly NullDevice _device = new();
    private readonly FasterKV<BlockId, BlockLocation> _store;
    private readonly Session[] _sessions;
    private readonly EntryTable _entries;
    private readonly ClientSession<BlockId, BlockLocation, Empty, BlockLocation, Empty, IndexFunctions> _writer;
    private long _live;
    private bool _disposed;

    /// <summary>Makes an index.</summary>
    /// <param name="entries">Where entry versions are looked up by the sweep.</param>
    /// <param name="hashBytes">Size of the hash table, bytes; a power of two from 4 KiB.</param>
    /// <param name="maxLogBytes">The most the record log may take, bytes.</param>
    /// <param name="sessionCount">How many look-ups may run at once.</param>
    public BlockIndex(EntryTable entries, long hashBytes, long maxLogBytes, int sessionCount)
    {
        _entries = entries;
        int pageBits = PageBits(hashBytes);
        _pageBytes = 1 << pageBits;
        int memoryBits = Math.Max(pageBits + 4, BitOperations.Log2((ulong)maxLogBytes) + 1);
        _store = new FasterKV<BlockId, BlockLocation>(
            hashBytes / 64,
            new LogSettings
            {
                LogDevice = _device,
                PageSizeBits = pageBits,
                MemorySizeBits = memoryBits,
                MutableFraction = 0.9,
            },
            comparer: default(BlockIdComparer),
            concurrencyControlMode: ConcurrencyControlMode.None);

        // Any count above 0 makes FASTER give pages behind the head back instead of keeping them.
        _store.Log.SetEmptyPageCount(1);
        _writer = NewSession();
        _sessions = new Session[sessionCount];
        for (int i = 0; i < sessionCount; i++)
        {
            _sessions[i] = new Session(NewSession(), entries);
        }
    }

    /// <summary>What an index of this size holds in memory before the first record, bytes.</summary>
    public static long BaseBytes(long hashBytes) => hashBytes + ((IdlePages * 2L) << PageBits(hashBytes));

    /// <summary>The most records one sweep of an index of this size meets, a count.</summary>
    public static int RecordsPerSweep(long hashBytes) => (SweptPages << PageBits(hashBytes)) / RecordBytes;

    // Small caches get small pages, so that a few of them are not a good part of the budget.
    private static int PageBits(long hashBytes) => hashBytes <= 2 << 20 ? 13 : 16;

    /// <summary>All sessions, for summing their counters.</summary>
    public ReadOnlySpan<Session> Sessions => _sessions;

    /// <summary>What the record log holds in memory now, bytes.</summary>
    public long LogBytes => _store.Log.MemorySizeBytes;

    /// <summary>
    /// What the log may hold beyond the allowance in <see cref="BaseBytes"/> if it takes one more record, bytes.
    /// </summary>
    public long LogBytesBeyondBase => Math.Max(0, UsedLogBytes + (2 * _pageBytes) - (IdlePages * _pageBytes));

    private long UsedLogBytes => _store.Log.TailAddress - (_store.Log.BeginAddress & ~(_pageBytes - 1L));

    /// <summary>
    /// Takes a session for look-ups; give it back with <see cref="Return"/>. Waits for one if all are taken. While any
    /// is taken, <see cref="Dispose"/> waits, so its holder may use the cache's memory.
    /// </summary>
    public Session Borrow()
    {
        int start = Environment.CurrentManagedThreadId % _sessions.Length;
        SpinWait wait = default;
        while (true)
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), this);
            for (int i = start; i < start + _sessions.Length; i++)
            {
                Session session = _sessions[i < _sessions.Length ? i : i - _sessions.Length];
                if (session.TryTake())
                {
                    return session;
                }
            }

            wait.SpinOnce();
        }
    }

    /// <summary>Gives a session back.</summary>
    public static void Return(Session session) => session.Release();

    /// <summary>Says where the block is. Under the cache's lock.</summary>
    public void Put(BlockId block, BlockLocation location)
    {
        _writer.Upsert(ref block, ref location);
        _live++;
    }

    /// <summary>Changes what is said of a block that is known; for tests. Under the cache's lock.</summary>
    public void Overwrite(BlockId block, BlockLocation location) => _writer.Upsert(ref block, ref location);

    /// <summary>Forgets the block. Under the cache's lock.</summary>
    public void Remove(BlockId block)
    {
        _writer.Delete(ref block);
        _live--;
    }

    /// <summary>Whether the log holds more garbage than records, and more than a few pages.</summary>
    public bool WantsSweep => UsedLogBytes > (2 * _live * RecordBytes) + (IdlePages * _pageBytes) - (2 * _pageBytes);

    /// <summary>
    /// Copies the live records of the log's oldest pages to its tail and gives the pages back. Under the cache's lock.
    /// Says in <paramref name="report"/> whose records it copied and whose were damaged; those it does not copy.
    /// </summary>
    public void Sweep(SweepReport report)
    {
        long until = Math.Min(
            (_store.Log.BeginAddress & ~(_pageBytes - 1L)) + (SweptPages * _pageBytes), _store.Log.TailAddress);
        _store.Log.ShiftReadOnlyAddress(until, wait: true);
        _writer.Compact(until, CompactionType.Lookup, new LiveRecords(_entries, report));
    }

    /// <summary>Waits for running look-ups, then frees everything. Look-ups that come later throw.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        foreach (Session session in _sessions)
        {
            session.Dispose();
        }

        _writer.Dispose();
        _store.Dispose();
        _device.Dispose();
    }

    private ClientSession<BlockId, BlockLocation, Empty, BlockLocation, Empty, IndexFunctions> NewSession() =>
        _store.For(new IndexFunctions()).NewSession<IndexFunctions>();

    /// <summary>A hash that spreads consecutive inodes and indexes over all 64 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Hash(in BlockId block)
    {
        ulong low = (ulong)block.Inode * 0x9E3779B97F4A7C15;
        ulong high = (((ulong)block.Generation << 32) | block.Index) * 0xC2B2AE3D27D4EB4F;
        ulong mixed = low ^ BitOperations.RotateLeft(high, 31);
        mixed = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93;
        mixed = (mixed ^ (mixed >> 29)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 32);
    }

    /// <summary>A FASTER session, used by one thread at a time, with that thread's share of the counters.</summary>
    internal sealed class Session(
        ClientSession<BlockId, BlockLocation, Empty, BlockLocation, Empty, IndexFunctions> session,
        EntryTable entries) : IDisposable
    {
        /// <summary>Counters of the reads done through this session: written by its holder, summed by anyone.</summary>
        public long Hits, HitBytes, FutureHitBytes, Misses;

        private int _taken;

        /// <summary>
        /// Where a block is; allocates nothing. The caller compares version and identity. A record that leads to no
        /// entry is as none.
        /// </summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public bool TryFind(in BlockId block, out BlockLocation location)
        {
            BlockId key = block;
            location = default;
            Status status = session.Read(ref key, ref location);
            if (status.IsPending)
            {
                // Only a record that fell off the log would do that; the sweep is there to prevent it.
                session.CompletePending(wait: true);
            }

            return status.Found && location.Entry < entries.End;
        }

        public bool TryTake() => Volatile.Read(ref _taken) == 0 && Interlocked.CompareExchange(ref _taken, 1, 0) == 0;

        public void Release() => Volatile.Write(ref _taken, 0);

        /// <summary>Waits for the holder, then ends the session for good.</summary>
        public void Dispose()
        {
            SpinWait wait = default;
            while (!TryTake())
            {
                wait.SpinOnce();
            }

            session.Dispose();
        }
    }

    private readonly struct BlockIdComparer : IFasterEqualityComparer<BlockId>
    {
        public long GetHashCode64(ref BlockId k) => (long)Hash(k);

        public bool Equals(ref BlockId k1, ref BlockId k2) => k1 == k2;
    }

    internal sealed class IndexFunctions : FunctionsBase<BlockId, BlockLocation, Empty, BlockLocation, Empty>
    {
        public override bool ConcurrentReader(
            ref BlockId key, ref Empty input, ref BlockLocation value, ref BlockLocation dst, ref ReadInfo readInfo)
        {
            dst = value;
            return true;
        }

        public override bool SingleReader(
            ref BlockId key, ref Empty input, ref BlockLocation value, ref BlockLocation dst, ref ReadInfo readInfo)
        {
            dst = value;
            return true;
        }

        // A record never changes, so a reader never sees half of one: FASTER then appends a new record.
        public override bool ConcurrentWriter(
            ref BlockId key, ref Empty input, ref BlockLocation src, ref BlockLocation dst, ref BlockLocation output,
                ref UpsertInfo upsertInfo) => false;
    }

    private readonly struct LiveRecords(EntryTable entries, SweepReport report)
        : ICompactionFunctions<BlockId, BlockLocation>
    {
        public bool IsDeleted(ref BlockId key, ref BlockLocation value)
        {
            if (value.Entry >= entries.End)
            {
                report.AddDamaged(default);
                return true;
            }

            ref CacheEntry entry = ref entries[value.Entry];
            if (entry.Version != value.Version)
            {
                return true;
            }

            if (!value.Agrees(ref entry, key))
            {
                report.AddDamaged(value);
                return true;
            }

            report.AddSurvivor(value.Entry, value.Version);
            return false;
        }
    }
}
