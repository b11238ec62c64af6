namespace DataLayer.Core.Tree;

/// <summary>
/// Points in time as the tree, the API and reports have them: nanoseconds since 1970-01-01 UTC. Steps of .NET's clock
/// are 100 ns.
/// </summary>
public static class UnixTime
{
    /// <summary>A number of nanoseconds as a time; what is below 100 ns is cut off.</summary>
    public static DateTimeOffset ToTime(long nanoseconds) => DateTimeOffset.UnixEpoch.AddTicks(nanoseconds / 100);

    /// <summary>A time as nanoseconds. It holds for the years 1678 to 2262.</summary>
    public static long ToNanoseconds(DateTimeOffset time) =>
        (time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) * 100;
}
