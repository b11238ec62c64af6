using DataLayer.Engine.Tiering.Recurrence;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>A use of some folders that is expected, and what is done for it.</summary>
/// <param name="Paths">The folders.</param>
/// <param name="UsedSince">Of each, since when files count as used: its last two uses of this kind.</param>
/// <param name="Prediction">When it is expected; of several folders, of the one that starts first.</param>
/// <param name="Reason">Why, in words.</param>
public sealed record LearnedUse(
    IReadOnlyList<string> Paths, IReadOnlyList<DateTimeOffset> UsedSince, UsePrediction Prediction, string Reason);
