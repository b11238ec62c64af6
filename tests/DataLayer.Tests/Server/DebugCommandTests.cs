using System.Collections;
using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using DataLayer.Server.Configuration;
using DataLayer.Server.Diagnosis;
using DataLayer.Server.Telemetry;
using DataLayer.TestSupport;
using Microsoft.Extensions.Logging;

namespace DataLayer.Tests.Server;

[Collection(ServiceCollection.Name)]
public sealed class DebugCommandTests(RunningService service)
{
    /// <summary>Settings that name files with nothing secret in them.</summary>
    private static readonly string[] _publicFiles =
    [
        "certificateFile", "clientAuthorityFile", "certificateAuthorityFile", "authorityFile", "rootCertificateFile",
    ];

    [Fact]
    public async Task A_bundle_tells_of_service_and_machine()
    {
        using TempFolder folder = new("debug");
        string file = folder.Combine("bundle.tar.gz");

        CliRun run = await CliRun.RunAsync(["debug", file, "--json"], service.Url);

        Assert.Equal(0, run.Status);
        Assert.Contains("\"missing\":0", run.Text, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Dictionary<string, string> texts = Unpack(file);
        Assert.Contains("datalayer_", texts["metrics.txt"], StringComparison.Ordinal);
        Assert.Contains("\"verdict\"", texts["doctor.json"], StringComparison.Ordinal);
        Assert.Contains("\"ready\":true", texts["ready.json"], StringComparison.Ordinal);
        Assert.Contains("cache.policy = guard", texts["config.txt"], StringComparison.Ordinal);
        Assert.Contains("/proc/meminfo", texts["kernel.txt"], StringComparison.Ordinal);
        Assert.Contains("\"version\"", texts["service-version.json"], StringComparison.Ordinal);
        Assert.All(
            new[] { "log.txt", "jobs.json", "mounts.json", "mount-table.txt", "targets.json", "stats.json", "README.txt", "version.json" },
            name => Assert.True(texts.ContainsKey(name), name));

        CliRun again = await CliRun.RunAsync(["debug", file], service.Url);
        Assert.Equal(4, again.Status);
        Assert.Contains("is there already", again.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_service_the_bundle_says_what_is_missing()
    {
        using TempFolder folder = new("debug");
        string file = folder.Combine("bundle.tar.gz");

        CliRun run = await CliRun.RunAsync(["debug", file], new Uri($"http://127.0.0.1:{FreePort.Next()}"));

        Assert.Equal(0, run.Status);
        Assert.Contains("16 parts are missing", run.Text, StringComparison.Ordinal);
        Dictionary<string, string> texts = Unpack(file);
        Assert.Contains("metrics.txt: not there: ", texts["README.txt"], StringComparison.Ordinal);
        Assert.True(texts.ContainsKey("kernel.txt"));
    }

    [Fact]
    public async Task No_secret_of_any_field_is_in_a_bundle()
    {
        using TempFolder folder = new("debug");
        List<string> secrets = [];
        string Secret(string name)
        {
            secrets.Add($"canary+{name}/4711=");
            return secrets[^1];
        }

        string SecretFile(string name)
        {
            string path = folder.Combine(name);
            File.WriteAllText(path, Secret(name) + "\n");
            return path;
        }

        Hashtable variables = new()
        {
            ["A_KEY"] = Secret("access-env"),
            ["A_SECRET"] = Secret("secret-env"),
            ["TLSPW"] = Secret("tls-env"),
            ["DATALAYER_TOKEN"] = Secret("token-env"),
            ["DATALAYER_TOKEN_FILE"] = SecretFile("token-file"),
            ["AWS_SECRET_ACCESS_KEY"] = Secret("aws-env"),
        };
        string state = folder.MakeFolder("state");
        string written = Secret("written-against-the-rules");
        string inUrl = Secret("in-a-url").Replace("/", "-", StringComparison.Ordinal).Replace("+", "-", StringComparison.Ordinal);
        secrets[^1] = inUrl;
        string config = folder.Combine("datalayer.yaml");
        await File.WriteAllTextAsync(config, $$"""
            stateDirectory: {{state}}
            listen:
              tls: {certificateFile: /none, keyFile: {{SecretFile("tls-key")}}, keyPasswordEnv: TLSPW}
            auth: {tokenFile: {{SecretFile("tokens")}}, credentialKeyFile: {{SecretFile("credential-key")}}}
            metadata:
              kind: postgres
              postgres: {hosts: [db], database: d, user: u, passwordFile: {{SecretFile("postgres-file")}}}
            objectStores:
              - {name: a, accessKeyEnv: A_KEY, secretKeyEnv: A_SECRET, endpoint: "http://admin:{{inUrl}}@host:1"}
              - name: b
                accessKeyFile: {{SecretFile("access-file")}}
                secretKeyFile: {{SecretFile("secret-file")}}
                sessionTokenFile: {{SecretFile("session-file")}}
                secretKey: {{written}}
            """);
        string[] forms =
        [
            .. secrets, .. secrets.Select(s => Convert.ToBase64String(Encoding.UTF8.GetBytes(s))), .. secrets.Select(Uri.EscapeDataString),
        ];
        string unknown = "0123456789abcdef0123456789abcdef";
        string[] lookalikes =
        [
            $"Authorization: Bearer {unknown}", $"GET /b/k?X-Amz-Signature={unknown}&x=1", $"dl_0123456789ab_{unknown}{unknown}",
            $"password={unknown}", $"\"secretKey\": \"{unknown}\"", $"-----BEGIN PRIVATE KEY-----\n{unknown}\n-----END PRIVATE KEY-----",
        ];
        await File.WriteAllTextAsync(Path.Combine(state, "keeper.log"), "head\n" + string.Join('\n', forms) + "\n" + string.Join('\n', lookalikes) + "\ntail\n");
        string file = folder.Combine("bundle.tar.gz");

        CliRun run = await CliRun.RunAsync(["debug", file, "--config", config], service.Url, variables);

        Assert.Equal(0, run.Status);
        Dictionary<string, string> texts = Unpack(file);
        Assert.Contains("head", texts["keeper-log.txt"], StringComparison.Ordinal);
        Assert.Contains("tail", texts["keeper-log.txt"], StringComparison.Ordinal);
        Assert.Contains("objectStores[1].secretKeyFile", texts["config.txt"], StringComparison.Ordinal);
        Assert.All(texts, text => Assert.All([.. forms, unknown], secret => Assert.DoesNotContain(secret, text.Value, StringComparison.Ordinal)));
    }

    [Fact]
    public void Each_setting_that_leads_to_a_secret_is_known_as_one()
    {
        ConfigurationReading reading = ServerConfigurationReader.ReadText(string.Empty, "defaults", new Hashtable()).Reading;
        int known = 0;
        foreach (string path in reading.Settings.Select(s => s.Path).Where(p => p.EndsWith("Env", StringComparison.Ordinal) || p.EndsWith("File", StringComparison.Ordinal)))
        {
            if (_publicFiles.Contains(path[(path.LastIndexOf('.') + 1)..]))
            {
                continue;
            }

            using TempFolder folder = new("debug");
            string place = folder.Combine("secret");
            File.WriteAllText(place, "canary-of-" + path);
            Hashtable variables = new() { [place] = "canary-of-" + path };
            SecretScrubber scrubber = SecretScrubber.Of(
                [new EffectiveSetting(path, place, ConfigurationOrigin.Default)], null, variables);
            Assert.Equal("a [removed] b", scrubber.Clean($"a canary-of-{path} b"));
            known++;
        }

        Assert.True(known >= 12, $"{known} settings");
    }

    [Fact]
    public void The_recent_log_keeps_the_last_lines_on_a_line_each()
    {
        using RecentLog log = new(TimeProvider.System);
        ILogger logger = log.CreateLogger("Some.Category");
        for (int i = 0; i < RecentLog.LineLimit + 5; i++)
        {
            logger.Log(LogLevel.Warning, new EventId(7), i, null, (state, _) => $"line {state}\nforged");
        }

        logger.Log(LogLevel.Error, default, 0, new InvalidOperationException("why"), (_, _) => new string('x', 10_000));

        string[] lines = log.Read(int.MaxValue);
        Assert.Equal(RecentLog.LineLimit, lines.Length);
        Assert.EndsWith("Warning Some.Category[7] line 6 forged", lines[0], StringComparison.Ordinal);
        Assert.Equal(2000, lines[^1].Length);
        Assert.Equal(lines[^2..], log.Read(2));
        Assert.All(lines, line => Assert.DoesNotContain('\n', line));
    }

    [Theory]
    [InlineData("?lines=1", 200)]
    [InlineData("", 200)]
    [InlineData("?lines=0", 400)]
    [InlineData("?lines=2001", 400)]
    [InlineData("?lines=x", 400)]
    public async Task The_log_is_asked_for_by_lines(string query, int status)
    {
        using HttpResponseMessage answer = await service.Http.GetAsync(new Uri("/api/v1/log" + query, UriKind.Relative));
        Assert.Equal(status, (int)answer.StatusCode);
    }

    private static Dictionary<string, string> Unpack(string file)
    {
        Dictionary<string, string> texts = [];
        using GZipStream unzipped = new(File.OpenRead(file), CompressionMode.Decompress);
        using TarReader reader = new(unzipped);
        while (reader.GetNextEntry() is { } entry)
        {
            using StreamReader text = new(entry.DataStream ?? Stream.Null);
            texts.Add(entry.Name["datalayer-debug/".Length..], text.ReadToEnd());
        }

        return texts;
    }
}
