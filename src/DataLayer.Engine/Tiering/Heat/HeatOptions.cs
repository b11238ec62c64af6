using System.Globalization;

namespace DataLayer.Engine.Tiering.Heat;

/// <summary>
/// Options of heat and access history. Ranges stand at each; <see cref="Check"/> names every bad value.
/// </summary>
public sealed record HeatOptions
{
    /// <summary>After this time half of a file's heat is gone, 1 minute to 10 years. Default 24 hours.</summary>
    public TimeSpan HalfLife { get; init; } = TimeSpan.FromHours(24);

    /// <summary>
    /// How often what was counted is written to the metadata store, 100 ms to 10 minutes: a killed service loses that
    /// much. Default 10 s: one small commit without an fsync.
    /// </summary>
    public TimeSpan FlushInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Files with counters of their own in memory at which those are added up, a count, 16 to 1 million. Default
    /// 16,384: about 10 MB.
    /// </summary>
    public int MaxTouchedFiles { get; init; } = 16_384;

    /// <summary>
    /// Files with counts that are not written yet at which the flush interval is not waited for, a count, 16 to 10
    /// million. Default 100,000, about 20 MB: a feed touches hundreds of thousands of files a second, and each flush
    /// costs some microseconds a file.
    /// </summary>
    public int MaxCountedFiles { get; init; } = 100_000;

    /// <summary>
    /// Files whose heat is kept in memory, a count, 16 to 100 million; the coldest are in the store only. Default
    /// 200,000, about 20 MB.
    /// </summary>
    public int MaxFiles { get; init; } = 200_000;

    /// <summary>Series of the access history at most, a count, 2 to 100,000. Default 512.</summary>
    public int MaxSeries { get; init; } = 512;

    /// <summary>
    /// How deep folders have series of their own, a count of names from the root, 0 to 16; what lies deeper counts for
    /// the folder above. Default 3.
    /// </summary>
    public int FolderDepth { get; init; } = 3;

    /// <summary>How long history is kept by the minute. Default 2 days: 2,880 rows a series.</summary>
    public TimeSpan MinuteRetention { get; init; } = TimeSpan.FromDays(2);

    /// <summary>
    /// How long history is kept by the hour. Default 100 days, 2,400 rows a series: three month ends.
    /// </summary>
    public TimeSpan HourRetention { get; init; } = TimeSpan.FromDays(100);

    /// <summary>How long history is kept by the day. Default 5 years: 1,826 rows a series.</summary>
    public TimeSpan DayRetention { get; init; } = TimeSpan.FromDays(1826);

    /// <summary>Names every value out of its range.</summary>
    internal void Check(List<string> errors)
    {
        Between(errors, nameof(HalfLife), HalfLife, TimeSpan.FromMinutes(1), TimeSpan.FromDays(3660));
        Between(
            errors, nameof(FlushInterval), FlushInterval, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10));
        Between(errors, nameof(MaxTouchedFiles), MaxTouchedFiles, 16, 1_000_000);
        Between(errors, nameof(MaxCountedFiles), MaxCountedFiles, 16, 10_000_000);
        Between(errors, nameof(MaxFiles), MaxFiles, 16, 100_000_000);
        Between(errors, nameof(MaxSeries), MaxSeries, 2, 100_000);
        Between(errors, nameof(FolderDepth), FolderDepth, 0, 16);
        Between(errors, nameof(MinuteRetention), MinuteRetention, TimeSpan.FromHours(1), TimeSpan.FromDays(3660));
        Between(errors, nameof(HourRetention), HourRetention, TimeSpan.FromDays(1), TimeSpan.FromDays(3660));
        Between(errors, nameof(DayRetention), DayRetention, TimeSpan.FromDays(1), TimeSpan.FromDays(36600));
    }

    private static void Between(List<string> errors, string name, int value, int min, int max)
    {
        if (value < min || value > max)
        {
            errors.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {value} is not in {min} to {max}"));
        }
    }

    private static void Between(List<string> errors, string name, TimeSpan value, TimeSpan min, TimeSpan max)
    {
        if (value < min || value > max)
        {
            errors.Add($"{name} {value} is not in {min} to {max}");
        }
    }
}
