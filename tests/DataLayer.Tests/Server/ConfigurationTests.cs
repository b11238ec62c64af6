using System.Collections;
using System.Text.Json.Nodes;
using DataLayer.Metadata;
using DataLayer.Server.Configuration;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server;

public sealed class ConfigurationTests
{
    private static readonly Hashtable _none = [];

    public static TheoryData<string, int, string, string> BadConfigurations() => new()
    {
        { "listn:\n  address: 127.0.0.1:1\n", 1, "listn", "Did you mean 'listen'" },
        { "listen:\n  adress: 127.0.0.1:1\n", 2, "listen.adress", "Did you mean 'address'" },
        { "listen:\n  address: nowhere\n", 2, "listen.address", "not an address" },
        { "listen:\n  address: 127.0.0.1\n", 2, "listen.address", "not an address" },
        { "listen:\n  address: 127.0.0.1:99999\n", 2, "listen.address", "not an address" },
        { "listen:\n  address: 0.0.0.0:7070\n", 2, "listen.address", "there is no token" },
        { "listen:\n  address: '[::]:7070'\n", 2, "listen.address", "there is no token" },
        { "listen:\n  address: none\n", 2, "listen.address", "listen nowhere" },
        { "listen:\n  insecure: perhaps\n", 2, "listen.insecure", "true or false" },
        { "listen:\n  maxRequests: 0\n", 2, "listen.maxRequests", "1 to 1000000" },
        { "listen:\n  maxRequests: many\n", 2, "listen.maxRequests", "'many'" },
        { "listen:\n  maxRequests:\n    - 1\n", 2, "listen.maxRequests", "One value is expected" },
        { "listen:\n  shutdownTimeout: 30\n", 2, "listen.shutdownTimeout", "duration" },
        { "listen: 7070\n", 1, "listen", "A section is expected" },
        { "memory:\n  budget: 3 bytes\n", 2, "memory.budget", "'3 bytes'" },
        { "memory:\n  budget: 1MiB\n", 2, "memory.budget", "64MiB to 1PiB" },
        { "cache:\n  policy: lfu\n", 2, "cache.policy", "guard, s3fifo, lru" },
        { "memory:\n  budget: 100MiB\ncache:\n  capacity: 1GiB\n", 4, "cache.capacity", "memory.budget" },
        { "cache:\n  spillDirectory: /tmp/x\n", 2, "cache.spillDirectory", "spillCapacity" },
        { "cache:\n  pinShare: 1.5\n", 2, "cache.pinShare", "0 to 0.9" },
        { "pools: fast\n", 1, "pools", "A list is expected" },
        { "pools: []\n", 1, "pools", "no pool" },
        { "pools:\n  - fast\n", 2, "pools[0]", "A section is expected" },
        { "pools:\n  - name: a\n", 2, "pools[0].directories", "no targets" },
        { "pools:\n  - name: a b\n    directories: [/t]\n", 2, "pools[0].name", "not a pool's name" },
        { "pools:\n  - name: a\n    width: 3\n    directories: [/t0, /t1]\n", 3, "pools[0].width", "2 targets" },
        { "pools:\n  - name: a\n    copies: 2\n    directories: [/t0]\n", 3, "pools[0].copies", "1 targets" },
        { "pools:\n  - name: a\n    rados: [rados://a/b/c]\n", 3, "pools[0].rados", "pool and namespace are" },
        { "pools:\n  - name: a\n    rados: [\"rados://a/b?conf=x\"]\n", 3, "pools[0].rados", "conf=x" },
        { "pools:\n  - name: a\n    unit: 100000\n    directories: [/t0]\n", 3, "pools[0].unit", "power of two" },
        { "pools:\n  - name: a\n    directories: [/t]\n  - name: b\n    directories: [/t]\n", 1, "pools", "'/t' is given 2 times" },
        { "pools:\n  - {name: a, directories: [/t]}\n  - {name: a, directories: [/u]}\n", 1, "pools", "'a' is given 2 times" },
        { "pools:\n  - {name: a, directories: [/t]}\ndefaultPool: b\n", 3, "defaultPool", "no pool 'b'" },
        { "pools:\n  - {name: a, directories: [[/t]]}\n", 2, "pools[0].directories[0]", "not text" },
        { "objectStores:\n  - name: s\n    secretKey: hunter2\n", 3, "objectStores[0].secretKey", "Secrets do not stand" },
        { "objectStores:\n  - name: s\n    accessKeyEnv: NOT_SET_ANYWHERE\n", 3, "objectStores[0].accessKeyEnv", "is not set" },
        { "objectStores:\n  - name: s\n    secretKeyFile: /no/such/file\n", 3, "objectStores[0].secretKeyFile", "not there" },
        { "objectStores:\n  - name: s\n    kind: ftp\n", 3, "objectStores[0].kind", "s3, directory" },
        { "objectStores:\n  - name: s\n    endpoint: not a url\n", 3, "objectStores[0].endpoint", "not a server's URL" },
        { "objectStores:\n  - name: s\n    kind: directory\n    endpoint: folder\n", 4, "objectStores[0].endpoint", "absolute folder" },
        { "engine:\n  subBlock: 100000\n", 2, "engine.subBlock", "power of two" },
        { "engine:\n  maxRequest: 1500KiB\n", 2, "engine.maxRequest", "multiple of 1 MiB" },
        { "metadata:\n  groupCommit: 0\n", 2, "metadata.groupCommit", "1 to 10000" },
        { "hotTier:\n  fenceTime: forever\n", 2, "hotTier.fenceTime", "'forever'" },
        { "logging:\n  level: loud\n", 2, "logging.level", "warning" },
        { "logging:\n  level: debug\n  level: error\n", 3, "logging.level", "given twice" },
        { "listen: &a\n  address: 127.0.0.1:1\nlogging: *a\n", 3, "logging", "Anchors and aliases" },
        { "- listen\n", 1, "", "not a map" },
        { "just text\n", 1, "", "not a map" },
        { "listen:\n  address: x: y\n", 2, "", "not YAML" },
        { "listen: {address: x\n", 2, "", "not YAML" },
        { "a: 1\n---\nb: 2\n", 2, "", "second document" },
    };

