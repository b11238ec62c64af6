using System.Collections.Immutable;

namespace DataLayer.Core.Layout;

/// <summary>
/// Stripe units of <paramref name="UnitBytes"/> bytes, round robin over <paramref name="Width"/> columns; one backing
/// file per
/// (inode, generation, column, copy). With width 1 the backing file is the file.
/// </summary>
/// <param name="Pool">The pool's name.</param>
/// <param name="UnitBytes">Stripe unit, bytes: a power of two, at least 64 KiB.</param>
/// <param name="Width">How many columns, a count.</param>
/// <param name="CopyCount">How many copies of each column, 1 or 2.</param>
/// <param name="Targets">Target numbers, <c>Width × CopyCount</c> of them: copy r of column c lies on <c>Targets[r ×
/// Width + c]</c>.</param>
public sealed record StripedPlacement(string Pool, int UnitBytes, int Width, int CopyCount, ImmutableArray<int> Targets)
    : Placement(Pool)
{
    /// <summary>Under which data key its bytes are encrypted: an attachment's number; 0 where they are not.</summary>
    public long KeyId { get; init; }

    /// <summary>The target of copy <paramref name="copy"/> of column <paramref name="column"/>.</summary>
    public int TargetOf(int column, int copy) => Targets[(copy * Width) + column];

    /// <summary>The column that holds byte <paramref name="offsetBytes"/> of the file.</summary>
    public int ColumnOf(long offsetBytes) => (int)(offsetBytes / UnitBytes % Width);

    /// <summary>
    /// Where byte <paramref name="offsetBytes"/> of the file lies in its column's backing file, an offset.
    /// </summary>
    public long ColumnOffsetOf(long offsetBytes) =>
        (offsetBytes / ((long)UnitBytes * Width) * UnitBytes) + (offsetBytes % UnitBytes);

    /// <summary>
    /// How many bytes of a file of <paramref name="sizeBytes"/> bytes fall to column <paramref name="column"/>.
    /// </summary>
    public long ColumnLength(int column, long sizeBytes)
    {
        long stripeBytes = (long)UnitBytes * Width;
        long whole = sizeBytes / stripeBytes * UnitBytes;
        long rest = (sizeBytes % stripeBytes) - ((long)column * UnitBytes);
        return whole + Math.Clamp(rest, 0, UnitBytes);
    }

    /// <inheritdoc/>
    public override string ToText() => PlacementText.Format(this);

    /// <inheritdoc/>
    public bool Equals(StripedPlacement? other) => other is not null
        && Pool == other.Pool && UnitBytes == other.UnitBytes
        && Width == other.Width && CopyCount == other.CopyCount && KeyId == other.KeyId
        && Targets.AsSpan().SequenceEqual(other.Targets.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Pool, UnitBytes, Width, CopyCount, Targets.Length);
}
