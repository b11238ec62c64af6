using System.CommandLine;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb stats, once or refreshing, and cache stats.</summary>
internal static class StatisticsCommands
{
    private const int HeaderEvery = 20;

    /// <summary>Makes <c>stats</c>.</summary>
    public static Command Make(CommandFactory factory)
    {
        Option<string?> interval = new("--interval", "-i")
        {
            Description = "Print a line of rates each so often, as 1s.",
            HelpName = "TIME",
        };
        Option<int> count = new("--count", "-c")
        {
            Description = "With --interval: how many lines; 0 for no end.",
            HelpName = "N",
        };
        return factory.Make(
            "stats",
            "Shows the service's counters, or with --interval its rates.",
            [interval, count],
            async (run, cancellationToken) =>
            {
                if (run.Arguments.GetValue(interval) is not { } text)
                {
                    StatisticsReport report = await run.Client.Admin.GetStatisticsAsync(cancellationToken);
                    run.Write(report, ProtocolJson.Default.StatisticsReport, r => ShowAll(run.Out, r));
                    return ExitCode.Success;
                }

                if (
                    !(
                        UnitText.TryParseDuration(text, out TimeSpan wait)
                        || (
                            double.TryParse(
                                text,
                                NumberStyles.AllowDecimalPoint,
                                CultureInfo.InvariantCulture,
                                out double seconds
                            )
                            && UnitText.TryParseDuration(
                                seconds.ToString(CultureInfo.InvariantCulture) + "s", out wait)))
                    || wait < TimeSpan.FromMilliseconds(10))
                {
                    throw new DataLayerException(
                        ErrorCode.InvalidArgument,
                        $"--interval '{text}' is not a duration of 10 ms and more, as 1s."
                    );
                }

                await RefreshAsync(run, wait, run.Arguments.GetValue(count), cancellationToken);
                return ExitCode.Success;
            }
        );
    }

    /// <summary>Makes <c>cache stats</c>.</summary>
    public static Command MakeCache(CommandFactory factory) =>
        factory.Make(
            "stats", "Shows the memory tier's counters.", [],
            async (run, cancellationToken) =>
            {
                StatisticsReport report = await run.Client.Admin.GetStatisticsAsync(cancellationToken);
                run.Write(report.Cache, ProtocolJson.Default.CacheReport, c => ShowCache(run.Out, c));
                return ExitCode.Success;
            });

    private static async Task RefreshAsync(
        CommandRun run, TimeSpan wait, int count, CancellationToken cancellationToken)
    {
        using PeriodicTimer timer = new(wait, run.Environment.Time);
        StatisticsReport before = await run.Client.Admin.GetStatisticsAsync(cancellationToken);
        long last = run.Environment.Time.GetTimestamp();
        for (
            int line = 0; (count == 0 || line < count) && await timer.WaitForNextTickAsync(cancellationToken); line++)
        {
            StatisticsReport now = await run.Client.Admin.GetStatisticsAsync(cancellationToken);
            double seconds = run.Environment.Time.GetElapsedTime(last).TotalSeconds;
            last = run.Environment.Time.GetTimestamp();
            if (run.Json)
            {
                run.WriteJson(now, ProtocolJson.Default.StatisticsReport);
            }
            else
            {
                if (line % HeaderEvery == 0)
                {
                    run.Environment.Out.WriteLine(RateLine.Header);
                }

                run.Environment.Out.WriteLine(RateLine.Format(before, now, seconds));
            }

            run.Environment.Out.Flush();
            before = now;
        }
    }

    private static void ShowAll(IAnsiConsole console, StatisticsReport report)
    {
        EngineReport e = report.Engine;
        long readBytes = e.MemoryHitBytes + e.HotReadBytes + e.ColdReadBytes;
        Table tiers = Show.Columns("tier", "#reads", "#bytes", "#share");
        tiers.Row(
            "memory", Show.Count(e.MemoryHits), Show.Size(e.MemoryHitBytes), Show.Share(e.MemoryHitBytes, readBytes));
        tiers.Row("hot", Show.Count(e.HotReads), Show.Size(e.HotReadBytes), Show.Share(e.HotReadBytes, readBytes));
        tiers.Row(
            "cold", Show.Count(e.ColdReads), Show.Size(e.ColdReadBytes), Show.Share(e.ColdReadBytes, readBytes));
        console.Write(tiers);
        console.WriteLine();
        ProcessReport p = report.Process;
        Show.Properties(console,
        [
            ("up", Show.Seconds(report.UptimeSeconds)),
            ("reads", $"{Show.Count(e.Reads)}, {Show.Size(e.ReadBytes)}"),
            ("waited", Show.Seconds(e.ReadWaitNanoseconds / 1e9)),
            ("origin", $"{Show.Size(e.OriginBytes)} fetched, {Show.Size(e.ReadaheadBytes)} of it ahead"),
            ("writes", $"{Show.Size(e.WrittenBytes)} written, {Show.Size(e.UploadedBytes)} uploaded"),
            ("uploads due", Show.Count(e.PendingUploads)),
            ("requests", $"{Show.Count(report.Http.Requests)}, {report.Http.Active} now"),
            ("refused", $"{Show.Count(report.Http.Refused)}; failed {Show.Count(report.Http.ServerErrors)}"),
            ("memory", $"{Show.Size(p.ResidentBytes)} of {Show.Size(p.MemoryBudgetBytes)}"),
            ("managed", Show.Size(p.ManagedBytes)),
            ("processor", $"{Show.Seconds(p.ProcessorSeconds)}; collections {string.Join('/', p.Collections)}"),
        ]);
        console.WriteLine();
        ShowCache(console, report.Cache);
        if (report.Origin.Count > 0)
        {
            console.WriteLine();
            Table origin = Show.Columns("dataset", "verb", "#requests", "#failures", "#bytes");
            foreach (OriginReport row in report.Origin)
            {
                origin.Row(
                    row.Dataset, row.Verb, Show.Count(row.Requests), Show.Count(row.Failures), Show.Size(row.Bytes));
            }

            console.Write(origin);
        }
    }

    private static void ShowCache(IAnsiConsole console, CacheReport c) => Show.Properties(console,
    [
        ("cache", $"{Show.Size(c.UsedBytes)} of {Show.Size(c.CapacityBytes)}, {Show.Count(c.BlockCount)} blocks"),
        ("pinned", Show.Size(c.PinnedBytes)),
        ("cache hits", $"{Show.Count(c.Hits)} ({Show.Share(c.Hits, c.Hits + c.Misses)}), {Show.Size(c.HitBytes)}"),
        ("cache misses", Show.Count(c.Misses)),
        ("cache fills", $"{Show.Count(c.Fills)}; refused {Show.Count(c.FillsRefused)}"),
        ("evicted", Show.Count(c.Evictions)),
        ("spill", $"{Show.Count(c.SpillHits)} hits, {Show.Size(c.SpillBytes)} held"),
        ("bad blocks", c.BadBlocks == 0 ? null : Show.Count(c.BadBlocks)),
    ]);
}
