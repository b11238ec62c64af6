using System.Globalization;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Cli;

/// <summary>One line of <c>stats --interval</c>: the differences of two reports as rates.</summary>
internal static class RateLine
{
    /// <summary>The columns' names. Rates are a second; sizes in MB of 10^6 bytes.</summary>
    public const string Header =
        "  req/s   reads/s   mem MB/s   hot MB/s  cold MB/s  wait ms"
        + "  orig r/s  orig MB/s  write MB/s  up MB/s  due   cpu%   rss MiB";

    /// <summary>Formats the differences.</summary>
    public static string Format(StatisticsReport before, StatisticsReport now, double seconds)
    {
        double per = seconds > 0 ? 1 / seconds : 0;
        EngineReport a = before.Engine;
        EngineReport b = now.Engine;
        double Megabytes(long first, long second) => (second - first) * per / 1e6;
        double processor = (now.Process.ProcessorSeconds - before.Process.ProcessorSeconds) * per * 100;
        double waits = (b.ReadWaitNanoseconds - a.ReadWaitNanoseconds) / 1e6 * per;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{(now.Http.Requests - before.Http.Requests) * per,7:0} {(b.Reads - a.Reads) * per,9:0} "
            + $"{Megabytes(a.MemoryHitBytes, b.MemoryHitBytes),10:0.0} "
            + $"{Megabytes(a.HotReadBytes, b.HotReadBytes),10:0.0} "
            + $"{Megabytes(a.ColdReadBytes, b.ColdReadBytes),10:0.0} "
            + $"{waits,8:0.0} "
            + $"{(Requests(now) - Requests(before)) * per,9:0.0} {Megabytes(a.OriginBytes, b.OriginBytes),10:0.0} "
            + $"{Megabytes(a.WrittenBytes, b.WrittenBytes),11:0.0} {Megabytes(a.UploadedBytes, b.UploadedBytes),8:0.0} "
            + $"{b.PendingUploads,4} {processor,6:0} {now.Process.ResidentBytes / 1048576.0,9:0}");
    }

    private static long Requests(StatisticsReport report)
    {
        long sum = 0;
        foreach (OriginReport row in report.Origin)
        {
            sum += row.Requests;
        }

        return sum;
    }
}
