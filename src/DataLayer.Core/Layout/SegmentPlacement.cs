using System.Collections.Immutable;

namespace DataLayer.Core.Layout;

/// <summary>A small file's whole content as one record of a segment file.</summary>
/// <param name="Pool">The pool's name.</param>
/// <param name="SegmentId">The segment's number, unique over the deployment.</param>
/// <param name="OffsetBytes">Where the record starts in the segment file.</param>
/// <param name="LengthBytes">The content's length (the record also has a header).</param>
/// <param name="Targets">The targets that hold a copy of the segment, one or two.</param>
public sealed record SegmentPlacement(
    string Pool, long SegmentId, long OffsetBytes, int LengthBytes, ImmutableArray<int> Targets)
    : Placement(Pool)
{
    /// <inheritdoc/>
    public override string ToText() => PlacementText.Format(this);

    /// <inheritdoc/>
    public bool Equals(SegmentPlacement? other) => other is not null
        && Pool == other.Pool && SegmentId == other.SegmentId
        && OffsetBytes == other.OffsetBytes && LengthBytes == other.LengthBytes
        && Targets.AsSpan().SequenceEqual(other.Targets.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Pool, SegmentId, OffsetBytes, LengthBytes);
}
