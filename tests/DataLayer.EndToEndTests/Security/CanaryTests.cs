using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using DataLayer.Client;
using DataLayer.Protocol.Http;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Origins;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Service;

namespace DataLayer.EndToEndTests.Security;

/// <summary>
/// A run of the service at the lowest level of logging with secrets that are easy to find again: they must be where they are used
/// and nowhere else.
/// </summary>
public sealed class CanaryTests
{
    private const string AccessKey = "CANARYACCESS4711";
    private const string SecretKey = "canary-secret-4711-configured";
    private const string AddedKey = "canary-secret-4711-added";
    private const string SessionToken = "canary-session-4711";
    private const string KeyPassword = "canary-password-4711";

    [Fact]
    public async Task No_secret_is_in_logs_arguments_answers_metrics_or_files()
    {
        using TempFolder folder = new("canary");
        await using ScriptedS3 origin = await ScriptedS3.StartAsync();
        origin.MakeBucket("bucket");
        origin.Put("bucket", "object", "content"u8.ToArray());
        ServiceSettings settings = new()
        {
            StateFolder = folder.Combine("state"),
            Stores = [new StoreSettings(origin.Endpoint, AccessKey, SecretKey, "s3")],
            More = "logging: {level: trace}\n",
        };
        string config = Path.Combine(settings.StateFolder, "datalayer.yaml");
        List<string> told = [];
        List<string> secrets = [SecretKey, AddedKey, SessionToken, KeyPassword];
        await using (ServiceProcess service = await ServiceProcess.StartAsync(settings))
        {
            CommandResult made = await service.RunVerbAsync("token", "create", "--role", "admin", "--name", "canary", "--config", config);
            string token = made.Output.Split('\n').Single(l => l.StartsWith("dl_", StringComparison.Ordinal)).Trim();
            secrets.Add(token[16..]);
            CommandResult rotated = await service.RunVerbAsync("token", "rotate", token[3..15], "--config", config);
            secrets.Add(rotated.Output.Split('\n').Single(l => l.StartsWith("dl_", StringComparison.Ordinal)).Trim()[16..]);
            string wrong = "dl_000000000000_" + new string('c', 64);
            secrets.Add(wrong[16..]);

            using DataLayerClient client = new(new DataLayerClientOptions { ServerUri = service.Endpoint, RetryCount = 0, Token = token });
            await client.Admin.AttachAsync(new AttachCommand { Source = "s3://bucket", Path = "/s3", Store = "s3", Mode = Core.Tree.AttachmentMode.ReadWrite });
            using (await client.ReadFileAsync("/s3/object"))
            {
                // Read, with keys.
            }

            await client.WriteFileAsync("/s3/new", "new"u8.ToArray());
            await client.Admin.FlushUploadsAsync("/s3");
            using HttpClient http = new() { BaseAddress = service.Endpoint };
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
            string store = $$"""{"name":"added","endpoint":"{{origin.Endpoint.ToString().TrimEnd('/')}}","pathStyle":true,"accessKey":"{{AccessKey}}","secretKey":"{{AddedKey}}","sessionToken":"{{SessionToken}}"}""";
            await SendAsync(http, HttpMethod.Post, ApiRoutes.Stores, store, told);
            await client.Admin.AttachAsync(new AttachCommand { Source = "s3://bucket", Path = "/added", Store = "added" });
            using (await client.ReadFileAsync("/added/object"))
            {
                // Read, with keys that were added.
            }

            await TroubleAsync(service, origin, http, wrong, told);
            await AskAllAsync(service, http, config, told);
            await BundleAsync(service, folder.Combine("bundle.tar.gz"), config, told);
            told.Add(await File.ReadAllTextAsync($"/proc/{service.ProcessId}/cmdline"));
            foreach (string child in Children(service.ProcessId))
            {
                told.Add(await File.ReadAllTextAsync($"/proc/{child}/cmdline"));
                told.Add(await File.ReadAllTextAsync($"/proc/{child}/environ"));
            }

            Assert.Equal(0, await service.StopAsync());
            told.Add(service.Log);
        }

        Assert.Contains(told, t => t.Contains("audit:", StringComparison.Ordinal));
        foreach (string secret in secrets)
        {
            Assert.DoesNotContain(told, t => t.Contains(secret, StringComparison.Ordinal));
            Assert.Empty(FilesWith(settings.StateFolder, secret));
        }

        // With what was sealed, keys that were added come back: they are there, only not to be read.
        await using ServiceProcess again = await ServiceProcess.StartAsync(settings);
        origin.Script = _ => OriginScript.Serve;
        using FileBytes bytes = await again.Client.ReadFileAsync("/added/object");
        Assert.Equal("content", Encoding.UTF8.GetString(bytes.Memory.Span));
    }

