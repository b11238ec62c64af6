namespace DataLayer.Engine.Tiering.Planning;

/// <summary>
/// Forecasts use from a file's own decayed heat and age. Reads are taken as a Poisson process whose unknown rate has a
/// gamma prior; heat is the count of reads in a window that fades with its half-life. What follows is the negative
/// binomial's chance of no read: with h reads seen in a window W, prior strength a reads in b days, and T ahead,
/// P(none) = ((W + b) / (W + b + T))^(h + a).
/// </summary>
/// <remarks>
/// W = H / ln 2 · (1 − 2^(−age / H)): the fading window's whole weight, less what lies before the file was made. A file
/// never read has the prior alone: one read in b / a = 300 days, thinned the longer it lay untouched. Cost: two
/// exponentials a file. The model knows no hour, weekday or neighbour; docs/decisions/0126 tells how far that is off.
/// </remarks>
/// <param name="halfLife">The half-life that <see cref="FileFacts.Heat"/> was computed with.</param>
/// <param name="factor">
/// What every probability is multiplied by, to 1 at most: how much oftener than forecast files were recalled lately
/// (<see cref="RecallCalibration"/>).
/// </param>
public sealed class HeatForecast(TimeSpan halfLife, double factor = 1) : IUseForecast
{
    private const double PriorReads = 0.1;
    private const double PriorDays = 30;
    private readonly double _halfLifeDays = halfLife > TimeSpan.Zero
        ? halfLife.TotalDays
        : throw new ArgumentOutOfRangeException(nameof(halfLife), halfLife, "A half-life is positive.");

    /// <inheritdoc/>
    public double ProbabilityOfUse(in FileFacts file, DateTimeOffset now, TimeSpan within)
    {
        double ageDays = Math.Max(0, (now - file.ModifiedAt).TotalDays);
        double windowDays = _halfLifeDays / Math.Log(2) * (1 - Math.Pow(2, -ageDays / _halfLifeDays)) + PriorDays;

        // Heat fades, but a file that nobody touched for longer than the window is rarer still.
        double idleDays = Math.Max(0, (now - (file.AccessedAt ?? file.ModifiedAt)).TotalDays);
        double seenDays = Math.Max(windowDays, idleDays);
        double none = Math.Pow(seenDays / (seenDays + within.TotalDays), file.Heat + PriorReads);
        return Math.Min(1, (1 - none) * factor);
    }
}
