using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Cache.Memory;
using DataLayer.Storage.Cache.Spill;

namespace DataLayer.Storage.Cache;

/// <summary>
/// The memory tier: blocks of files, kept in native memory within a hard budget, found through FASTER, given up as an
/// eviction policy says, and optionally spilled to a local SSD.
/// </summary>
/// <remarks>
/// All members may be called from any thread at any time. A hit is one copy from the cache's memory into the caller's
/// buffer and allocates nothing. The cache never fails a read: what is damaged, gone or unreadable is a miss, and
/// counted. Callers own their buffers; the cache keeps no reference to them after a call. Details:
/// docs/FORMATS/cache.md.
/// </remarks>
public sealed class BlockCache : IAsyncDisposable
{
    private const int SpillBuffers = 4;
    private readonly MemoryStore _memory;
    private readonly SpillStore? _spill;
    private readonly BlockScrubber? _scrubber;
    private readonly BlockCacheMeter _meter;
    private readonly long _capacityBytes;
    private int _closed;

    /// <summary>Makes an empty cache. Memory is reserved now and becomes resident as it fills.</summary>
    /// <exception cref="Core.Errors.DataLayerException">The options are wrong (all that is wrong is named), or the
    /// kernel refuses the memory.</exception>
    public BlockCache(BlockCacheOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        CapacityBytes = options.CapacityBytes;
        long memoryBytes = options.CapacityBytes;
        if (options.SpillDirectory is { } folder)
        {
            // The spill's index and buffers come out of the same budget.
            int maxEntries = (int)Math.Clamp(
                options.SpillCapacityBytes / 4096, 1, memoryBytes / 32 / SpillStore.IndexEntryBytes);
            int buffers = memoryBytes >= 256 << 20 ? 2 * SpillBuffers : SpillBuffers;
            memoryBytes -= (maxEntries * (long)SpillStore.IndexEntryBytes)
                + (buffers * (long)(BlockLayout.BlockBytes + 4096));
            _spill = SpillStore.Open(
                folder, options.SpillCapacityBytes, maxEntries, buffers, BlockLayout.BlockBytes, time);
        }

        _memory = new MemoryStore(new MemoryStoreSettings(
            memoryBytes, (long)(options.CapacityBytes * options.PinShare), options.Policy, options.Seed,
                options.SessionCount,
            _spill is null ? null : _spill.Write));
        _scrubber = options.ScrubBytesPerSecond == 0
            ? null
            : new BlockScrubber(_memory, options.ScrubBytesPerSecond, time);
        _meter = new BlockCacheMeter(this);
        _capacityBytes = options.CapacityBytes;
    }

    /// <summary>What the memory side may hold, bytes.</summary>
    public long CapacityBytes { get; }

    /// <summary>
    /// Whether the eviction policy keeps what it admitted while other blocks of the same pass come by.
    /// </summary>
    public bool KeepsAdmitted => _memory.KeepsAdmitted;

    /// <summary>The spill, for tests.</summary>
    internal SpillStore? Spill => _spill;

    /// <summary>Reads and writes the spill's device failed.</summary>
    internal long SpillErrors => _spill?.Errors ?? 0;

    /// <summary>The memory side, for tests and benchmarks.</summary>
    internal MemoryStore Memory => _memory;