    [Theory]
    [MemberData(nameof(BadConfigurations))]
    public void A_bad_configuration_is_reported_with_line_key_and_remedy(string text, int line, string key, string says)
    {
        ConfigurationResult result = ServerConfigurationReader.ReadText(text, "test.yaml", _none);

        Assert.Null(result.Configuration);
        string all = string.Join('\n', result.Reading.Problems);
        Assert.True(
            result.Reading.Problems.Exists(p => p.Origin.Line == line && p.Key == key
                && p.ToString().Contains(says, StringComparison.Ordinal) && p.Remedy.Length > 0 && p.Origin.Column > 0),
            all);
    }

    [Fact]
    public void Everything_wrong_is_reported_at_once_in_the_order_of_the_file()
    {
        const string Text = """
            listen:
              address: 8.8.8.8:80
              maxRequests: -5
            cach:
              policy: lru
            logging:
              level: loud
              formt: json
            """;

        ConfigurationResult result = ServerConfigurationReader.ReadText(Text, "test.yaml", _none);

        Assert.Equal(
            ["listen.address", "listen.address", "listen.maxRequests", "cach", "logging.level", "logging.formt"],
            result.Reading.Problems.Select(p => p.Key));
        Assert.StartsWith("test.yaml:2:12: listen.address:", result.Reading.Problems[0].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_at_all_is_a_good_configuration_with_defaults()
    {
        ServerConfiguration configuration = ServerConfigurationReader.ReadText(
            string.Empty, "test.yaml", new Hashtable { ["HOME"] = "/home/u" }).Configuration!;

        Assert.Equal("/home/u/.local/state/datalayer", configuration.StateDirectory);
        Assert.Equal("127.0.0.1:7070", configuration.Listen.EndPoint!.ToString());
        Assert.Equal("guard", configuration.Cache.Policy);
        Assert.Equal("/home/u/.local/state/datalayer/targets/0", Assert.Single(Assert.Single(configuration.Hot.Pools).Directories));
        Assert.Equal("directory", Assert.Single(configuration.ObjectStores).Kind);
        Assert.InRange(configuration.Cache.CapacityBytes, 1L << 20, configuration.MemoryBudgetBytes);
        configuration.Hot.Validate();
        configuration.Cache.Validate();
        configuration.Engine.Validate();
        configuration.Tree.Validate();
        Assert.All(configuration.ObjectStores, s => Assert.Empty(s.Validate()));
    }

    [Fact]
    public void Units_sections_and_lists_reach_the_parts()
    {
        Hashtable environment = new() { ["KEY"] = "k", ["SECRET"] = "s" };
        const string Text = """
            stateDirectory: /s
            listen: {address: "[::1]:0", shutdownTimeout: 5s, maxRequests: 10}
            memory: {budget: 1GiB}
            cache: {capacity: 300MiB, policy: s3fifo}
            pools:
              - name: fast
                directories: [/t0, /t1]
                width: 2
                unit: 256KiB
                reserve: 0
            objectStores:
              - {name: aws, kind: s3, endpoint: "https://s3.example.org", accessKeyEnv: KEY, secretKeyEnv: SECRET, deadline: 2m}
            engine: {readahead: 32MiB, heatHalfLife: 2d}
            logging: {level: Warning, format: json}
            """;

        ConfigurationResult result = ServerConfigurationReader.ReadText(Text, "test.yaml", environment);

        Assert.Empty(result.Reading.Problems);
        ServerConfiguration c = result.Configuration!;
        Assert.Equal(300L << 20, c.Cache.CapacityBytes);
        Assert.Equal(1L << 30, c.MemoryBudgetBytes);
        Assert.Equal(256 << 10, c.Hot.Pools[0].UnitBytes);
        Assert.Equal("fast", c.Hot.DefaultPool);
        Assert.Equal("env:KEY", c.ObjectStores[0].AccessKey);
        Assert.Equal("env:SECRET", c.ObjectStores[0].SecretKey);
        Assert.Equal(TimeSpan.FromMinutes(2), c.ObjectStores[0].Deadline);
        Assert.Equal(32L << 20, c.Engine.ReadaheadBytes);
        Assert.Equal(TimeSpan.FromDays(2), c.Engine.Heat.HalfLife);
        Assert.True(c.Logging.Json);
        Assert.Equal("/s/tree.db", c.Tree.DatabasePath);
    }

    [Fact]
    public void The_tree_lies_in_postgres_where_that_is_chosen()
    {
        const string Text = """
            metadata:
              kind: postgres
              postgres: { hosts: [db1, "db2:5433"], database: d, user: u, passwordEnv: PG, schema: s1, tls: verify-full, outageWait: 2s }
            """;
        Hashtable environment = new() { ["PG"] = "secret" };

        PostgresOptions p = ServerConfigurationReader.ReadText(Text, "test.yaml", environment).Configuration!.Tree.Postgres!;

        Assert.Equal(["db1", "db2:5433"], p.Hosts);
        Assert.Equal(("d", "u", "env:PG", "s1"), (p.Database, p.User, p.Password, p.Schema));
        Assert.Equal((PostgresTls.VerifyFull, TimeSpan.FromSeconds(2)), (p.Tls, p.OutageWait));
        Assert.Null(ServerConfigurationReader.ReadText("metadata: { kind: sqlite }", "test.yaml", _none).Configuration!.Tree.Postgres);
    }

    [Theory]
    [InlineData("metadata: { postgres: { database: d } }", "kind: postgres")]
    [InlineData("metadata: { kind: postgres, postgres: { password: secret } }", "passwordFile or passwordEnv")]
    [InlineData("metadata: { kind: postgres, postgres: { hosts: ['a b'] } }", "Correct it")]
    [InlineData("metadata: { kind: postgres, postgres: { hosts: ['a:0'] } }", "Correct it")]
    [InlineData("metadata: { kind: postgres, postgres: { schema: 'x; DROP' } }", "Correct it")]
    [InlineData("metadata: { kind: mysql }", "sqlite, postgres")]
    public void A_wrong_setting_of_postgres_is_refused_with_the_remedy(string text, string remedy)
    {
        ConfigurationResult result = ServerConfigurationReader.ReadText(text, "test.yaml", _none);

        Assert.Contains(result.Reading.Problems, problem => problem.Remedy.Contains(remedy, StringComparison.Ordinal));
        Assert.DoesNotContain(result.Reading.Problems, problem => problem.Message.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public void Json_is_read_as_the_yaml_it_is()
    {
        const string Text = """{"listen": {"address": "127.0.0.1:0"}, "pools": [{"name": "p", "directories": ["/t"]}]}""";

        ServerConfiguration c = ServerConfigurationReader.ReadText(Text, "test.json", _none).Configuration!;

        Assert.Equal(0, c.Listen.EndPoint!.Port);
        Assert.Equal("p", c.Hot.Pools[0].Name);
    }

    [Fact]
    public void The_environment_wins_over_the_file_in_any_case_of_letters()
    {
        Hashtable environment = new()
        {
            ["DATALAYER__LISTEN__ADDRESS"] = "127.0.0.1:9",
            ["DATALAYER__pools__0__WIDTH"] = "2",
            ["DATALAYER__POOLS__0__DIRECTORIES__1"] = "/b",
            ["DATALAYER__STATEDIRECTORY"] = "/state",
            ["DATALAYER_SERVER"] = "not configuration",
        };
        const string Text = "listen:\n  address: 127.0.0.1:8\npools:\n  - {name: p, directories: [/a]}\n";

        ConfigurationResult result = ServerConfigurationReader.ReadText(Text, "test.yaml", environment);

        Assert.Empty(result.Reading.Problems);
        Assert.Equal(9, result.Configuration!.Listen.EndPoint!.Port);
        Assert.Equal(2, result.Configuration.Hot.Pools[0].Width);
        Assert.Equal(["/a", "/b"], result.Configuration.Hot.Pools[0].Directories);
        Assert.Equal("/state", result.Configuration.StateDirectory);
        Assert.Equal(
            "DATALAYER__LISTEN__ADDRESS",
            result.Reading.Effective.Single(e => e.Path == "listen.address").Origin.ToString());
    }

    [Theory]
    [InlineData("DATALAYER__LISTEN__PORT", "listen.PORT")]
    [InlineData("DATALAYER__LISTEN____ADDRESS", "")]
    [InlineData("DATALAYER__POOLS__7__NAME", "")]
    [InlineData("DATALAYER__CACHE__POLICY", "cache.policy")]
    public void A_bad_environment_variable_is_named(string variable, string key)
    {
        ConfigurationResult result = ServerConfigurationReader.ReadText(
            "pools:\n  - {name: p, directories: [/a]}\n", "test.yaml", new Hashtable { [variable] = "nonsense" });

        ConfigurationProblem problem = Assert.Single(result.Reading.Problems);
        Assert.Equal(variable, problem.Origin.Source);
        Assert.Equal(key, problem.Key);
    }

    [Fact]
    public void A_missing_file_is_a_problem_with_its_path()
    {
        using TempFolder folder = new("config");
        string path = folder.Combine("none.yaml");

        ConfigurationProblem problem = Assert.Single(ServerConfigurationReader.Read(path, _none).Reading.Problems);

        Assert.Contains(path, problem.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_secret_is_never_shown()
    {
        Hashtable environment = new() { ["KEY"] = "open-sesame", ["SECRET"] = "hunter2" };
        ConfigurationResult result = ServerConfigurationReader.ReadText(
            "objectStores:\n  - {name: s, accessKeyEnv: KEY, secretKeyEnv: SECRET}\n", "test.yaml", environment);

        Assert.NotNull(result.Configuration);
        Assert.DoesNotContain(result.Reading.Effective, e => e.Value.Contains("hunter2", StringComparison.Ordinal));
        Assert.DoesNotContain("hunter2", result.Configuration.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_schema_has_every_setting_and_takes_no_other()
    {
        ConfigurationReading reading = ServerConfigurationReader.ReadText(string.Empty, "test.yaml", _none).Reading;
        JsonObject schema = ConfigurationSchema.Make(reading.Settings);

        Assert.True(reading.Settings.Count > 60);
        Assert.All(reading.Settings, setting =>
        {
            JsonNode node = schema;
            foreach (string part in setting.Path.Split('.'))
            {
                Assert.False((bool)node["additionalProperties"]!);
                bool isList = part.EndsWith("[]", StringComparison.Ordinal);
                node = node["properties"]![isList ? part[..^2] : part]!;
                node = isList ? node["items"]! : node;
            }

            Assert.NotEmpty((string)node["description"]!);
        });
    }

    [Fact]
    public void The_documentation_lists_every_setting_as_it_is()
    {
        const string Begin = "<!-- settings: written by the test below DATALAYER_UPDATE_DOCS=1 -->\n";
        const string End = "<!-- end of settings -->";
        ConfigurationReading reading = ServerConfigurationReader.ReadText(string.Empty, "test.yaml", new Hashtable()).Reading;
        string table = "| setting | default | accepted | meaning |\n| --- | --- | --- | --- |\n" + string.Concat(
            reading.Settings.Select(s => $"| `{s.Path}` | {Cell(s.Default)} | {Cell(s.Range)} | {s.Summary} |\n"));
        string file = Path.Combine(RepositoryRoot.Path, "docs", "CONFIGURATION.md");
        string document = File.ReadAllText(file);
        int start = document.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        int end = document.IndexOf(End, StringComparison.Ordinal);
        if (Environment.GetEnvironmentVariable("DATALAYER_UPDATE_DOCS") == "1")
        {
            document = document[..start] + table + document[end..];
            File.WriteAllText(file, document);
            end = document.IndexOf(End, StringComparison.Ordinal);
        }

        Assert.Equal(table, document[start..end]);
    }

    private static string Cell(string text) => text.Length == 0 ? string.Empty : $"`{text}`";
}
