namespace DataLayer.Engine.Feeds;

/// <summary>What a fixed record is.</summary>
/// <param name="RecordBytes">Its length, bytes.</param>
/// <param name="ElementType">What its elements are, in NumPy's words; null where unknown.</param>
/// <param name="Shape">Its shape; null where unknown.</param>
internal sealed record RecordShape(long RecordBytes, string? ElementType, IReadOnlyList<long>? Shape)
{
    public bool IsSame(RecordShape other)
    {
        bool same = RecordBytes == other.RecordBytes && ElementType == other.ElementType
            && (Shape is null) == (other.Shape is null) && Shape?.Count == other.Shape?.Count;
        for (int i = 0; same && i < (Shape?.Count ?? 0); i++)
        {
            same = Shape![i] == other.Shape![i];
        }

        return same;
    }

    public override string ToString() => Shape is null
        ? $"{RecordBytes} bytes"
        : $"{ElementType} ({string.Join(" × ", Shape)})";
}