    /// <summary>
    /// Copies bytes [offset, offset + destination.Length) of a cached block into the caller's buffer, fewer at the
    /// block's end (none at or past it). False on a miss, also for a block whose identity does not match (dropped and
    /// counted); the buffer may then hold anything. Allocates nothing. Counts an access of dataset
    /// <paramref name="datasetId"/> (0: none).
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The offset is negative.</exception>
    /// <exception cref="ObjectDisposedException">The cache is closed.</exception>
    public bool TryRead(in BlockId block, int offsetInBlock, Span<byte> destination, int datasetId, out int bytesRead)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offsetInBlock);
        return _memory.TryRead(block, offsetInBlock, destination, datasetId, out bytesRead);
    }

    /// <summary>
    /// Copies pieces of a cached block, all of them or none: one look-up and one access for many small reads. False
    /// also where a piece reaches past the block's end; the buffer may then hold anything, and no miss is counted.
    /// Allocates nothing.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">A piece does not fit the destination.</exception>
    /// <exception cref="ObjectDisposedException">The cache is closed.</exception>
    public bool TryReadMany(
        in BlockId block, ReadOnlySpan<CachePiece> pieces, Span<byte> destination, int datasetId) =>
        _memory.TryReadMany(block, pieces, destination, datasetId);

    /// <summary>
    /// Shows pieces of a cached block to a reader, all of them or none; what the reader made of them counts only if
    /// this is true. False too for a block that does not lie in one piece. No miss is counted. Allocates nothing.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The cache is closed.</exception>
    public bool TryVisit<TReader>(
        in BlockId block, scoped ReadOnlySpan<CachePiece> pieces, ref TReader reader, int datasetId)
        where TReader : struct, ICacheReader, allows ref struct =>
        _memory.TryVisit(block, pieces, ref reader, datasetId);

    /// <summary>
    /// Copies a whole block out and compares it with its checksum, for bytes that are to be stored elsewhere. False if
    /// it is not in memory, has another length than <paramref name="destination"/>, or is damaged (then dropped and
    /// counted). Not an access.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The cache is closed.</exception>
    public bool TryReadChecked(in BlockId block, Span<byte> destination) => _memory.TryReadChecked(block, destination);

    /// <summary>
    /// As <see cref="TryRead"/>, from the SSD spill; 0 bytes and false if it is not there. Promotes the block into
    /// memory if admitted.
    /// </summary>
    public ValueTask<(bool Hit, int BytesRead)> TryReadSpillAsync(
        BlockId block, int offsetInBlock, Memory<byte> destination, int datasetId, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offsetInBlock);
        return _spill is null || cancellationToken.IsCancellationRequested || !_spill.Contains(block)
            ? ValueTask.FromResult((false, 0))
            : ReadSpillSlowAsync(_spill, block, offsetInBlock, destination);
    }

    /// <summary>
    /// Offers a whole block after a miss. The admission control decides; true if the cache now holds it. Replaces an
    /// older copy of the same block, which is gone even if the new one is refused.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The block is longer than
    /// <see cref="BlockLayout.BlockBytes"/>.</exception>
    /// <exception cref="ObjectDisposedException">The cache is closed.</exception>
    public bool TryFill(in BlockId block, ReadOnlySpan<byte> bytes, int datasetId)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, BlockLayout.BlockBytes, nameof(bytes));
        if (bytes.IsEmpty)
        {
            Remove(block);
            return false;
        }

        if (_spill is null)
        {
            return _memory.TryFill(block, bytes, datasetId);
        }

        // Before: a promotion under way does not bring the old copy back. After: nor does a spill of it under way.
        _spill.Remove(block);
        bool filled = _memory.TryFill(block, bytes, datasetId);
        _spill.Remove(block);
        return filled;
    }

    /// <summary>Whether the block is in memory. Not an access.</summary>
    public bool Contains(in BlockId block) => _memory.Contains(block);

    /// <summary>Drops a block, pinned or not, from memory and spill. True if it was there.</summary>
    public bool Remove(in BlockId block)
    {
        // Before and after, as in TryFill.
        bool inSpill = _spill?.Remove(block) ?? false;
        bool inMemory = _memory.Remove(block);
        inSpill |= _spill?.Remove(block) ?? false;
        return inMemory || inSpill;
    }

    /// <summary>
    /// Drops the first <paramref name="blockCount"/> blocks of a content; returns how many were in memory.
    /// </summary>
    public int RemoveContent(ContentId content, uint blockCount)
    {
        _spill?.RemoveContent(content, blockCount);
        int removed = _memory.RemoveContent(content, blockCount);
        _spill?.RemoveContent(content, blockCount);
        return removed;
    }

    /// <summary>
    /// Keeps a block from being evicted until as many <see cref="Unpin"/>. False if it is not cached or the pin budget
    /// is used up.
    /// </summary>
    public bool TryPin(in BlockId block) => _memory.TryPin(block);

    /// <summary>Takes one pin back. False if the block is not cached or not pinned.</summary>
    public bool Unpin(in BlockId block) => _memory.Unpin(block);

    /// <summary>
    /// Tells the policy the length of a pass over a dataset, blocks (0: unknown, the policy estimates it), and how many
    /// jobs run over it (0: none now, its blocks may go first).
    /// </summary>
    public void SetDataset(int datasetId, long passLengthBlocks, int runningJobs)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(passLengthBlocks);
        ArgumentOutOfRangeException.ThrowIfNegative(runningJobs);
        _memory.SetDataset(datasetId, passLengthBlocks, runningJobs);
    }

    /// <summary>
    /// Blocks of a dataset leave memory for the spill only encrypted, under a key of this process. To be said before
    /// any is cached.
    /// </summary>
    public void EncryptSpillOf(int datasetId) => _spill?.Encrypt(datasetId);

    /// <summary>Forgets a dataset's key: what of it lies in the spill means nothing from now on.</summary>
    public void EraseSpillOf(int datasetId) => _spill?.EraseKey(datasetId);

    /// <summary>
    /// Tells who knows when blocks will be read again, instead of whom before; null for nobody. Of their blocks those
    /// that are read again last go first, all others are the configured policy's.
    /// </summary>
    public void SetFuture(IFutureUses? uses) => _memory.Future = uses;

    /// <summary>
    /// Reserves memory for shares, instead of what was reserved before: blocks of others do not push a share's blocks
    /// out while it holds no more than its reserve, and give way to them while it holds less. Looks once at all that is
    /// cached.
    /// </summary>
    /// <param name="shares">Which content is whose; null with no reserves.</param>
    /// <param name="reserves">What is reserved, one for each share.</param>
    public void SetReserves(ShareMap? shares, IReadOnlyList<ShareReserve> reserves)
    {
        ArgumentNullException.ThrowIfNull(reserves);
        _memory.SetReserves(shares, reserves);
    }

    /// <summary>What the blocks of a share take in memory, bytes with rounding and headers.</summary>
    public long GetShareBytes(int share) => _memory.GetShareBytes(share);

    /// <summary>Sizes now and counters since start.</summary>
    public BlockCacheStatistics GetStatistics()
    {
        MemoryStoreCounters memory = _memory.GetCounters();
        return new BlockCacheStatistics(
            _capacityBytes, memory.UsedBytes + _capacityBytes - memory.CapacityBytes, memory.BlockCount,
                memory.PinnedBytes,
            memory.Hits, memory.HitBytes, memory.Misses, memory.Fills, memory.FillsRefused, memory.Evictions,
            _spill?.Hits ?? 0, _spill?.UsedBytes ?? 0, memory.BadBlocks + (_spill?.BadBlocks ?? 0));
    }

    /// <summary>Waits for calls under way, stops the background work and frees the memory. Later calls throw.</summary>
    public async ValueTask DisposeAsync()
    {
        _meter.Dispose();
        if (_scrubber is not null && Interlocked.Exchange(ref _closed, 1) == 0)
        {
            await _scrubber.DisposeAsync().ConfigureAwait(false);
        }

        if (_spill is not null)
        {
            await _spill.DisposeAsync().ConfigureAwait(false);
        }

        _memory.Dispose();
    }

    private async ValueTask<(bool Hit, int BytesRead)> ReadSpillSlowAsync(
        SpillStore spill, BlockId block, int offset, Memory<byte> destination)
    {
        int bytesRead = 0;
        bool hit = await spill.TryReadAsync(block, (bytes, datasetId, isCurrent) =>
        {
            bytesRead = Math.Clamp(bytes.Length - offset, 0, destination.Length);
            bytes.Slice(Math.Min(offset, bytes.Length), bytesRead).CopyTo(destination.Span);
            _memory.TryFill(block, bytes, datasetId, isCurrent);
        }).ConfigureAwait(false);
        return (hit, bytesRead);
    }
}
