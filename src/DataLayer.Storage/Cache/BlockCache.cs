using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Cache.Memory;

namespace DataLayer.Storage.Cache;

/// <summary>
/// The memory tier: blocks of files, kept in native memory within a hard budget, found through FASTER, given up as an eviction
/// policy says, and optionally spilled to a local SSD.
/// </summary>
/// <remarks>
/// All members may be called from any thread at any time. A hit is one copy from the cache's memory into the caller's buffer and
/// allocates nothing. The cache never fails a read: what is damaged, gone or unreadable is a miss, and counted.
/// Callers own their buffers; the cache keeps no reference to them after a call. Details: docs/FORMATS/cache.md.
/// </remarks>
public sealed class BlockCache : IAsyncDisposable
{
    private readonly MemoryStore _memory;

    /// <summary>Makes an empty cache. Memory is reserved now and becomes resident as it fills.</summary>
    /// <exception cref="Core.Errors.DataLayerException">The options are wrong (all that is wrong is named), or the kernel refuses the memory.</exception>
    public BlockCache(BlockCacheOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        _memory = new MemoryStore(new MemoryStoreSettings(
            options.CapacityBytes, (long)(options.CapacityBytes * options.PinShare), options.Policy, options.Seed, options.SessionCount, null));
    }

    /// <summary>The memory side, for tests and benchmarks.</summary>
    internal MemoryStore Memory => _memory;

    /// <summary>
    /// Copies bytes [offset, offset + destination.Length) of a cached block into the caller's buffer, fewer at the block's end
    /// (none at or past it). False on a miss, also for a block whose identity does not match (dropped and counted); the buffer
    /// may then hold anything. Allocates nothing. Counts an access of dataset <paramref name="datasetId"/> (0: none).
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The offset is negative.</exception>
    /// <exception cref="ObjectDisposedException">The cache is closed.</exception>
    public bool TryRead(in BlockId block, int offsetInBlock, Span<byte> destination, int datasetId, out int bytesRead)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offsetInBlock);
        return _memory.TryRead(block, offsetInBlock, destination, datasetId, out bytesRead);
    }

    /// <summary>As <see cref="TryRead"/>, from the SSD spill; 0 bytes and false if it is not there. Promotes the block into memory if admitted.</summary>
    public ValueTask<(bool Hit, int BytesRead)> TryReadSpillAsync(
        BlockId block, int offsetInBlock, Memory<byte> destination, int datasetId, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offsetInBlock);
        return ValueTask.FromResult((false, 0));
    }

    /// <summary>
    /// Offers a whole block after a miss. The admission control decides; true if the cache now holds it. Replaces an older copy
    /// of the same block, which is gone even if the new one is refused.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The block is longer than <see cref="BlockLayout.BlockBytes"/>.</exception>
    /// <exception cref="ObjectDisposedException">The cache is closed.</exception>
    public bool TryFill(in BlockId block, ReadOnlySpan<byte> bytes, int datasetId)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, BlockLayout.BlockBytes, nameof(bytes));
        if (bytes.IsEmpty)
        {
            Remove(block);
            return false;
        }

        return _memory.TryFill(block, bytes, datasetId);
    }

    /// <summary>Whether the block is in memory. Not an access.</summary>
    public bool Contains(in BlockId block) => _memory.Contains(block);

    /// <summary>Drops a block, pinned or not, from memory and spill. True if it was there.</summary>
    public bool Remove(in BlockId block) => _memory.Remove(block);

    /// <summary>Drops the first <paramref name="blockCount"/> blocks of a content; returns how many were in memory.</summary>
    public int RemoveContent(ContentId content, uint blockCount) => _memory.RemoveContent(content, blockCount);

    /// <summary>Keeps a block from being evicted until as many <see cref="Unpin"/>. False if it is not cached or the pin budget is used up.</summary>
    public bool TryPin(in BlockId block) => _memory.TryPin(block);

    /// <summary>Takes one pin back. False if the block is not cached or not pinned.</summary>
    public bool Unpin(in BlockId block) => _memory.Unpin(block);

    /// <summary>
    /// Tells the policy the length of a pass over a dataset, blocks (0: unknown, the policy estimates it), and how many jobs
    /// run over it (0: none now, its blocks may go first).
    /// </summary>
    public void SetDataset(int datasetId, long passLengthBlocks, int runningJobs)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(passLengthBlocks);
        ArgumentOutOfRangeException.ThrowIfNegative(runningJobs);
        _memory.SetDataset(datasetId, passLengthBlocks, runningJobs);
    }

    /// <summary>Sizes now and counters since start.</summary>
    public BlockCacheStatistics GetStatistics()
    {
        MemoryStoreCounters memory = _memory.GetCounters();
        return new BlockCacheStatistics(
            memory.CapacityBytes, memory.UsedBytes, memory.BlockCount, memory.PinnedBytes, memory.Hits, memory.HitBytes, memory.Misses,
            memory.Fills, memory.FillsRefused, memory.Evictions, 0, 0, memory.BadBlocks);
    }

    /// <summary>Waits for calls under way, stops the background work and frees the memory. Later calls throw.</summary>
    public ValueTask DisposeAsync()
    {
        _memory.Dispose();
        return ValueTask.CompletedTask;
    }
}
