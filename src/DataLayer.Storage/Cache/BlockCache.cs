using DataLayer.Core.Identity;

namespace DataLayer.Storage.Cache;

/// <summary>CONTRACT SKETCH, replaced by the owner of Cache.</summary>
public sealed class BlockCache : IAsyncDisposable
{
    public BlockCache(BlockCacheOptions options, TimeProvider time) => throw new NotImplementedException();

    /// <summary>
    /// Copies bytes [offset, offset + destination.Length) of a cached block into the caller's buffer, fewer at the block's end. False on a miss,
    /// also for a block whose identity does not match (dropped and counted). Zero bytes allocated. Counts an access of dataset <paramref name="datasetId"/> (0: none).
    /// </summary>
    public bool TryRead(in BlockId block, int offsetInBlock, Span<byte> destination, int datasetId, out int bytesRead) => throw new NotImplementedException();

    /// <summary>As <see cref="TryRead"/>, from the SSD spill; 0 bytes and false if it is not there. Promotes the block into memory if admitted.</summary>
    public ValueTask<(bool Hit, int BytesRead)> TryReadSpillAsync(BlockId block, int offsetInBlock, Memory<byte> destination, int datasetId, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Offers a whole block after a miss. The admission control decides; true if the cache now holds it. Replaces an older copy of the same block.</summary>
    public bool TryFill(in BlockId block, ReadOnlySpan<byte> bytes, int datasetId) => throw new NotImplementedException();

    public bool Contains(in BlockId block) => throw new NotImplementedException();
    public bool Remove(in BlockId block) => throw new NotImplementedException();
    public int RemoveContent(ContentId content, uint blockCount) => throw new NotImplementedException();

    /// <summary>A pinned block is not evicted. False if it is not cached or the pin budget is used up.</summary>
    public bool TryPin(in BlockId block) => throw new NotImplementedException();
    public bool Unpin(in BlockId block) => throw new NotImplementedException();

    /// <summary>Tells the policy the size of a dataset (one pass over it, blocks) and how many jobs run over it.</summary>
    public void SetDataset(int datasetId, long passLengthBlocks, int runningJobs) => throw new NotImplementedException();

    public BlockCacheStatistics GetStatistics() => throw new NotImplementedException();
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

/// <summary>CONTRACT SKETCH: the owner adds fields.</summary>
public sealed class BlockCacheOptions
{
    /// <summary>Hard budget for all of the cache: bytes, index, policy state. Bytes.</summary>
    public required long CapacityBytes { get; init; }

    /// <summary>The eviction policy: <c>guard</c>, <c>s3fifo</c> or <c>lru</c>.</summary>
    public string Policy { get; init; } = "guard";

    /// <summary>Folder on a local SSD for blocks evicted from memory, or null for none.</summary>
    public string? SpillDirectory { get; init; }

    /// <summary>Bytes the spill may use on disk.</summary>
    public long SpillCapacityBytes { get; init; }
}

/// <summary>A snapshot of counters since start; bytes and counts.</summary>
public readonly record struct BlockCacheStatistics(
    long CapacityBytes, long UsedBytes, long BlockCount, long PinnedBytes, long Hits, long HitBytes, long Misses,
    long Fills, long FillsRefused, long Evictions, long SpillHits, long SpillBytes, long BadBlocks);
