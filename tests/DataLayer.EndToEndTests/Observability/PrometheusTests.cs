using System.Text.Json;
using DataLayer.EndToEndTests.Faults;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Origins;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Relay;

namespace DataLayer.EndToEndTests.Observability;

/// <summary>What Debian's Prometheus says of our metrics.</summary>
public sealed class PrometheusTests
{
    [Fact]
    public async Task Promtool_finds_no_fault_in_the_metrics_of_a_service_that_was_used()
    {
        await using var it = await StartAsync();
        var file = it.Folder.Combine("metrics.txt");
        await File.WriteAllTextAsync(file, await it.Service.Http.GetStringAsync(new Uri("metrics", UriKind.Relative)));

        var checkedMetrics = Command.TryRun("sh", "-c", $"promtool check metrics < '{file}'");

        Assert.Equal((0, ""), (checkedMetrics.ExitCode, checkedMetrics.Output + checkedMetrics.Error));
    }

    [Fact]
    public async Task A_real_prometheus_scrapes_all_metrics_and_answers_queries_over_them()
    {
        await using var it = await StartAsync();
        await using var relay = LatencyRelay.StartWithoutLatency(new(System.Net.IPAddress.Loopback, it.Service.Endpoint.Port));
        var second = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var scrapes = 0;
        relay.Fault = _ =>
        {
            // When the second scrape begins, what the first one brought has been stored.
            if (Interlocked.Increment(ref scrapes) == 2)
            {
                second.TrySetResult();
            }

            return RelayFault.None;
        };
        var configuration = it.Folder.Combine("prometheus.yml");
        await File.WriteAllTextAsync(
            configuration,
            $$"""
            global: {scrape_interval: 300ms, scrape_timeout: 300ms}
            scrape_configs:
              - job_name: datalayer
                static_configs: [{targets: ["127.0.0.1:{{relay.Port}}"]}]
            """);
        var port = FreePort.Next();
        var log = new ProcessLog();
        await using var prometheus = await ReadyProcess.StartAsync(
            "Prometheus",
            [
                "prometheus", $"--config.file={configuration}", $"--storage.tsdb.path={it.Folder.Combine("tsdb")}",
                $"--web.listen-address=127.0.0.1:{port}",
            ],
            environment: null, line => line.Contains("Server is ready to receive web requests", StringComparison.Ordinal), log);
        await second.Task.WaitAsync(TimeSpan.FromMinutes(1));

        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        Assert.Equal(["1"], await QueryAsync(http, "up{job=\"datalayer\"}"));
        Assert.Equal(["1"], await QueryAsync(http, "datalayer_ready"));
        Assert.Equal(["1"], await QueryAsync(http, "datalayer_read_wait_seconds_count{tier=\"cold\",cause=\"origin\"} >= bool 1"));
        Assert.Equal(["1"], await QueryAsync(http, "sum(datalayer_read_bytes_total{tier=\"cold\"}) >= bool 200000"));

        // Every metric with samples came over as the type it is documented with.
        using var metadata = JsonDocument.Parse(await http.GetStringAsync(new Uri("api/v1/targets/metadata?limit=1000", UriKind.Relative)));
        var documented = MetricsCatalogue.Read();
        var seen = metadata.RootElement.GetProperty("data").EnumerateArray()
            .ToDictionary(m => m.GetProperty("metric").GetString()!, m => m.GetProperty("type").GetString(), StringComparer.Ordinal);
        Assert.Equal([], documented.Values.Where(m => seen.GetValueOrDefault(m.Name) != m.Type).Select(m => m.Name));
    }

    [Fact]
    public async Task Promtool_accepts_the_alerts_and_each_is_raised_by_its_fault_alone()
    {
        var check = Command.TryRun("promtool", "check", "rules", Deployed("alerts.yaml"));
        Assert.True(check.ExitCode == 0, check.Output + check.Error);
        var tried = await Command.TryRunAsync("promtool", ["test", "rules", Deployed("alerts.test.yaml")], null, CancellationToken.None);
        Assert.True(tried.ExitCode == 0, tried.Output + tried.Error);
    }

    [Fact]
    public void Promtool_accepts_every_query_of_the_dashboard_and_of_the_adapter()
    {
        using var dashboard = JsonDocument.Parse(File.ReadAllText(Deployed("dashboard.json")));
        var queries = dashboard.RootElement.GetProperty("panels").EnumerateArray()
            .Where(panel => panel.TryGetProperty("targets", out _))
            .SelectMany(panel => panel.GetProperty("targets").EnumerateArray().Select(target => target.GetProperty("expr").GetString()!))
            .Concat(File.ReadLines(Deployed("adapter-rules.yaml")).Where(line => line.Contains("metricsQuery:", StringComparison.Ordinal))
                .Select(line => line.Split("metricsQuery:")[1].Trim().Trim('\'')))
            .Select(query => query.Replace("$__rate_interval", "5m", StringComparison.Ordinal).Replace("$instance", ".*", StringComparison.Ordinal)
                .Replace("<<.LabelMatchers>>", "pod=\"p\"", StringComparison.Ordinal).Replace("<<.GroupBy>>", "pod", StringComparison.Ordinal))
            .ToList();
        Assert.True(queries.Count > 30, $"{queries.Count} queries");
        using var folder = new TempFolder("queries");
        var rules = folder.Combine("rules.yaml");
        File.WriteAllText(rules, "groups:\n- name: queries\n  rules:\n" + string.Concat(
            queries.Select((query, i) => $"  - {{record: 'q{i}', expr: '{query}'}}\n")));

        var check = Command.TryRun("promtool", "check", "rules", rules);

        Assert.True(check.ExitCode == 0, check.Output + check.Error);
    }

    private static string Deployed(string file) => Path.Combine(RepositoryRoot.Path, "csi", "deploy", "monitoring", file);

    private static async Task<List<string>> QueryAsync(HttpClient http, string query)
    {
        using var answer = JsonDocument.Parse(
            await http.GetStringAsync(new Uri("api/v1/query?query=" + Uri.EscapeDataString(query), UriKind.Relative)));
        return [.. answer.RootElement.GetProperty("data").GetProperty("result").EnumerateArray()
            .Select(r => r.GetProperty("value")[1].GetString()!)];
    }

    private static async Task<Installation> StartAsync()
    {
        var it = await Installation.StartWithOriginAsync();
        OriginFaultTests.Fill(it.Origin, 3);
        await it.AttachAsync();
        for (var i = 0; i < 3; i++)
        {
            // One refused request, so that the counters of failures have something to tell.
            it.Origin.Script = OneRefusal(i == 0);
            await it.ReadAsync($"/data/f{i}");
        }

        return it;
    }

    private static Func<OriginRequest, OriginScript> OneRefusal(bool wanted)
    {
        var left = wanted ? 1 : 0;
        return request => request.Verb == "GET" && Interlocked.Decrement(ref left) >= 0 ? OriginScript.SlowDown : OriginScript.Serve;
    }
}
