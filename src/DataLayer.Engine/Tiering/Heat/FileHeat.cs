namespace DataLayer.Engine.Tiering.Heat;

/// <summary>How much a file, or all below an attachment, is read.</summary>
/// <param name="Score">
/// Decayed access score now: reads of the whole content, each halved with every half-life since.
/// </param>
/// <param name="AccessedAt">The last open or read that is known, to about a flush interval; null where none is.</param>
/// <param name="ReadCount">Reads since it is known, a count.</param>
/// <param name="ReadBytes">Bytes they brought.</param>
public readonly record struct FileHeat(double Score, DateTimeOffset? AccessedAt, long ReadCount, long ReadBytes);