    /// <summary>Errors of the origin, of bodies and of tokens.</summary>
    private static async Task TroubleAsync(ServiceProcess service, ScriptedS3 origin, HttpClient http, string wrong, List<string> told)
    {
        // The origin refuses, and is gone: errors tell of requests.
        origin.Script = _ => OriginScript.AccessDenied;
        await SendAsync(http, HttpMethod.Post, "/api/v1/attachments/refresh", """{"path":"/s3"}""", told);
        await SendAsync(http, HttpMethod.Get, "/api/v1/files/added/none", null, told);
        foreach (string bad in new[] { "{\"name\":\"x\"", $$"""{"name":"../x","accessKey":"{{AccessKey}}","secretKey":"{{AddedKey}}"}""", $$"""{"name":"x","colour":"{{AddedKey}}"}""" })
        {
            await SendAsync(http, HttpMethod.Post, ApiRoutes.Stores, bad, told);
        }

        using (HttpClient refused = new() { BaseAddress = service.Endpoint })
        {
            refused.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", wrong);
            await SendAsync(refused, HttpMethod.Get, ApiRoutes.Version, null, told);
        }
    }

    /// <summary>All that can be asked of the API and of the program.</summary>
    private static async Task AskAllAsync(ServiceProcess service, HttpClient http, string config, List<string> told)
    {
        JsonObject paths = JsonNode.Parse(await http.GetStringAsync(new Uri(ApiRoutes.OpenApi, UriKind.Relative)))!["paths"]!.AsObject();
        foreach ((string path, JsonNode? methods) in paths.Where(p => p.Value!["get"] is not null && !p.Key.Contains('{', StringComparison.Ordinal)))
        {
            await SendAsync(http, HttpMethod.Get, path + (path.Contains("doctor", StringComparison.Ordinal) || path.Contains("accesslog", StringComparison.Ordinal) ? "?seconds=1" : ""), null, told);
        }

        foreach (string[] verb in new[]
        {
            new[] { "config", "show", "--config", config }, ["config", "show", "--json", "--config", config], ["token", "list", "--config", config],
            ["token", "list", "--json", "--config", config], ["credentials", "rekey", "--config", config], ["stats", "--json", "--count", "1"],
        })
        {
            CommandResult result = await service.RunVerbAsync(verb);
            told.Add(result.Output + result.Error);
        }
    }

    /// <summary>A bundle for whoever helps, which holds the log.</summary>
    private static async Task BundleAsync(ServiceProcess service, string file, string config, List<string> told)
    {
        CommandResult bundle = await service.RunVerbAsync("debug", file, "--config", config);
        Assert.Equal(0, bundle.ExitCode);
        Assert.Contains("audit:", Command.Run("tar", "-xzOf", file, "datalayer-debug/log.txt"), StringComparison.Ordinal);
        told.Add(Command.Run("tar", "-xzOf", file));
    }

    private static IEnumerable<string> Children(int process) =>
        Directory.EnumerateDirectories($"/proc/{process}/task").SelectMany(task => File.ReadAllText(task + "/children").Split(' ', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>The files below a folder that hold a text, as it is or in base64.</summary>
    private static IEnumerable<string> FilesWith(string folder, string secret)
    {
        byte[] plain = Encoding.UTF8.GetBytes(secret);
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(f => new FileInfo(f).Length < 64 << 20))
        {
            if (File.ReadAllBytes(file).AsSpan().IndexOf(plain) >= 0)
            {
                yield return file;
            }
        }
    }

    private static async Task SendAsync(HttpClient http, HttpMethod method, string target, string? json, List<string> told)
    {
        using HttpRequestMessage request = new(method, target);
        if (json is not null)
        {
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        }

        using HttpResponseMessage answer = await http.SendAsync(request);
        told.Add(answer.Headers + await answer.Content.ReadAsStringAsync());
    }
}
