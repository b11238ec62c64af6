using DataLayer.Protocol.Http;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server;

/// <summary>docs/METRICS.md and what a service emits are the same, both ways.</summary>
[Collection(ServiceCollection.Name)]
public sealed class MetricsCatalogueTests(RunningService service)
{
    [Fact]
    public async Task Every_metric_is_documented_and_every_documented_one_is_emitted_with_its_type_and_labels()
    {
        string folder = await service.MakeFolderAsync();
        string bucket = service.MakeBucket(("a", "cold"));
        await service.Client.Admin.AttachAsync(new AttachCommand { Source = $"file://{bucket}", Path = folder + "/d" });
        using (await service.Client.ReadFileAsync(folder + "/d/a"))
        {
            // Read, so that the tiers have something to tell.
        }

        PrometheusText emitted = PrometheusText.Parse(await service.Http.GetStringAsync(new Uri(ApiRoutes.Metrics, UriKind.Relative)));
        IReadOnlyDictionary<string, CataloguedMetric> documented = MetricsCatalogue.Read();

        Assert.Equal(
            documented.Values.Select(m => $"{m.Name} {m.Type}").Order(StringComparer.Ordinal),
            emitted.Names.Select(n => $"{n} {emitted.TypeOf(n)}").Order(StringComparer.Ordinal));
        foreach ((string name, string labels) in emitted.Samples.Keys)
        {
            CataloguedMetric metric = MetricsCatalogue.Of(documented, name)!;
            string[] unknown =
            [
                .. labels.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('=')[0])
                    .Where(l => l is not ("le" or "overflow")).Except(metric.Labels),
            ];
            Assert.True(unknown.Length == 0, $"{name} has labels that docs/METRICS.md does not name: {string.Join(", ", unknown)}");
        }
    }

    [Fact]
    public void Names_end_as_their_type_and_unit_say_and_each_row_is_whole()
    {
        foreach (CataloguedMetric metric in MetricsCatalogue.Read().Values)
        {
            Assert.Equal(metric.Type == "counter", metric.Name.EndsWith("_total", StringComparison.Ordinal));
            string stem = metric.Name.EndsWith("_total", StringComparison.Ordinal) ? metric.Name[..^"_total".Length] : metric.Name;
            Assert.True(
                metric.Unit is "count" or "1" || stem.EndsWith("_" + metric.Unit, StringComparison.Ordinal), $"{metric.Name} is in {metric.Unit}");
            Assert.True(metric.Meaning.Length > 5, metric.Name);
        }
    }
}
