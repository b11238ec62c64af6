namespace DataLayer.Engine.Tiering.Heat;

/// <summary>
/// The arithmetic of heat: a score that halves with every half-life. Times are nanoseconds since 1970 UTC; a clock that
/// goes back does not heat anything up.
/// </summary>
/// <param name="halfLife">After this time half of a score is gone; positive.</param>
internal readonly struct HeatDecay(TimeSpan halfLife)
{
    private readonly double _halfLifeNanoseconds = halfLife.TotalNanoseconds;

    /// <summary>What a score of time <paramref name="from"/> is at time <paramref name="to"/>.</summary>
    public double At(double score, long from, long to) =>
        score == 0 || to <= from ? score : score * Math.Pow(2, -(to - from) / _halfLifeNanoseconds);

    /// <summary>What is left of 1 after a time.</summary>
    public static double Fade(TimeSpan elapsed, TimeSpan halfLife) => Math.Pow(2, -(elapsed / halfLife));
}
