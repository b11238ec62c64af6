using System.Collections;
using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using DataLayer.Client;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server;

/// <summary>What one client may cost: heads, bodies, connections and requests have bounds, and a client past one is told or cut off.</summary>
public sealed class BoundsTests : IAsyncLifetime
{
    private readonly TempFolder _folder = new("bounds");
    private DataLayerService? _service;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_service is not null)
        {
            await _service.StopAsync();
            await _service.DisposeAsync();
        }

        _folder.Dispose();
    }

    [Fact]
    public async Task Heads_and_bodies_past_their_bounds_are_refused()
    {
        Uri url = await StartAsync("");
        string many = string.Concat(Enumerable.Range(0, 80).Select(i => $"X-H{i.ToString(CultureInfo.InvariantCulture)}: 1\r\n"));
        string nested = new string('[', 100_000) + new string(']', 100_000);
        string big = "{\"path\":\"/" + new string('a', 2 << 20) + "\"}";
        (string Name, string Request, string[] Statuses)[] cases =
        [
            ("a long line", $"GET /{new string('a', 20 << 10)} HTTP/1.1\r\nHost: localhost\r\n\r\n", ["414", "400"]),
            ("a long header", $"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: {new string('a', 40 << 10)}\r\n\r\n", ["431"]),
            ("many headers", $"GET /healthz HTTP/1.1\r\nHost: localhost\r\n{many}\r\n", ["431"]),
            ("a long command", Post("/api/v1/ops/mkdir", big), ["413"]),
            ("a deep command", Post("/api/v1/ops/mkdir", nested), ["400"]),
            ("a length that is none", "POST /api/v1/ops/mkdir HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", ["400"]),
            ("two lengths", "POST /api/v1/ops/mkdir HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", ["400"]),
            ("a huge chunk", "POST /api/v1/ops/mkdir HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", ["400"]),
            ("no host", "GET /healthz HTTP/1.1\r\n\r\n", ["400"]),
        ];
        foreach ((string name, string request, string[] statuses) in cases)
        {
            string answer = await SendAsync(url, request.Replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n", StringComparison.Ordinal));
            Assert.True(statuses.Any(s => answer.StartsWith($"HTTP/1.1 {s}", StringComparison.Ordinal)), $"{name}: {answer[..Math.Min(answer.Length, 200)]}");
        }
    }

    [Fact]
    public async Task A_compressed_body_is_refused_whatever_it_would_grow_to()
    {
        Uri url = await StartAsync("");
        using HttpClient http = new() { BaseAddress = url };
        using MemoryStream packed = new();
        await using (GZipStream gzip = new(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            await gzip.WriteAsync(new byte[16 << 20]);
        }

        foreach ((HttpMethod method, string route) in new[]
        {
            (HttpMethod.Post, "/api/v1/ops/mkdir"), (HttpMethod.Put, "/api/v1/files/x"), (HttpMethod.Post, "/api/v1/jobs/warm-list"),
        })
        {
            foreach (string encoding in new[] { "gzip", "br", "deflate", "identity, gzip", "zstd" })
            {
                using HttpRequestMessage request = new(method, route) { Content = new ByteArrayContent(packed.ToArray()) };
                request.Content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
                using HttpResponseMessage answer = await http.SendAsync(request);
                Assert.Equal(HttpStatusCode.UnsupportedMediaType, answer.StatusCode);
            }
        }
    }

    [Fact]
    public async Task Who_sends_its_head_by_the_byte_is_cut_off()
    {
        Uri url = await StartAsync("headerTimeout: 500ms");
        using TcpClient slow = new();
        await slow.ConnectAsync(url.Host, url.Port);
        NetworkStream stream = slow.GetStream();
        await stream.WriteAsync("GET /healthz HTTP/1.1\r\nHost: localhost\r\n"u8.ToArray());

        // It is answered, or cut off, though its request never ends.
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
        byte[] answer = new byte[4096];
        int count = await stream.ReadAsync(answer, limit.Token);
        Assert.True(count == 0 || Encoding.ASCII.GetString(answer, 0, count).StartsWith("HTTP/1.1 408", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Connections_past_the_bound_are_closed_and_places_come_free_again()
    {
        Uri url = await StartAsync("maxConnections: 3");
        List<TcpClient> open = [];
        try
        {
            for (int i = 0; i < 3; i++)
            {
                open.Add(await KeptAsync(url));
            }

            using TcpClient more = new();
            await more.ConnectAsync(url.Host, url.Port);
            Assert.Equal(0, await ReadAllAsync(more, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            open[0].Dispose();
            open.RemoveAt(0);
            using CancellationTokenSource limit = new(TimeSpan.FromSeconds(60));
            while (true)
            {
                limit.Token.ThrowIfCancellationRequested();
                using TcpClient again = new();
                await again.ConnectAsync(url.Host, url.Port, limit.Token);
                if (await ReadAllAsync(again, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") > 0)
                {
                    break;
                }
            }
        }
        finally
        {
            open.ForEach(c => c.Dispose());
        }
    }

    [Fact]
    public async Task A_caller_past_its_rate_is_told_when_to_come_again_and_a_client_does()
    {
        Uri url = await StartAsync("rateLimit: 5");
        using HttpClient http = new() { BaseAddress = url };
        List<HttpResponseMessage> answers = [];
        for (int i = 0; i < 40; i++)
        {
            answers.Add(await http.GetAsync(new Uri(ApiRoutes.Version, UriKind.Relative)));
        }

        HttpResponseMessage limited = answers.First(a => a.StatusCode == HttpStatusCode.TooManyRequests);
        Assert.True(limited.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1));
        Assert.Contains("listen.rateLimit", await limited.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains(answers, a => a.StatusCode == HttpStatusCode.OK);
        answers.ForEach(a => a.Dispose());
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync(new Uri(ApiRoutes.Health, UriKind.Relative))).StatusCode);
        using DataLayerClient patient = new(new DataLayerClientOptions { ServerUri = url, RetryCount = 10 });
        Assert.NotNull(await patient.StatAsync("/"));
    }

    private static string Post(string route, string body) =>
        $"POST {route} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {body.Length.ToString(CultureInfo.InvariantCulture)}\r\n\r\n{body}";

    private async Task<Uri> StartAsync(string listen)
    {
        string text = $$"""
            stateDirectory: {{_folder.Combine("state")}}
            listen: {address: '127.0.0.1:0'{{(listen.Length == 0 ? "" : ", " + listen)}}}
            memory: {budget: 256MiB}
            cache: {capacity: 16MiB}
            pools:
              - {name: default, reserve: 0, directories: [{{_folder.Combine("t0")}}]}
            logging: {level: error}
            """;
        ConfigurationResult result = ServerConfigurationReader.ReadText(text, "test.yaml", new Hashtable());
        Assert.Empty(result.Reading.Problems);
        _service = DataLayerService.Build(result.Configuration!);
        await _service.StartAsync(CancellationToken.None);
        return _service.Url!;
    }

    private static async Task<TcpClient> KeptAsync(Uri url)
    {
        TcpClient client = new();
        await client.ConnectAsync(url.Host, url.Port);
        await client.GetStream().WriteAsync("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
        Assert.True(await client.GetStream().ReadAsync(new byte[4096]) > 0);
        return client;
    }

    private static async Task<int> ReadAllAsync(TcpClient client, string request)
    {
        try
        {
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
            return await client.GetStream().ReadAsync(new byte[4096]);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static async Task<string> SendAsync(Uri url, string request)
    {
        using TcpClient client = new();
        await client.ConnectAsync(url.Host, url.Port);
        NetworkStream stream = client.GetStream();
        using MemoryStream answer = new();
        Task reading = stream.CopyToAsync(answer);
        try
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(request));
            await reading;
        }
        catch (IOException)
        {
            // Cut off: what came is what there is.
        }

        return Encoding.ASCII.GetString(answer.ToArray());
    }
}
