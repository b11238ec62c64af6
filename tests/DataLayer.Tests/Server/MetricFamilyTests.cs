using System.Diagnostics.Metrics;
using System.Text;
using DataLayer.Server.Telemetry;

namespace DataLayer.Tests.Server;

public sealed class MetricFamilyTests : IDisposable
{
    private readonly Meter _meter = new("Test.MetricFamily");

    [Theory]
    [InlineData("datalayer.cache.hits", "{hit}", true, "datalayer_cache_hits_total")]
    [InlineData("datalayer.read", "By", true, "datalayer_read_bytes_total")]
    [InlineData("datalayer.read.bytes", "By", true, "datalayer_read_bytes_total")]
    [InlineData("requests_total", null, true, "requests_total")]
    [InlineData("datalayer.http.request.duration", "s", false, "datalayer_http_request_duration_seconds")]
    [InlineData("datalayer.ready", null, false, "datalayer_ready")]
    [InlineData("dotnet.gc.heap-size", "By", false, "dotnet_gc_heap_size_bytes")]
    [InlineData("9lives", null, false, "_9lives")]
    public void Names_follow_the_conventions(string instrument, string? unit, bool isCounter, string name) =>
        Assert.Equal(name, PrometheusName.Metric(instrument, unit, isCounter));

    [Fact]
    public void Label_values_and_help_are_escaped_and_read_back_equal()
    {
        MetricFamily family = MetricFamily.For(_meter.CreateCounter<long>("odd", null, "one\\two\nthree"));
        const string Value = "quote \" backslash \\ line\nend ä";
        family.Record(3, [new("a.b", Value)], replace: false);

        PrometheusText text = Read(family);

        Assert.Equal(3, text.Samples[("odd_total", "a_b=" + Value)]);
    }

    [Fact]
    public void Counters_add_up_by_their_tags()
    {
        MetricFamily family = MetricFamily.For(_meter.CreateCounter<long>("c"));
        family.Record(1, [new("tier", "hot"), new("n", 1)], replace: false);
        family.Record(2, [new("tier", "hot"), new("n", 1)], replace: false);
        family.Record(5, [new("tier", "cold"), new("n", 1)], replace: false);
        family.Record(7, [], replace: false);
        family.Record(1, [new("a", 1), new("b", 2), new("c", true), new("d", null)], replace: false);

        PrometheusText text = Read(family);

        Assert.Equal("counter", text.TypeOf("c_total"));
        Assert.Equal(3, text.Samples[("c_total", "n=1,tier=hot")]);
        Assert.Equal(5, text.Samples[("c_total", "n=1,tier=cold")]);
        Assert.Equal(7, text.Samples[("c_total", "")]);
        Assert.Equal(1, text.Samples[("c_total", "a=1,b=2,c=true,d=")]);
    }

    [Fact]
    public void A_histogram_is_cumulative_and_ends_at_infinity()
    {
        MetricFamily family = MetricFamily.For(_meter.CreateHistogram(
            "h", "s", "x", advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [1, 2, 5] }));
        foreach (double value in new[] { 0.5, 1.0, 1.5, 4, 100 })
        {
            family.Record(value, [], replace: false);
        }

        PrometheusText text = Read(family);

        Assert.Equal("histogram", text.TypeOf("h_seconds"));
        Assert.Equal(2, text.Samples[("h_seconds_bucket", "le=1")]);
        Assert.Equal(3, text.Samples[("h_seconds_bucket", "le=2")]);
        Assert.Equal(4, text.Samples[("h_seconds_bucket", "le=5")]);
        Assert.Equal(5, text.Samples[("h_seconds_bucket", "le=+Inf")]);
        Assert.Equal(5, text.Samples[("h_seconds_count", "")]);
        Assert.Equal(107, text.Samples[("h_seconds_sum", "")]);
    }

    [Fact]
    public void Wild_tag_values_end_in_one_overflow_series()
    {
        MetricFamily family = MetricFamily.For(_meter.CreateCounter<long>("wild"));
        for (int i = 0; i < MetricFamily.MaxSeries + 100; i++)
        {
            family.Record(1, [new("id", i)], replace: false);
        }

        PrometheusText text = Read(family);

        Assert.Equal(MetricFamily.MaxSeries + 1, text.Samples.Count);
        Assert.Equal(100, text.Samples[("wild_total", "overflow=true")]);
    }

    [Fact]
    public void Observed_series_that_vanish_are_no_longer_shown_and_instances_add_up()
    {
        MetricFamily family = MetricFamily.For(_meter.CreateObservableGauge("g", () => 1));
        family.BeginRound();
        family.Record(1, [new("t", "a")], replace: false);
        family.Record(2, [new("t", "b")], replace: false);
        family.Record(3, [new("t", "b")], replace: false);
        Assert.Equal(5, Read(family).Samples[("g", "t=b")]);

        family.BeginRound();
        family.Record(4, [new("t", "b")], replace: false);
        PrometheusText text = Read(family);

        Assert.Equal(4, Assert.Single(text.Samples).Value);
    }

    [Fact]
    public void Concurrent_additions_lose_nothing()
    {
        MetricFamily family = MetricFamily.For(_meter.CreateCounter<long>("busy"));

        Parallel.For(0, 8, _ =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                family.Record(1, [new("k", i % 3)], replace: false);
            }
        });

        Assert.Equal(80_000, Read(family).Samples.Values.Sum());
    }

    public void Dispose() => _meter.Dispose();

    private static PrometheusText Read(MetricFamily family)
    {
        StringBuilder text = new();
        family.AppendTo(text);
        return PrometheusText.Parse(text.ToString());
    }
}
