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
