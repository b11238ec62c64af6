namespace DataLayer.Metadata;

/// <summary>A tiering plan as the tree's store keeps it; what its summary means is the engine's affair.</summary>
/// <param name="Id">Its number.</param>
/// <param name="CreatedTimeNanoseconds">When it was made, nanoseconds since 1970 UTC.</param>
/// <param name="SpoolBytes">Length of its file of moves, bytes.</param>
/// <param name="Summary">The plan without its moves, JSON.</param>
public sealed record StoredPlan(long Id, long CreatedTimeNanoseconds, long SpoolBytes, string Summary);
