using System.Globalization;
using System.Text.Json.Nodes;
using DataLayer.Csi;
using DataLayer.Server.Cli;
using DataLayer.Tests.House;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace DataLayer.Tests.Csi.Deploy;

/// <summary>
/// The chart, the manifests made from it, and the examples: every object against the schema of its kind, and against each other. With
/// DATALAYER_UPDATE_MANIFESTS=1 the manifests are written anew from the chart.
/// </summary>
public sealed class DeployTests
{
    private const string ReleaseNamespace = "datalayer";
    private static readonly string _folder = Path.Combine(Repository.Root, "csi", "deploy");
    private static readonly JsonObject _schema =
        JsonNode.Parse(File.ReadAllText(Path.Combine(_folder, "schemas", "kubernetes.json")))!.AsObject();

    public static TheoryData<string> Files =>
        [.. Directory.GetFiles(Path.Combine(_folder, "examples")).Concat(Directory.GetFiles(Path.Combine(_folder, "manifests")))
            .Order(StringComparer.Ordinal).Select(file => Path.GetRelativePath(_folder, file))];

    [Fact]
    public void The_manifests_are_the_chart_with_its_own_values()
    {
        string file = Path.Combine(_folder, "manifests", "datalayer.yaml");
        string rendered = RenderChart();
        if (Environment.GetEnvironmentVariable("DATALAYER_UPDATE_MANIFESTS") == "1")
        {
            File.WriteAllText(file, rendered);
        }

        Assert.Equal(File.ReadAllText(file), rendered);
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_object_is_as_the_schema_of_its_kind_has_it(string file)
    {
        SchemaCheck check = new(_schema["$defs"]!.AsObject());
        List<string> faults = [];
        foreach (JsonObject item in Read(File.ReadAllText(Path.Combine(_folder, file))))
        {
            string kind = $"{item["apiVersion"]} {item["kind"]}";
            Assert.True(_schema["kinds"]![kind] is not null, $"{file}: there is no schema of {kind}.");
            faults.AddRange(check.Check(item, _schema["kinds"]![kind]!.AsObject(), $"{kind} {item["metadata"]?["name"]}"));
        }

        Assert.Empty(faults);
    }

    [Theory]
    [InlineData("attachRequired: no", "boolean")]
    [InlineData("attachRequird: false", "unknown field")]
    [InlineData("volumeLifecycleModes: [Permanent]", "none of")]
    [InlineData("volumeLifecycleModes: []", "0 items")]
    public void The_schema_finds_mistakes(string spec, string expected)
    {
        JsonObject item = Read($"apiVersion: storage.k8s.io/v1\nkind: CSIDriver\nmetadata: {{name: x}}\nspec: {{{spec}}}\n").Single();
        IReadOnlyList<string> faults = new SchemaCheck(_schema["$defs"]!.AsObject())
            .Check(item, _schema["kinds"]!["storage.k8s.io/v1 CSIDriver"]!.AsObject());
        Assert.Contains(faults, fault => fault.Contains(expected, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_volume_that_a_container_mounts_is_there_and_every_account_too()
    {
        JsonObject[] all = [.. Read(RenderChart())];
        HashSet<string> accounts = [.. all.Where(o => (string)o["kind"]! == "ServiceAccount").Select(o => (string)o["metadata"]!["name"]!)];
        foreach (JsonObject workload in all.Where(o => o["spec"]?["template"] is not null))
        {
            JsonNode pod = workload["spec"]!["template"]!["spec"]!;
            HashSet<string> volumes = [.. pod["volumes"]!.AsArray().Select(v => (string)v!["name"]!)];
            IEnumerable<JsonNode?> containers = pod["containers"]!.AsArray().Concat(pod["initContainers"]?.AsArray() ?? []);
            Assert.All(containers, c => Assert.Subset(volumes, c!["volumeMounts"]!.AsArray().Select(m => (string)m!["name"]!).ToHashSet()));
            Assert.True(pod["serviceAccountName"] is null || accounts.Contains((string)pod["serviceAccountName"]!));

            // The labels a selector wants are those its pods have.
            Assert.Equal(
                workload["spec"]!["selector"]!["matchLabels"]!.ToJsonString(),
                workload["spec"]!["template"]!["metadata"]!["labels"]!.ToJsonString());
        }
    }

    [Fact]
    public void Only_the_keeper_is_privileged_and_only_it_may_be()
    {
        foreach (JsonObject workload in Read(RenderChart()).Where(o => o["spec"]?["template"] is not null))
        {
            foreach (JsonNode? container in workload["spec"]!["template"]!["spec"]!["containers"]!.AsArray())
            {
                JsonNode security = container!["securityContext"]!;
                bool isKeeper = (string)container["name"]! == "keeper";
                Assert.Equal(isKeeper, security["privileged"] is { } privileged && (bool)privileged);
                Assert.True((bool)security["readOnlyRootFilesystem"]!);
                if (!isKeeper)
                {
                    Assert.False((bool)security["allowPrivilegeEscalation"]!);
                    Assert.Equal("ALL", (string)security["capabilities"]!["drop"]![0]!);
                }
            }
        }
    }

    [Fact]
    public void An_upgrade_of_the_service_touches_no_mount()
    {
        JsonObject[] sets = [.. Read(RenderChart()).Where(o => (string)o["kind"]! == "DaemonSet")];
        JsonObject service = sets.Single(o => (string)o["metadata"]!["name"]! == "datalayer-service");
        JsonObject node = sets.Single(o => (string)o["metadata"]!["name"]! == "datalayer-csi-node");
        Assert.Equal("RollingUpdate", (string)service["spec"]!["updateStrategy"]!["type"]!);
        Assert.Equal("OnDelete", (string)node["spec"]!["updateStrategy"]!["type"]!);
        Assert.DoesNotContain("/dev/fuse", service.ToJsonString(), StringComparison.Ordinal);
        Assert.DoesNotContain("mountPropagation", service.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public void No_rule_is_a_wildcard_and_secrets_are_nobodys()
    {
        foreach (JsonObject role in Read(RenderChart()).Where(o => o["rules"] is not null))
        {
            Assert.DoesNotContain("\"*\"", role.ToJsonString(), StringComparison.Ordinal);
            Assert.DoesNotContain("secrets", role["rules"]!.ToJsonString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Every_argument_in_the_chart_is_one_the_program_takes()
    {
        System.CommandLine.RootCommand program = CommandLine.Make(CliEnvironment.OfProcess());
        foreach (JsonObject workload in Read(RenderChart()).Where(o => o["spec"]?["template"] is not null))
        {
            foreach (JsonNode? container in workload["spec"]!["template"]!["spec"]!["containers"]!.AsArray())
            {
                if ((string)container!["image"]! == "datalayer:1.0.0")
                {
                    Assert.Empty(program.Parse([.. container["args"]!.AsArray().Select(a => (string)a!)]).Errors);
                }
            }
        }
    }

    [Fact]
    public void The_name_is_the_same_everywhere()
    {
        string chart = RenderChart();
        Assert.Contains($"name: {CsiDriverOptions.DefaultName}", chart, StringComparison.Ordinal);
        Assert.Contains($"provisioner: {CsiDriverOptions.DefaultName}", chart, StringComparison.Ordinal);
        foreach (string example in Directory.GetFiles(Path.Combine(_folder, "examples")))
        {
            foreach (string line in File.ReadLines(example).Where(l => l.Contains("driver: ", StringComparison.Ordinal)))
            {
                Assert.EndsWith(CsiDriverOptions.DefaultName, line, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void Other_values_are_rendered_where_they_belong()
    {
        string values = File.ReadAllText(Path.Combine(_folder, "chart", "values.yaml"))
            .Replace("inlineStores: []", "inlineStores: [public, shared]", StringComparison.Ordinal)
            .Replace("/var/lib/kubelet\n", "/k8s/kubelet\n", StringComparison.Ordinal);
        string chart = RenderChart(values);
        Assert.Contains("- --inline-store=public\n            - --inline-store=shared\n", chart, StringComparison.Ordinal);
        Assert.Contains("--target-root=/k8s/kubelet", chart, StringComparison.Ordinal);
        Assert.DoesNotContain("/var/lib/kubelet", chart, StringComparison.Ordinal);
    }

    private static string RenderChart(string? values = null)
    {
        YamlStream stream = [];
        stream.Load(new StringReader(values ?? File.ReadAllText(Path.Combine(_folder, "chart", "values.yaml"))));
        ChartRenderer renderer = new((YamlMappingNode)stream.Documents[0].RootNode, ReleaseNamespace);
        IEnumerable<string> parts = Directory.GetFiles(Path.Combine(_folder, "chart", "templates"), "*.yaml")
            .Order(StringComparer.Ordinal)
            .Select(file => $"# Source: chart/templates/{Path.GetFileName(file)}\n{renderer.Render(File.ReadAllText(file))}");
        return string.Join("---\n", parts);
    }

    private static IEnumerable<JsonObject> Read(string yaml)
    {
        YamlStream stream = [];
        stream.Load(new StringReader(yaml));
        return stream.Documents.Select(document => ToJson(document.RootNode)!.AsObject());
    }

    /// <summary>YAML 1.2's types of plain scalars, and of YAML 1.1 what Kubernetes knows: a bare yes or no is text here, as a warning.</summary>
    private static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Select(
            pair => KeyValuePair.Create(((YamlScalarNode)pair.Key).Value!, ToJson(pair.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Select(ToJson)]),
        YamlScalarNode { Style: not ScalarStyle.Plain } text => JsonValue.Create(text.Value!),
        YamlScalarNode { Value: "true" or "false" } flag => JsonValue.Create(flag.Value == "true"),
        YamlScalarNode { Value: "" or "~" or "null" or null } => null,
        YamlScalarNode { Value: ['0', _, ..] octal } when octal.All(char.IsAsciiDigit) => JsonValue.Create(Convert.ToInt64(octal, 8)),
        YamlScalarNode number when long.TryParse(number.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) =>
            JsonValue.Create(value),
        YamlScalarNode text => JsonValue.Create(text.Value!),
        _ => throw new InvalidOperationException($"What is {node}?"),
    };
}
