using System.Collections;
using System.Net.Sockets;
using System.Text;
using DataLayer.Client;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server;

/// <summary>Tests of one collection share a service; each works in its own folder.</summary>
[CollectionDefinition(Name)]
public sealed class ServiceCollection : ICollectionFixture<RunningService>
{
    public const string Name = "service";
}

/// <summary>The real service in this process: real parts in a temporary folder, Kestrel on a free port and on a Unix socket.</summary>
public sealed class RunningService : IAsyncLifetime
{
    private readonly TempFolder _folder = new("service");
    private int _next;

    internal DataLayerService Service { get; private set; } = null!;

    /// <summary>A client without retries.</summary>
    public DataLayerClient Client { get; private set; } = null!;

    /// <summary>Plain HTTP to the API.</summary>
    public HttpClient Http { get; private set; } = null!;

    /// <summary>The API's URL.</summary>
    public Uri Url => Service.Url!;

    /// <summary>The Unix socket.</summary>
    public string SocketPath => _folder.Combine("api.sock");

    /// <summary>The Unix socket of feeds.</summary>
    public string FeedSocketPath => _folder.Combine("state", "feed.sock");

    public async Task InitializeAsync()
    {
        Service = DataLayerService.Build(
            Configure(_folder, SocketPath, "costs: {budgets: [{name: all, amount: 1000000}]}"));
        await Service.StartAsync(CancellationToken.None);
        Http = new HttpClient { BaseAddress = Url };
        Client = new DataLayerClient(new DataLayerClientOptions { ServerUri = Url, RetryCount = 0 });
    }

    public async Task DisposeAsync()
    {
        Http.Dispose();
        Client.Dispose();
        await Service.StopAsync();
        await Service.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>A fresh folder in the tree.</summary>
    public async Task<string> MakeFolderAsync()
    {
        string path = $"/test-{Interlocked.Increment(ref _next)}";
        await Client.MakeDirectoryAsync(path);
        return path;
    }

    /// <summary>A fresh folder on disk with files to attach: name and content.</summary>
    public string MakeBucket(params (string Name, string Content)[] files)
    {
        string bucket = _folder.MakeFolder($"bucket-{Interlocked.Increment(ref _next)}");
        foreach ((string name, string content) in files)
        {
            string path = Path.Combine(bucket, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, content);
        }

        return bucket;
    }

    /// <summary>A folder for a target to add.</summary>
    public string MakeTargetFolder() => _folder.MakeFolder($"target-{Interlocked.Increment(ref _next)}");

    /// <summary>Sends a request as it is written and returns the whole answer; no client in between corrects anything.</summary>
    public async Task<string> SendRawAsync(string request)
    {
        using TcpClient connection = new();
        await connection.ConnectAsync(Url.Host, Url.Port);
        await using NetworkStream stream = connection.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request));
        using MemoryStream answer = new();
        await stream.CopyToAsync(answer);
        return Encoding.UTF8.GetString(answer.ToArray());
    }

    /// <summary>A configuration over a temporary folder.</summary>
    internal static ServerConfiguration Configure(TempFolder folder, string? socket = null, string more = "")
    {
        ConfigurationResult result = ServerConfigurationReader.ReadText(Text(folder, socket, more), "test.yaml", new Hashtable());
        Assert.Empty(result.Reading.Problems);
        return result.Configuration!;
    }

    /// <summary>The file behind <see cref="Configure"/>.</summary>
    internal static string Text(TempFolder folder, string? socket = null, string more = "") => $$"""
        stateDirectory: {{folder.Combine("state")}}
        listen:
          address: 127.0.0.1:0
        {{(socket is null ? string.Empty : $"  unixSocket: {socket}")}}
        memory: {budget: 256MiB}
        cache: {capacity: 24MiB}
        pools:
          - name: default
            width: 2
            reserve: 0
            directories: [{{folder.Combine("t0")}}, {{folder.Combine("t1")}}]
        logging: {level: error}
        {{more}}
        """;
}
