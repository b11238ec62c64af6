using System.Collections;
using System.Globalization;
using DataLayer.Client;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Origins;
using OpenTelemetry.Exporter;

namespace DataLayer.Tests.Server.Tracing;

/// <summary>Spans of the read path as a collector gets them.</summary>
public sealed class TracingTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public async Task A_slow_read_is_sent_with_tier_wait_and_cause_down_to_the_request_of_the_store_and_a_fast_one_is_not()
    {
        await using OtlpReceiver receiver = await OtlpReceiver.StartAsync();
        await using Traced traced = await Traced.StartAsync(receiver.Endpoint, "slow: 700ms, sampleRatio: 0");
        await traced.ReadAsync("/d/fast");
        traced.Origin.Script = r => r.Verb == "GET" ? new OriginScript(OriginAct.Delay, Wait: TimeSpan.FromMilliseconds(800)) : default;
        await traced.ReadAsync("/d/slow");
        await traced.ReadAsync("/d/slow"); // A hit in memory: no span.
        await traced.StopAsync();

        ReceivedSpan read = Assert.Single(traced.SpansOf(receiver), s => s.Name == "read");
        Assert.Equal("", read.ParentId);
        Assert.Equal(("cold", "origin"), (read.Tags["tier"], read.Tags["cause"]));
        Assert.InRange((double)read.Tags["wait_seconds"], 0.7, 60);
        Assert.True((long)read.Tags["cold_bytes"] > 0);
        ReceivedSpan tier = Assert.Single(traced.SpansOf(receiver), s => s.Name == "tier.read");
        Assert.Equal((read.TraceId, read.SpanId, "cold"), (tier.TraceId, tier.ParentId, tier.Tags["tier"]));
        ReceivedSpan request = Assert.Single(traced.SpansOf(receiver), s => s.Name == "origin.get");
        Assert.Equal((read.TraceId, tier.SpanId), (request.TraceId, request.ParentId));
        Assert.EndsWith("d/slow", (string)request.Tags["url.path"], StringComparison.Ordinal);
        Assert.Equal(206L, request.Tags["http.response.status_code"]);
        Assert.NotEmpty((string)request.Tags["aws.request_id"]);
        Assert.True(read.Duration >= tier.Duration && tier.Duration >= request.Duration);
    }

    [Fact]
    public async Task Each_attempt_at_a_throttled_store_is_a_span_and_the_cause_says_so()
    {
        await using OtlpReceiver receiver = await OtlpReceiver.StartAsync();
        await using Traced traced = await Traced.StartAsync(receiver.Endpoint, "slow: 1h, sampleRatio: 1");
        int refused = 0;
        traced.Origin.Script = r => r.Verb == "GET" && Interlocked.Increment(ref refused) <= 2 ? OriginScript.SlowDown : default;
        await traced.ReadAsync("/d/fast");
        await traced.StopAsync();

        ReceivedSpan[] refusals = [.. traced.SpansOf(receiver).Where(s => s is { Name: "origin.get", IsError: true })];
        Assert.Equal([503L, 503L], refusals.Select(s => (long)s.Tags["http.response.status_code"]));
        ReceivedSpan tier = Assert.Single(traced.SpansOf(receiver), s => s.Name == "tier.read" && (double)s.Tags["throttled_seconds"] > 0);
        Assert.All(refusals, s => Assert.Equal(tier.SpanId, s.ParentId));
        Assert.Contains(traced.SpansOf(receiver), s => s.Name == "origin.get" && s.ParentId == tier.SpanId && !s.IsError);
    }

    [Fact]
    public async Task A_read_goes_on_with_the_trace_of_a_caller_that_samples_it()
    {
        await using OtlpReceiver receiver = await OtlpReceiver.StartAsync();
        await using Traced traced = await Traced.StartAsync(receiver.Endpoint, "slow: 1h, sampleRatio: 0");
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(traced.Url, ApiRoutes.Files + "/d/fast"));
        request.Headers.TryAddWithoutValidation("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        using HttpClient http = new();
        using HttpResponseMessage answer = await http.SendAsync(request);
        answer.EnsureSuccessStatusCode();
        await traced.StopAsync();

        ReceivedSpan read = Assert.Single(traced.SpansOf(receiver), s => s.Name == "read");
        Assert.Equal(("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"), (read.TraceId, read.ParentId));
    }

    [Fact]
    public async Task A_failed_read_is_sent_with_its_error()
    {
        await using OtlpReceiver receiver = await OtlpReceiver.StartAsync();
        await using Traced traced = await Traced.StartAsync(receiver.Endpoint, "slow: 1h, sampleRatio: 0");
        traced.Origin.Script = r => r.Verb == "GET" ? OriginScript.AccessDenied : default;
        await Assert.ThrowsAnyAsync<Exception>(() => traced.ReadAsync("/d/fast"));
        await traced.StopAsync();

        ReceivedSpan read = Assert.Single(traced.SpansOf(receiver), s => s.Name == "read");
        Assert.True(read.IsError);
        Assert.Equal("origin_failed", read.Tags["cause"]);
    }

    [Theory]
    [InlineData("", null, null)]
    [InlineData("", "http://c:4318", "http://c:4318/v1/traces")]
    [InlineData("tracing: {endpoint: 'http://x:1'}", "http://c:4318", "http://x:1/v1/traces")]
    [InlineData("tracing: {endpoint: 'http://x:1/v1/traces'}", null, "http://x:1/v1/traces")]
    [InlineData("tracing: {endpoint: 'http://x:1', protocol: grpc}", null, "http://x:1/")]
    public void The_endpoint_is_the_configuration_s_or_else_the_standard_variable_s(string yaml, string? variable, string? endpoint)
    {
        Hashtable environment = variable is null ? [] : new Hashtable { ["OTEL_EXPORTER_OTLP_ENDPOINT"] = variable };
        TracingConfiguration tracing = ServerConfigurationReader.ReadText(yaml, "t.yaml", environment).Configuration!.Tracing;
        Assert.Equal(endpoint, tracing.Endpoint?.ToString());
        Assert.Equal(yaml.Contains("grpc", StringComparison.Ordinal), tracing.Protocol == OtlpExportProtocol.Grpc);
    }

    private sealed class Traced : IAsyncDisposable
    {
        private readonly TempFolder _folder = new("traced");
        private DataLayerService _service = null!;
        private DataLayerClient _client = null!;

        public ScriptedS3 Origin { get; private set; } = null!;

        public Uri Url => _service.Url!;

        /// <summary>A name of its own: spans of all services in this process go to all collectors.</summary>
        public string Bucket { get; } = $"bucket-{Guid.NewGuid():N}";

        /// <summary>The spans of traces that came to this service's bucket.</summary>
        public IReadOnlyList<ReceivedSpan> SpansOf(OtlpReceiver receiver)
        {
            HashSet<string> own = [.. receiver.Spans
                .Where(s => s.Tags.TryGetValue("url.path", out object? path) && ((string)path).Contains(Bucket, StringComparison.Ordinal))
                .Select(s => s.TraceId)];
            return [.. receiver.Spans.Where(s => own.Contains(s.TraceId))];
        }

        public static async Task<Traced> StartAsync(string endpoint, string settings)
        {
            Traced traced = new() { Origin = await ScriptedS3.StartAsync() };
            traced.Origin.Put(traced.Bucket, "d/fast", new byte[MiB]);
            traced.Origin.Put(traced.Bucket, "d/slow", new byte[MiB]);
            ConfigurationResult read = ServerConfigurationReader.ReadText(
                string.Create(CultureInfo.InvariantCulture, $$"""
                stateDirectory: {{traced._folder.Combine("state")}}
                listen: {address: "127.0.0.1:0"}
                memory: {budget: 256MiB}
                pools: [{name: default, directories: [{{traced._folder.Combine("t0")}}]}]
                objectStores:
                  - {name: default, kind: s3, endpoint: "{{traced.Origin.Endpoint.ToString().TrimEnd('/')}}", anonymous: true}
                logging: {level: error}
                tracing: {endpoint: "{{endpoint}}", {{settings}}}
                """),
                "t.yaml", new Hashtable());
            Assert.Empty(read.Reading.Problems);
            traced._service = DataLayerService.Build(read.Configuration!);
            await traced._service.StartAsync(CancellationToken.None);
            traced._client = new DataLayerClient(new DataLayerClientOptions { ServerUri = traced._service.Url!, RetryCount = 0 });
            await traced._client.Admin.AttachAsync(new AttachCommand { Source = $"s3://{traced.Bucket}/d", Path = "/d" });
            return traced;
        }

        public async Task ReadAsync(string path)
        {
            using FileBytes bytes = await _client.ReadFileAsync(path);
            Assert.Equal(MiB, bytes.Memory.Length);
        }

        /// <summary>Stops the service, which sends what it gathered.</summary>
        public Task StopAsync() => _service.StopAsync();

        public async ValueTask DisposeAsync()
        {
            _client.Dispose();
            await _service.StopAsync();
            await _service.DisposeAsync();
            await Origin.DisposeAsync();
            _folder.Dispose();
        }
    }
}
