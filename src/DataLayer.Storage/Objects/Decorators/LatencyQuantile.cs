namespace DataLayer.Storage.Objects.Decorators;

/// <summary>
/// Follows a high quantile of a stream of durations in constant space.
/// </summary>
/// <remarks>
/// Stochastic approximation: a sample above the estimate raises it by a step times the quantile, one below lowers it by
/// a step times the rest, so it rests where that share of samples is below. The step is a twentieth of the estimate, so
/// it follows a change of scale within some dozens of samples. Races between updates lose a sample, nothing more.
/// </remarks>
public sealed class LatencyQuantile(double quantile)
{
    /// <summary>Fewer samples than this say nothing.</summary>
    internal const int WarmUpSamples = 32;

    private const double StepShare = 0.05;
    private double _seconds;
    private int _samples;

    /// <summary>The estimate; null before there are enough samples.</summary>
    public TimeSpan? Value => Volatile.Read(ref _samples) < WarmUpSamples
        ? null
        : TimeSpan.FromSeconds(Volatile.Read(ref _seconds));

    /// <summary>Shows one duration.</summary>
    public void Add(TimeSpan duration)
    {
        double sample = duration.TotalSeconds;
        double known = Volatile.Read(ref _seconds);
        int count = Volatile.Read(ref _samples);
        if (count < WarmUpSamples)
        {
            // The greatest of the first samples is a fair start for a high quantile.
            Volatile.Write(ref _seconds, Math.Max(known, sample));
            Volatile.Write(ref _samples, count + 1);
            return;
        }

        double step = Math.Max(known, 1e-6) * StepShare;
        Volatile.Write(ref _seconds, sample > known ? known + (step * quantile) : known - (step * (1 - quantile)));
    }
}
