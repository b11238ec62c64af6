using DataLayer.Core.Tree;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Costs;

/// <summary>How much a forecast is worth.</summary>
public enum ForecastConfidence
{
    /// <summary>Under three days of history: nothing is forecast.</summary>
    None = 0,

    /// <summary>Under a week, or the earliest and the latest day lie far apart.</summary>
    Low = 1,

    /// <summary>Under three weeks, or they lie apart more than half of the way to the likely day.</summary>
    Medium = 2,

    /// <summary>Three weeks and more, and they lie close together.</summary>
    High = 3,
}

/// <summary>
/// When a pool is full at the growth its history shows: a straight line by least squares through what was not free at
/// the end of each day, drawn on from what is not free now.
/// </summary>
/// <param name="DayCount">Days it is from.</param>
/// <param name="BytesPerDay">Growth a day, bytes.</param>
/// <param name="LeastBytesPerDay">The lower end of the slope's 95 % interval (Student's t).</param>
/// <param name="MostBytesPerDay">The upper end.</param>
/// <param name="Fit">The part of the variance that the line explains, 0 to 1.</param>
/// <param name="FullAt">The likely time; null for never within <see cref="HorizonDays"/>.</param>
/// <param name="FullFrom">With the upper slope.</param>
/// <param name="FullUntil">With the lower slope; null where that never fills it.</param>
public sealed record FillForecast(
    int DayCount, double BytesPerDay, double LeastBytesPerDay, double MostBytesPerDay, double Fit,
    DateTimeOffset? FullAt, DateTimeOffset? FullFrom, DateTimeOffset? FullUntil)
{
    /// <summary>Days of history that count: growth changes.</summary>
    public const int MaxDays = 60;

    /// <summary>Ten years: later counts as never.</summary>
    public const double HorizonDays = 3650;

    // Two-sided 95 % quantiles of Student's t for 1 to 10 degrees of freedom.
    private static readonly double[] _quantiles =
        [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

    /// <summary>How much it is worth.</summary>
    public ForecastConfidence Confidence { get; private init; }

    /// <summary>Forecasts from the last samples of days, in order of time; null under three days.</summary>
    /// <param name="days">The samples; of more than <see cref="MaxDays"/> the last count.</param>
    public static FillForecast? Of(IReadOnlyList<CapacitySample> days)
    {
        ArgumentNullException.ThrowIfNull(days);
        int first = Math.Max(0, days.Count - MaxDays);
        int count = days.Count - first;
        if (count < 3)
        {
            return null;
        }

        (double meanX, double meanY) = (0, 0);
        for (int i = first; i < days.Count; i++)
        {
            meanX += DaysOf(days[i]) / count;
            meanY += UsedOf(days[i]) / count;
        }

        (double sumXx, double sumXy, double sumYy) = (0, 0, 0);
        for (int i = first; i < days.Count; i++)
        {
            double x = DaysOf(days[i]) - meanX;
            double y = UsedOf(days[i]) - meanY;
            sumXx += x * x;
            sumXy += x * y;
            sumYy += y * y;
        }

        if (sumXx <= 0)
        {
            return null;
        }

        double slope = sumXy / sumXx;
        double unexplained = Math.Max(0, sumYy - (slope * sumXy));
        double error = Math.Sqrt(unexplained / (count - 2) / sumXx);
        double margin = Quantile(count - 2) * error;
        CapacitySample last = days[^1];
        FillForecast forecast = new(
            count, slope, slope - margin, slope + margin, sumYy <= 0 ? 1 : 1 - (unexplained / sumYy),
            FullAtSlope(last, slope), FullAtSlope(last, slope + margin), FullAtSlope(last, slope - margin));
        return forecast with { Confidence = Judge(forecast, UnixTime.ToTime(last.TimeNanoseconds)) };
    }

    private static ForecastConfidence Judge(FillForecast forecast, DateTimeOffset last)
    {
        ForecastConfidence byLength = forecast.DayCount < 7 ? ForecastConfidence.Low
            : forecast.DayCount < 21 ? ForecastConfidence.Medium
            : ForecastConfidence.High;
        if (forecast.FullAt is not { } likely)
        {
            // Never is certain where even the upper slope says so.
            return forecast.FullFrom is null ? byLength : ForecastConfidence.Low;
        }

        double ahead = Math.Max(1, (likely - last).TotalDays);
        double apart = forecast is { FullFrom: { } from, FullUntil: { } until }
            ? (until - from).TotalDays / ahead : double.PositiveInfinity;
        ForecastConfidence byWidth = apart > 2 ? ForecastConfidence.Low
            : apart > 0.5 ? ForecastConfidence.Medium
            : ForecastConfidence.High;
        return byWidth < byLength ? byWidth : byLength;
    }

    private static double DaysOf(in CapacitySample sample) => sample.TimeNanoseconds / (double)CostPeriod.Day;

    private static double UsedOf(in CapacitySample sample) => sample.CapacityBytes - sample.FreeBytes;

    private static DateTimeOffset? FullAtSlope(in CapacitySample last, double bytesPerDay)
    {
        double days = bytesPerDay <= 0 ? double.PositiveInfinity : last.FreeBytes / bytesPerDay;
        return days > HorizonDays ? null : UnixTime.ToTime(last.TimeNanoseconds).AddDays(days);
    }

    private static double Quantile(int degrees)
    {
        if (degrees <= _quantiles.Length)
        {
            return _quantiles[degrees - 1];
        }

        // Cornish and Fisher's expansion around the normal quantile; wrong by under 0.001 from 11 on.
        const double z = 1.959964;
        return z + (((z * z * z) + z) / (4 * degrees))
            + (((5 * z * z * z * z * z) + (16 * z * z * z) + (3 * z)) / (96.0 * degrees * degrees));
    }
}
