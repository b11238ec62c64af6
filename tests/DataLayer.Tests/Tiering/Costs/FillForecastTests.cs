using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Metadata;

namespace DataLayer.Tests.Tiering.Costs;

/// <summary>When a pool is full, against numbers worked out by hand.</summary>
public sealed class FillForecastTests
{
    private const long Gib = 1L << 30;
    private static readonly DateTimeOffset _start = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Two_days_tell_nothing() => Assert.Null(FillForecast.Of(Days(10, 20)));

    [Fact]
    public void A_steady_growth_is_drawn_on_to_the_day()
    {
        // 10 GiB a day, 300 of 1,000 used on day 30: 70 days more.
        FillForecast forecast = FillForecast.Of(Days([.. Enumerable.Range(1, 30).Select(d => d * 10.0)]))!;
        Assert.Equal(10 * Gib, forecast.BytesPerDay, 1);
        Assert.Equal(1, forecast.Fit, 9);
        Assert.Equal(_start.AddDays(29 + 70), forecast.FullAt!.Value, TimeSpan.FromMinutes(1));
        Assert.Equal(ForecastConfidence.High, forecast.Confidence);
    }

    [Fact]
    public void The_interval_is_that_of_the_slope_by_least_squares()
    {
        // x 0…4, y 10 20 20 40 50: slope 10, residuals 2 2 -8 2 2 -> sum of squares 80, error sqrt(80/3/10) = 1.633; t(3) = 3.182.
        FillForecast forecast = FillForecast.Of(Days(10, 20, 20, 40, 50))!;
        Assert.Equal(10, forecast.BytesPerDay / Gib, 6);
        Assert.Equal(10 - (3.182 * Math.Sqrt(80.0 / 30)), forecast.LeastBytesPerDay / Gib, 6);
        Assert.Equal(10 + (3.182 * Math.Sqrt(80.0 / 30)), forecast.MostBytesPerDay / Gib, 6);
        Assert.Equal(1000.0 / 1080, forecast.Fit, 6);
        Assert.Equal(_start.AddDays(4 + 95), forecast.FullAt!.Value, TimeSpan.FromMinutes(1));
        Assert.Equal(_start.AddDays(4 + (950 / (10 + (3.182 * Math.Sqrt(80.0 / 30))))), forecast.FullFrom!.Value, TimeSpan.FromMinutes(1));
        Assert.Equal(ForecastConfidence.Low, forecast.Confidence);
    }

    [Fact]
    public void What_shrinks_is_never_full()
    {
        FillForecast forecast = FillForecast.Of(Days([.. Enumerable.Range(0, 30).Select(d => 900.0 - d)]))!;
        Assert.Null(forecast.FullAt);
        Assert.Null(forecast.FullFrom);
        Assert.Equal(ForecastConfidence.High, forecast.Confidence);
    }

    [Fact]
    public void Noise_without_growth_is_told_with_low_confidence()
    {
        FillForecast forecast = FillForecast.Of(Days([.. Enumerable.Range(0, 30).Select(d => d % 2 == 0 ? 500.0 : 520.0)]))!;
        Assert.Equal(ForecastConfidence.Low, forecast.Confidence);
    }

    [Fact]
    public void Only_the_last_sixty_days_count()
    {
        double[] used = [.. Enumerable.Range(0, 40).Select(d => 900.0 - (20 * d)), .. Enumerable.Range(0, 60).Select(d => 100.0 + d)];
        FillForecast forecast = FillForecast.Of(Days(used))!;
        Assert.Equal((60, 1.0), (forecast.DayCount, Math.Round(forecast.BytesPerDay / Gib, 6)));
    }

    private static List<CapacitySample> Days(params double[] usedGib) =>
    [
        .. usedGib.Select((used, day) => new CapacitySample(
            UnixTime.ToNanoseconds(_start.AddDays(day)), "pool", 1000 * Gib, (1000 * Gib) - (long)(used * Gib), 0, 0, 0, 0, 0, 0)),
    ];
}
