namespace DataLayer.Engine.Tiering;

/// <summary>What rules may look at besides the file: the time, and which marks of fill are passed.</summary>
/// <param name="Now">The time.</param>
/// <param name="PoolFill">Fill of each pool by name, 0 to 1.</param>
/// <param name="ActiveMarks">
/// Indexes of the rules whose high mark was passed and whose low mark is not reached again yet.
/// </param>
public sealed record PolicyMoment(
    DateTimeOffset Now, IReadOnlyDictionary<string, double> PoolFill, IReadOnlySet<int> ActiveMarks);
