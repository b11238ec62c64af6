namespace DataLayer.Storage.Stripes;

/// <summary>
/// A column carries the marks of overwrites that a crash cut short. The hot tier catches it, recovers the column
/// together with its other copies, and repeats the call; it never reaches a caller.
/// </summary>
internal sealed class UncleanColumnException(ColumnId column) : Exception($"Column {column} needs a recovery first.")
{
    internal ColumnId Column { get; } = column;
}
