namespace DataLayer.Storage.Stripes;

/// <summary>
/// A column was made by an earlier session and never written or flushed: a kill may have come before the others of its
/// content were made. The hot tier catches it before the first byte, completes the set, and repeats the call; it never
/// reaches a caller.
/// </summary>
internal sealed class UnbornColumnException(ColumnId column) : Exception($"Column {column} was made and never written.")
{
    internal ColumnId Column { get; } = column;
}
