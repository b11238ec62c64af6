using DataLayer.Engine.Tiering.Heat;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>
/// Compares what recalls were forecast to cost with what they did, and gives the factor between them. Files of a
/// dataset
/// are recalled together or not at all, which a forecast file by file cannot see; over weeks the mean is right all the
/// same. Both sums fade with a half-life; three days of the present forecast stand beside them as if they had come
/// true, so
/// that one lucky or unlucky day does not turn the factor over. Not safe for concurrent use.
/// </summary>
/// <param name="halfLife">After this time half of what was observed is forgotten.</param>
public sealed class RecallCalibration(TimeSpan halfLife)
{
    private static readonly TimeSpan _trust = TimeSpan.FromDays(3);
    private double _forecast;
    private double _billed;

    /// <summary>Notes a time that is over.</summary>
    /// <param name="forecastCost">What recalls were forecast to cost in it, with factor 1.</param>
    /// <param name="billedCost">What they did cost.</param>
    /// <param name="length">How long it was.</param>
    public void Observe(double forecastCost, double billedCost, TimeSpan length)
    {
        double fade = HeatDecay.Fade(length, halfLife);
        _forecast = (_forecast * fade) + forecastCost;
        _billed = (_billed * fade) + billedCost;
    }

    /// <summary>The factor now.</summary>
    /// <param name="forecastCost">The present forecast, with factor 1.</param>
    /// <param name="length">What time it is for.</param>
    public double GetFactor(double forecastCost, TimeSpan length)
    {
        double trusted = forecastCost * (_trust / length);
        return _forecast + trusted > 0 ? (_billed + trusted) / (_forecast + trusted) : 1;
    }
}
