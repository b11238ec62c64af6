using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using DataLayer.Client;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using DataLayer.Server.Cli;
using DataLayer.Server.Hosting;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Origins;

namespace DataLayer.Tests.Server;

/// <summary>What a real service pays a scripted S3 over HTTP, told by the API and on the command line.</summary>
public sealed class CostEndpointTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public async Task Each_request_is_billed_to_what_it_was_for_and_none_is_missing()
    {
        await using Node t = await Node.StartAsync();
        t.Origin.Put("bucket", "data/small", new byte[1000]);
        byte[] large = RandomNumberGenerator.GetBytes(20 * MiB);
        t.Origin.Put("bucket", "data/large", large);
        t.Origin.Put("bucket", "data/warm", new byte[3 * MiB]);
        int warmed = 0;
        long served = 0;
        t.Origin.BeforeServe = r =>
        {
            Interlocked.Add(ref warmed, r.Key == "data/warm" ? 1 : 0);
            Interlocked.Add(ref served, r is { Verb: "GET", Key: "data/small" or "data/large" } ? LengthOf(r.Range!) : 0);
        };
        await t.AttachAsync();
        await t.Client.ReadFileAsync("/data/small");
        Assert.Equal(large, await t.ReadAsync("/data/large"));
        JobStatus job = await t.WarmAsync("/data/warm");
        await t.Client.WriteFileAsync("/data/new", new byte[2000]);
        await t.Client.Admin.FlushUploadsAsync("/data");

        CostReport report = await t.Client.Admin.GetCostsAsync("purpose,item,dataset");
        Dictionary<string, CostLine> lines = report.Lines.Where(l => l.Requests > 0).ToDictionary(l => $"{l.Purpose} {l.Item}");
        Assert.All(lines.Values, l => Assert.Equal("/data", l.Dataset));
        Assert.Equal((1L, 5e-6), (lines["listing list"].Requests, Math.Round(lines["listing list"].Cost, 9)));
        Assert.Equal((1L, 2000L, 5e-6), (lines["upload put"].Requests, lines["upload put"].WrittenBytes, Math.Round(lines["upload put"].Cost, 9)));
        Assert.Equal((warmed, 3L * MiB), (lines["warm get"].Requests, lines["warm get"].ReadBytes));
        Assert.True(served >= (20L * MiB) + 1000); // Under load a block may be fetched twice: that is billed too.
        Assert.Equal(served, lines["foreground get"].ReadBytes + lines["readahead get"].ReadBytes);
        Assert.True(lines["readahead get"].Requests > 0);
        Assert.Equal(t.Origin.RequestCount, report.Total.Requests);
        Assert.Equal("USD", report.Currency);

        CostReport ofJob = await t.Client.Admin.GetCostsAsync("purpose,item", job: job.Id);
        CostLine only = Assert.Single(ofJob.Lines);
        Assert.Equal(("warm", "get", warmed, 3L * MiB, Math.Round(warmed * 4e-7, 10)), (only.Purpose, only.Item, only.Requests, only.ReadBytes, Math.Round(only.Cost, 10)));
    }

    [Fact]
    public async Task A_read_in_the_name_of_a_token_is_billed_to_it()
    {
        CliRun? made = null;
        await using Node t = await Node.StartAsync(before: async file => made = await CliRun.RunAsync(
            ["token", "create", "--role", "tenant", "--scope", "/data", "--name", "ann", "--config", file], server: null));
        Assert.Equal(0, made!.Status);
        t.Origin.Put("bucket", "data/a", new byte[1000]);
        await t.AttachAsync();
        using DataLayerClient ann = new(new DataLayerClientOptions { ServerUri = t.Service.Url!, Token = made.Text.Trim() });
        await ann.ReadFileAsync("/data/a");
        CostReport report = await t.Client.Admin.GetCostsAsync("tenant,purpose,item");
        Assert.Contains(report.Lines, l => l is { Tenant: "ann", Purpose: "foreground", Item: "get", Requests: 1 });
    }

    [Fact]
    public async Task A_spent_budget_stops_what_runs_ahead_and_readers_read_on()
    {
        await using Node t = await Node.StartAsync(
            "costs: {flush: 10m, budgets: [{name: tight, amount: 0.0000005, action: stopPrefetch}, {name: wide, amount: 100}]}");
        byte[] large = RandomNumberGenerator.GetBytes(20 * MiB);
        t.Origin.Put("bucket", "data/large", large);
        t.Origin.Put("bucket", "data/other", large);
        await t.AttachAsync();
        IReadOnlyList<BudgetReport> budgets = await t.Client.Admin.ListBudgetsAsync();
        Assert.Equal(["tight exceeded stopPrefetch", "wide within "], budgets.Select(b => $"{b.Name} {b.State} {b.InForce}"));
        Assert.Equal(5e-6, budgets[0].Spent, 9);

        Assert.Equal(large, await t.ReadAsync("/data/large"));
        CostReport report = await t.Client.Admin.GetCostsAsync("purpose,item");
        Assert.DoesNotContain(report.Lines, l => l.Purpose is "readahead" or "recall");
        Assert.Equal(20L * MiB, Assert.Single(report.Lines, l => l is { Purpose: "foreground", Item: "get" }).ReadBytes);

        JobStatus job = await t.WarmAsync("/data/other");
        Assert.Equal("failed", job.State);
        Assert.Contains("Budget 'tight' is spent", job.Failure, StringComparison.Ordinal);
        Assert.Equal(large, await t.ReadAsync("/data/other"));
        CliRun shown = await CliRun.RunAsync(["budgets"], t.Service.Url);
        Assert.Matches(@"tight +all +\S+ +\S+ USD +day +exceeded +stopPrefetch", shown.Text);
    }

    [Fact]
    public async Task Tiers_tell_what_lies_where_and_what_a_month_of_it_costs()
    {
        await using Node t = await Node.StartAsync();
        t.Origin.Put("bucket", "data/a", new byte[3 * MiB]);
        t.Origin.Put("bucket", "data/b", new byte[MiB]);
        await t.AttachAsync();
        await t.WarmAsync("/data/a");
        await t.Client.WriteFileAsync("/own", new byte[2 * MiB]);
        TiersReport tiers = await t.Client.Admin.GetTiersAsync(fresh: true);
        Assert.Equal((3L, 6L * MiB), (tiers.Files, tiers.SizeBytes));
        PoolReport pool = Assert.Single(tiers.Pools);
        Assert.Equal((2L, 5L * MiB, 3L * MiB), (pool.Files, pool.HotBytes, pool.PremigratedBytes));
        Assert.Equal(0.08 * 5 / 1024, pool.CostPerMonth, 9);
        Assert.InRange(pool.Fill, 0, 1);
        Assert.Null(pool.Forecast);
        ClassReport standard = Assert.Single(tiers.Classes);
        Assert.Equal(("STANDARD", 2L, 4L * MiB, true), (standard.Class, standard.Objects, standard.ObjectBytes, standard.IsPriced));
        Assert.Equal(0.023 * 4 / 1024, standard.CostPerMonth, 9);
        Assert.Equal(["hot 2097152", "premigrated 3145728", "released 1048576"], tiers.States.Select(s => $"{s.State} {s.SizeBytes}"));
        CliRun shown = await CliRun.RunAsync(["tiers"], t.Service.Url);
        Assert.Contains("unknown: under three days of history", shown.Text, StringComparison.Ordinal);

        CapacityHistory history = await t.Client.Admin.GetCapacityHistoryAsync(string.Empty, "hour");
        Assert.Equal((3L, 4L * MiB), (history.Rows[^1].Files, history.Rows[^1].ObjectBytes));
        Assert.Equal(pool.CapacityBytes, (await t.Client.Admin.GetCapacityHistoryAsync("default", "day")).Rows[^1].CapacityBytes);
    }

    [Fact]
    public async Task Answers_have_entity_tags_and_history_has_pages()
    {
        await using Node t = await Node.StartAsync();
        t.Origin.Put("bucket", "data/a", new byte[1000]);
        await t.AttachAsync();
        using HttpClient http = new() { BaseAddress = t.Service.Url };
        string target = "/api/v1/costs?by=item&until=2020-01-02T00:00:00Z&from=2020-01-01T00:00:00Z";
        using HttpResponseMessage first = await http.GetAsync(target);
        using HttpRequestMessage again = new(HttpMethod.Get, target);
        again.Headers.TryAddWithoutValidation("If-None-Match", first.Headers.ETag!.ToString());
        using HttpResponseMessage same = await http.SendAsync(again);
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.NotModified), (first.StatusCode, same.StatusCode));
        Assert.Equal("month", (string?)JsonNode.Parse(await first.Content.ReadAsStringAsync())!["level"]);

        CostHistory history = await t.Client.Admin.GetCostHistoryAsync("hour");
        Assert.Null(history.Next);
        Assert.Equal(5e-6, history.Rows.Sum(r => r.RequestCost), 9);
        Assert.Empty((await t.Client.Admin.GetCostHistoryAsync("day", dataset: "/none")).Rows);
        foreach (string bad in (string[])["costs?by=colour", "costs?level=minute", "costs?from=x", "costs?from=2026-01-02&until=2026-01-01",
            "history/costs?level=year", "history/costs?limit=0", "history/capacity?level=month"])
        {
            using HttpResponseMessage refused = await http.GetAsync("/api/v1/" + bad);
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        }
    }

    [Fact]
    public async Task The_live_view_prints_what_is_spent_each_so_often()
    {
        await using Node t = await Node.StartAsync();
        t.Origin.Put("bucket", "data/a", new byte[1000]);
        await t.AttachAsync();
        CliRun live = await CliRun.RunAsync(["cost", "--interval", "10ms", "--count", "2"], t.Service.Url);
        Assert.Equal(0, live.Status);
        Assert.Equal(3, live.Text.Trim().Split('\n').Length);
        CliRun table = await CliRun.RunAsync(["cost", "--by", "purpose,item", "--last", "1h"], t.Service.Url);
        Assert.Matches(@"listing +list +1 +0", table.Text);
        Assert.Contains("USD by aws-us-east-1", table.Text, StringComparison.Ordinal);
        CliRun json = await CliRun.RunAsync(["cost", "--json"], t.Service.Url);
        Assert.Equal(1, (long?)JsonNode.Parse(json.Text)!["total"]!["requests"]);
        Assert.Equal(ExitCode.Usage, (await CliRun.RunAsync(["cost", "--last", "soon"], t.Service.Url)).Status);
    }

    [Fact]
    public async Task The_report_adds_up_what_was_paid_and_compares_it()
    {
        await using Node t = await Node.StartAsync();
        t.Origin.Put("bucket", "data/a", new byte[3 * MiB]);
        await t.AttachAsync();
        await t.ReadAsync("/data/a");
        await t.ReadAsync("/data/a");
        await t.Client.WriteFileAsync("/own", new byte[2 * MiB]);
        _ = await t.Client.Admin.GetTiersAsync(fresh: true);
        SavingsReport report = await t.Client.Admin.GetSavingsAsync();
        CostReport costs = await t.Client.Admin.GetCostsAsync("item");
        Assert.Equal(costs.Total.Cost - costs.Total.StorageCost, report.Total.OriginCost, 9);
        Assert.Equal(0.08 * 5 / 1024, report.Month.AllHot, 9);
        Assert.Equal(0.023 * 3 / 1024, report.Month.Cold, 9);
        Assert.Equal(0.023 * 5 / 1024, report.Month.AllCold, 9);
        Assert.Equal(6L * MiB, report.Reads.MemoryBytes + report.Reads.HotBytes + report.Reads.ColdBytes);

        // Two opens of one object: 2 GETs, and the listing as it was.
        Assert.Equal((2 * 4e-7) + 5e-6, report.Total.AllCold - report.Total.AllColdStorage, 9);
        Assert.Equal(report.Total.AllCold - report.Total.Cost, report.Total.SavedAgainstAllCold, 9);
        Assert.Equal(report.Total.Cost, report.Datasets.Sum(d => d.Cost), 9);
        Assert.Equal(report.Total.AllCold, report.Datasets.Sum(d => d.AllCold), 9);
        SavingsLine week = Assert.Single(report.Trend);
        Assert.Equal(report.Total.OriginCost, week.OriginCost, 9);
        CliRun shown = await CliRun.RunAsync(["report", "--days", "7"], t.Service.Url);
        Assert.Contains("all cold: every file as an object of the class it has (else STANDARD)", shown.Text, StringComparison.Ordinal);
        Assert.Matches(@"all hot +\S+ +0\.00 ", shown.Text);
        using HttpClient http = new() { BaseAddress = t.Service.Url };
        using HttpResponseMessage refused = await http.GetAsync("/api/v1/report?days=0");
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
    }

    /// <summary>The length of a range as <c>bytes=2-5</c>.</summary>
    private static long LengthOf(string range)
    {
        string[] ends = range["bytes=".Length..].Split('-');
        return long.Parse(ends[1], CultureInfo.InvariantCulture) - long.Parse(ends[0], CultureInfo.InvariantCulture) + 1;
    }

    private sealed class Node : IAsyncDisposable
    {
        private readonly TempFolder _folder = new("cost-service");

        public ScriptedS3 Origin { get; private set; } = null!;

        public DataLayerService Service { get; private set; } = null!;

        public DataLayerClient Client { get; private set; } = null!;

        private string ConfigurationFile => _folder.Combine("datalayer.yaml");

        public static async Task<Node> StartAsync(string more = "costs: {flush: 10m}", Func<string, Task>? before = null)
        {
            Node node = new();
            node.Origin = await ScriptedS3.StartAsync();
            node.Origin.MakeBucket("bucket");
            string stores = $"objectStores: [{{name: default, endpoint: \"{node.Origin.Endpoint.ToString().TrimEnd('/')}\", anonymous: true, hedgedReads: false}}]";
            await File.WriteAllTextAsync(node.ConfigurationFile, $"stateDirectory: {node._folder.Combine("state")}\n");
            await (before?.Invoke(node.ConfigurationFile) ?? Task.CompletedTask);
            node.Service = DataLayerService.Build(RunningService.Configure(node._folder, more: stores + "\n" + more));
            await node.Service.StartAsync(CancellationToken.None);
            node.Client = new DataLayerClient(new DataLayerClientOptions { ServerUri = node.Service.Url!, RetryCount = 0 });
            return node;
        }

        public ValueTask<AttachmentStatus> AttachAsync() => Client.Admin.AttachAsync(
            new AttachCommand { Source = "s3://bucket/data", Path = "/data", Mode = AttachmentMode.ReadWrite, Freshness = FreshnessMode.Immutable });

        public async Task<byte[]> ReadAsync(string path)
        {
            using FileBytes bytes = await Client.ReadFileAsync(path);
            return bytes.Memory.ToArray();
        }

        public async Task<JobStatus> WarmAsync(string path)
        {
            JobStatus job = await Client.Jobs.WarmAsync(new WarmJobCommand { Paths = [path] });
            await foreach (JobStatus one in Client.Jobs.WatchAsync(job.Id))
            {
                job = one;
            }

            return job;
        }

        public async ValueTask DisposeAsync()
        {
            Client.Dispose();
            await Service.StopAsync();
            await Service.DisposeAsync();
            await Origin.DisposeAsync();
            _folder.Dispose();
        }
    }
}
