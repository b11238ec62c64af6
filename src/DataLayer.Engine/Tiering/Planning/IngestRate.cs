using DataLayer.Engine.Tiering.Heat;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>
/// How fast the hot tier grows by what users write, remove and have recalled, plans left out: a sum that fades with a
/// half-life, divided by the time that such a sum stands for. A plan's bill for the days ahead counts it in: what comes
/// in from now on stays hot until a rule takes it away. Not safe for concurrent use.
/// </summary>
/// <param name="halfLife">After this time a change counts half.</param>
public sealed class IngestRate(TimeSpan halfLife)
{
    private DateTimeOffset _at;
    private double _bytes;

    /// <summary>Notes a change of the hot bytes by a user.</summary>
    /// <param name="bytes">Bytes more, or less where negative.</param>
    /// <param name="at">When; not before the change noted last.</param>
    public void Observe(long bytes, DateTimeOffset at)
    {
        _bytes = SumAt(at) + bytes;
        _at = at;
    }

    /// <summary>Bytes a day.</summary>
    public double GetBytesPerDay(DateTimeOffset now) => SumAt(now) * Math.Log(2) / halfLife.TotalDays;

    private double SumAt(DateTimeOffset now) => _bytes == 0 ? 0 : _bytes * HeatDecay.Fade(now - _at, halfLife);
}
