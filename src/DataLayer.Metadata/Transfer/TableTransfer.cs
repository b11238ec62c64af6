namespace DataLayer.Metadata.Transfer;

/// <summary>What was copied of one table.</summary>
/// <param name="Table">The table.</param>
/// <param name="RowCount">Its rows, a count.</param>
/// <param name="Sha256">SHA-256 over its rows in the order of their keys, hexadecimal; the same in every
/// database.</param>
public sealed record TableTransfer(string Table, long RowCount, string Sha256);
