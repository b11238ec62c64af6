using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DataLayer.Core.Tree;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Service;

namespace DataLayer.EndToEndTests.Costs;

/// <summary>What real services pay: over a kill, and counted again by a real gateway's own log.</summary>
public sealed partial class CostMeterTests
{
    private const string Quick = "costs: {flush: 100ms}\n";

    [Fact]
    public async Task A_service_that_is_killed_goes_on_with_its_bill_and_the_command_line_shows_it()
    {
        await using var it = await Installation.StartWithOriginAsync(s => s with { More = Quick });
        for (var i = 0; i < 5; i++)
        {
            it.Origin.Put(Installation.Bucket, $"data/f{i}", new byte[1000]);
        }

        await it.AttachAsync();
        for (var i = 0; i < 3; i++)
        {
            await it.ReadAsync($"/data/f{i}");
        }

        Assert.Equal(it.Origin.RequestCount, (await it.Client.Admin.GetCostsAsync("item")).Total.Requests);
        await it.Service.KillAsync();
        await it.Service.RestartAsync();
        await it.ReadAsync("/data/f3");
        var report = await it.Client.Admin.GetCostsAsync("item");
        Assert.Equal(it.Origin.RequestCount, report.Total.Requests);
        Assert.Equal(4, Assert.Single(report.Lines, l => l.Item == "get").Requests);

        var shown = await it.Service.RunVerbAsync("cost", "--json", "--by", "item");
        Assert.Equal(0, shown.ExitCode);
        Assert.Equal(report.Total.Requests, (long?)JsonNode.Parse(shown.Output)!["total"]!["requests"]);
        foreach (var verb in new[] { "report", "tiers", "budgets" })
        {
            Assert.Equal(0, (await it.Service.RunVerbAsync(verb)).ExitCode);
        }
    }

    [Fact]
    public async Task Ceph_counts_the_same_requests_and_bytes_in_its_access_log()
    {
        var ceph = await CephCluster.GetSharedAsync();
        var bucket = await ceph.CreateBucketAsync("bill");
        try
        {
            Tell(ceph, "config", "set", "debug_rgw", "1/1");
            await using var it = await Installation.StartAsync(
                s => s with { More = Quick, Stores = [new StoreSettings(ceph.Endpoint, ceph.AccessKey, ceph.SecretKey)] });
            await it.Client.Admin.AttachAsync(new() { Source = $"s3://{bucket}/data", Path = "/data", Mode = AttachmentMode.ReadWrite });
            await it.Client.WriteFileAsync("/data/small", new byte[5000]);
            await it.Client.WriteFileAsync("/data/large", new byte[40 << 20]);
            await it.Client.WriteFileAsync("/data/gone", new byte[5000]);
            await it.Client.Admin.FlushUploadsAsync("/data");
            await it.Client.DeleteAsync("/data/gone");
            using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
            while ((await it.Client.Admin.GetCostsAsync("item", cancellationToken: limit.Token)).Lines.All(l => l.Item != "delete"))
            {
                await Task.Yield(); // The bucket is told in the background.
            }

            await it.EvictAsync("/data", hot: true);
            await it.ReadAsync("/data/small");
            await it.ReadAsync("/data/large");
            await it.Client.Admin.RefreshAsync("/data");
            await it.Service.StopAsync();
            await it.Service.RestartAsync();
            var report = await it.Client.Admin.GetCostsAsync("item");

            Tell(ceph, "log", "flush");
            var log = await File.ReadAllTextAsync(Path.Combine(ceph.Folder, "run", "client.rgw.log"));
            var seen = AccessLine().Matches(log).Where(m => m.Groups["bucket"].Value == bucket && m.Groups["user"].Value != "-").ToList();
            string[] items = ["get", "head", "list", "put", "post", "delete"];
            long[] counted = [.. items.Select(i => report.Lines.SingleOrDefault(l => l.Item == i)?.Requests ?? 0)];
            Assert.Equal([.. items.Select(i => seen.LongCount(m => ItemOf(m) == i))], counted);
            Assert.True(counted.All(c => c > 0), string.Join(", ", counted));
            Assert.Equal(
                seen.Where(m => ItemOf(m) == "get").Sum(m => long.Parse(m.Groups["bytes"].Value, CultureInfo.InvariantCulture)),
                report.Total.ReadBytes);
        }
        finally
        {
            Tell(ceph, "config", "set", "debug_rgw", "0/0");
            await ceph.DeleteBucketAsync(bucket);
        }
    }

    private static void Tell(CephCluster ceph, params string[] words) =>
        Command.Run("ceph", ["--admin-daemon", Path.Combine(ceph.Folder, "run", "client.rgw.asok"), .. words]);

    private static string ItemOf(Match line) => (line.Groups["verb"].Value, line.Groups["key"].Value.Trim('/').Length > 0) switch
    {
        ("GET", false) => "list",
        ("PUT", false) or ("DELETE", false) => "bucket",
        var (verb, _) => verb.ToLowerInvariant(),
    };

    [GeneratedRegex(
        """beast: \S+ \S+ - (?<user>\S+) \[[^\]]+\] "(?<verb>[A-Z]+) /(?<bucket>[^/? ]+)(?<key>/[^? ]*)?(\?\S*)? HTTP/1.1" (?<status>\d+) (?<bytes>\d+)""")]
    private static partial Regex AccessLine();
}
