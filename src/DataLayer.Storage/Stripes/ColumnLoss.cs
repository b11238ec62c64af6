namespace DataLayer.Storage.Stripes;

/// <summary>What a failed flush of a column may have lost. Kept until each chunk was written again or the column
/// deleted.</summary>
/// <param name="Reason">The first failure.</param>
/// <param name="Chunks">The chunks that were not durable then.</param>
internal sealed record ColumnLoss(string Reason, SortedSet<long> Chunks);
