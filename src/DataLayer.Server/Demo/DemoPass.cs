using DataLayer.Protocol.Http;

namespace DataLayer.Server.Demo;

/// <summary>What one pass over the dataset cost.</summary>
/// <param name="Pass">The pass, from 1.</param>
/// <param name="Seconds">Its length.</param>
/// <param name="Files">Files read, a count.</param>
/// <param name="Bytes">Bytes read.</param>
/// <param name="WaitSeconds">Time the service's readers waited for a tier below memory, summed over readers.</param>
/// <param name="MemoryHits">Reads answered from memory, a count; of a feed bytes.</param>
/// <param name="HotReads">Reads answered from the targets, a count; of a feed bytes.</param>
/// <param name="ColdReads">Reads answered from the object store, a count; of a feed bytes.</param>
/// <param name="OriginRequests">Requests to the object store, a count.</param>
/// <param name="OriginDollars">What those requests would cost at S3.</param>
internal sealed record DemoPass(
    int Pass, double Seconds, long Files, long Bytes, double WaitSeconds,
    long MemoryHits, long HotReads, long ColdReads,
    long OriginRequests, double OriginDollars)
{
    // AWS S3 Standard, us-east-1, list price: $0.0004 a thousand GET or HEAD, $0.005 a thousand PUT or LIST.
    private const double DollarsPerRead = 0.0004 / 1000;
    private const double DollarsPerWriteOrList = 0.005 / 1000;

    /// <summary>What it was read through: <c>api</c>, <c>mount</c> or <c>feed</c>.</summary>
    public string Through { get; init; } = "api";

    /// <summary>Files a second.</summary>
    public double FilesPerSecond => Files / Seconds;

    /// <summary>10⁶ bytes a second.</summary>
    public double MegabytesPerSecond => Bytes / 1e6 / Seconds;

    /// <summary>The pass between two snapshots of the service's counters.</summary>
    public static DemoPass Between(
        int pass, double seconds, long files, long bytes, StatisticsReport before, StatisticsReport after)
    {
        (long requestsBefore, double dollarsBefore) = Origin(before);
        (long requestsAfter, double dollarsAfter) = Origin(after);
        return new DemoPass(
            pass, seconds, files, bytes,
            (after.Engine.ReadWaitNanoseconds - before.Engine.ReadWaitNanoseconds) / 1e9,
            after.Engine.MemoryHits - before.Engine.MemoryHits,
            after.Engine.HotReads - before.Engine.HotReads,
            after.Engine.ColdReads - before.Engine.ColdReads,
            requestsAfter - requestsBefore, dollarsAfter - dollarsBefore);
    }

    /// <summary>Requests to object stores so far, a count, and what they would cost.</summary>
    public static (long Requests, double Dollars) Origin(StatisticsReport report)
    {
        long requests = 0;
        double dollars = 0;
        foreach (OriginReport row in report.Origin)
        {
            requests += row.Requests;
            dollars += row.Requests * (row.Verb is "GET" or "HEAD" ? DollarsPerRead : DollarsPerWriteOrList);
        }

        return (requests, dollars);
    }
}
