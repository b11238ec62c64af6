using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using Microsoft.Extensions.Logging;

namespace DataLayer.Storage.Stripes;

/// <summary>CONTRACT SKETCH, replaced by the owner of Stripes.</summary>
public sealed class HotTier : IAsyncDisposable
{
    public static ValueTask<HotTier> OpenAsync(HotTierOptions options, TimeProvider time, ILogger<HotTier> log, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Whether a content of this size goes to a segment (≤ the pool's small-file limit) rather than to stripes.</summary>
    public bool UsesSegment(string? pool, long sizeBytes) => throw new NotImplementedException();

    /// <summary>Chooses targets for a striped content: width and unit of the pool (width 1 for small), the start derived from the inode, targets with room first. NoSpace if none.</summary>
    public StripedPlacement PlaceStriped(string? pool, ContentId content, long expectedSizeBytes) => throw new NotImplementedException();

    /// <summary>Writes at any offset; parallel over columns and copies; not durable until <see cref="FlushAsync"/>. Extends as needed; gaps are holes that read as zeros.</summary>
    public ValueTask WriteAsync(ContentId content, StripedPlacement placement, long offsetBytes, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Reads exactly destination.Length bytes that the caller knows to be resident (inside the content's size); verifies the checksum and identity of every 64 KiB touched; a bad copy is read from the other and repaired. Corrupt with the range if none is good, NotFound if the copy is gone.</summary>
    public ValueTask ReadAsync(ContentId content, Placement placement, long contentSizeBytes, long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Makes all writes of the content durable: data, side files, directory entries. A failure is remembered: later flushes fail too until the data was written again (or the content deleted), and the target is fenced.</summary>
    public ValueTask FlushAsync(ContentId content, Placement placement, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask TruncateAsync(ContentId content, StripedPlacement placement, long sizeBytes, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Gives back the space of a byte range of blocks (partial release); later reads of it are the caller's error.</summary>
    public ValueTask PunchAsync(ContentId content, StripedPlacement placement, long offsetBytes, long lengthBytes, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Deletes a hot copy; no error if it is gone. A segment record is marked dead and its segment compacted away when mostly dead.</summary>
    public ValueTask DeleteAsync(ContentId content, Placement placement, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Appends a small content as one segment record; not durable until <see cref="FlushAsync"/> with the returned placement (flushes of many records are one fsync).</summary>
    public ValueTask<SegmentPlacement> AppendSmallAsync(ContentId content, string? pool, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Reads and checks everything of a content, repairing from the other copy. Bad ranges that remain are returned for a repair from the cold object.</summary>
    public ValueTask<ScrubResult> ScrubAsync(ContentId content, Placement placement, long contentSizeBytes, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Copies what a content has on one target to another of its pool and returns the new placement; the old one stays valid until deleted.</summary>
    public ValueTask<Placement> MoveAsync(ContentId content, Placement placement, long contentSizeBytes, int fromTarget, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Deletes the parts of <paramref name="before"/> that <paramref name="after"/> does not use.</summary>
    public ValueTask DeleteMovedAsync(ContentId content, Placement before, Placement after, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Adds a target to a pool while the service runs; returns its persistent number.</summary>
    public ValueTask<int> AddTargetAsync(string pool, string directory, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>A draining target gets no new content.</summary>
    public void SetDraining(int target, bool draining) => throw new NotImplementedException();

    /// <summary>Removes an empty, drained target.</summary>
    public ValueTask RemoveTargetAsync(int target, CancellationToken cancellationToken) => throw new NotImplementedException();

    public IReadOnlyList<TargetStatus> GetTargets() => throw new NotImplementedException();

    /// <summary>Every striped content found on the targets (fsck compares it with the tree), and every segment.</summary>
    public IAsyncEnumerable<ContentId> EnumerateContentsAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Tells segment accounting which records are alive, at start or after fsck; segments without live records are deleted.</summary>
    public ValueTask ReconcileSegmentsAsync(IReadOnlyDictionary<long, long> liveBytesBySegment, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Segments mostly dead, worth compaction: the engine re-appends their live records and publishes the new placements.</summary>
    public IReadOnlyList<long> GetCompactableSegments() => throw new NotImplementedException();

    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

/// <summary>CONTRACT SKETCH: pools with their targets.</summary>
public sealed class HotTierOptions
{
    public required IReadOnlyList<PoolOptions> Pools { get; init; }
    public string DefaultPool { get; init; } = "default";
}

/// <summary>CONTRACT SKETCH.</summary>
public sealed class PoolOptions
{
    public required string Name { get; init; }
    public required IReadOnlyList<string> Directories { get; init; }
    /// <summary>Stripe width, a count; at most the number of targets.</summary>
    public int Width { get; init; } = 1;
    public int UnitBytes { get; init; } = 1 << 20;
    public int CopyCount { get; init; } = 1;
    /// <summary>Contents up to this size go to segments. 0 turns segments off.</summary>
    public int SegmentLimitBytes { get; init; } = 1 << 20;
    public long ReserveBytes { get; init; } = 256L << 20;
}

/// <summary>What one target is and has.</summary>
public sealed record TargetStatus(int Target, string Pool, string Location, string State, long CapacityBytes, long FreeBytes, long UsedBytes, string? Fault);

/// <summary>What a scrub found: counts of 64 KiB chunks, and the byte ranges of the content without a good copy.</summary>
public sealed record ScrubResult(long CheckedChunks, long RepairedChunks, IReadOnlyList<(long OffsetBytes, long LengthBytes)> BadRanges);
