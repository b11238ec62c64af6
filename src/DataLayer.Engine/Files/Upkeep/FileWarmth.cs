namespace DataLayer.Engine.Files.Upkeep;

/// <summary>How one file is after (or without) a warm-up.</summary>
/// <param name="SizeBytes">Its size.</param>
/// <param name="IsResident">Whether all of it is in the hot tier.</param>
/// <param name="AlreadyHot">Whether nothing had to be brought.</param>
/// <param name="Reason">Why it is not resident; null where it is.</param>
internal readonly record struct FileWarmth(long SizeBytes, bool IsResident, bool AlreadyHot, string? Reason);
