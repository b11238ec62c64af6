using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DataLayer.TestSupport;
using DataLayer.Tests.House;

namespace DataLayer.Tests.Csi.Deploy;

/// <summary>Dashboard, alerts and autoscaling use metrics and labels that there are.</summary>
public sealed partial class MonitoringTests
{
    /// <summary>What Prometheus and its configuration put on every series.</summary>
    private static readonly string[] _foreignLabels = ["instance", "job", "namespace", "pod", "le"];

    public static TheoryData<string> Files => ["dashboard.json", "alerts.yaml", "alerts.test.yaml", "adapter-rules.yaml"];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_metric_that_is_used_is_in_the_catalogue_with_the_labels_it_is_asked_by(string file)
    {
        IReadOnlyDictionary<string, CataloguedMetric> catalogue = MetricsCatalogue.Read();
        string text = Text(file);
        MatchCollection uses = Use().Matches(text);
        Assert.NotEmpty(uses);
        foreach (Match use in uses)
        {
            string name = use.Groups["name"].Value;
            CataloguedMetric? metric = MetricsCatalogue.Of(catalogue, name);
            if (metric is null)
            {
                // What the adapter's rules give a name to themselves.
                Assert.Contains($"{{as: {name}}}", text, StringComparison.Ordinal);
                continue;
            }

            foreach (Match label in Label().Matches(use.Groups["labels"].Value))
            {
                Assert.Contains(label.Groups["label"].Value, metric.Labels.Concat(_foreignLabels));
            }
        }
    }

    [Fact]
    public void Every_metric_that_pods_scale_by_is_one_of_the_adapter_s()
    {
        string adapter = Text("adapter-rules.yaml");
        MatchCollection names = HpaMetric().Matches(Text("hpa.yaml"));
        Assert.Equal(3, names.Count);
        Assert.All(names, name => Assert.Contains($"{{as: {name.Groups[1].Value}}}", adapter, StringComparison.Ordinal));
    }

    [Fact]
    public void The_dashboard_s_panels_have_numbers_titles_units_and_lie_beside_each_other()
    {
        JsonArray panels = JsonNode.Parse(Text("dashboard.json"))!["panels"]!.AsArray();
        Assert.Equal(panels.Count, panels.Select(p => (int)p!["id"]!).Distinct().Count());
        HashSet<(int, int)> taken = [];
        foreach (JsonNode? panel in panels)
        {
            Assert.NotEmpty((string)panel!["title"]!);
            JsonNode place = panel["gridPos"]!;
            for (int x = (int)place["x"]!; x < (int)place["x"]! + (int)place["w"]!; x++)
            {
                Assert.InRange(x, 0, 23);
                for (int y = (int)place["y"]!; y < (int)place["y"]! + (int)place["h"]!; y++)
                {
                    Assert.True(taken.Add((x, y)), $"'{panel["title"]}' lies over another panel");
                }
            }
        }
    }

    private static string Text(string file) => File.ReadAllText(Path.Combine(Repository.Root, "csi", "deploy", "monitoring", file));

    [GeneratedRegex(@"(?<![a-zA-Z_])(?<name>datalayer_[a-z0-9_]+)(?:\{(?<labels>[^}]*)\})?")]
    private static partial Regex Use();

    [GeneratedRegex(@"(?<label>[a-z_]+)(?:=~?|!=|!~)\\?""")]
    private static partial Regex Label();

    [GeneratedRegex(@"metric: \{name: (\w+)\}")]
    private static partial Regex HpaMetric();
}
