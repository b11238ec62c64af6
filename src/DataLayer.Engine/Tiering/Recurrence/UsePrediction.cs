namespace DataLayer.Engine.Tiering.Recurrence;

/// <summary>A use that is expected.</summary>
/// <param name="Pattern">On which days it recurs.</param>
/// <param name="DayOfWeek">With <see cref="DayPattern.Weekly"/>: which day; else null.</param>
/// <param name="TimeOfDay">Its usual start, local time.</param>
/// <param name="ExpectedStart">The next start.</param>
/// <param name="EarliestStart">What is to be warm for it should be warm by then.</param>
/// <param name="LatestStart">If nothing began by then, it does not come today.</param>
/// <param name="Confidence">
/// How probable it is, 0 to 1: of the last days on which it was expected, on how many it came (and one more each for
/// and against, since few days say little).
/// </param>
/// <param name="Support">How often it was seen, a count.</param>
public sealed record UsePrediction(
    DayPattern Pattern, DayOfWeek? DayOfWeek, TimeSpan TimeOfDay, DateTimeOffset ExpectedStart,
    DateTimeOffset EarliestStart, DateTimeOffset LatestStart, double Confidence, int Support);
