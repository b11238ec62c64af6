using System.Collections;
using System.Security.Cryptography;
using DataLayer.Client;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Peers;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Origins;
using Microsoft.Extensions.DependencyInjection;

namespace DataLayer.Tests.Peers;

/// <summary>Services of one process, each with its own tree and tiers, over one scripted S3 that counts.</summary>
internal sealed class PeerCluster : IAsyncDisposable
{
    /// <summary>No hedge ever: what is counted does not depend on how busy the machine is.</summary>
    public const string Patient = "minHedgeDelay: 1m, maxHedgeDelay: 1m, timeout: 10m";

    private readonly TempFolder _folder = new("peers");
    private readonly List<Member> _members = [];
    private long _originBytes;

    private PeerCluster(ScriptedS3 origin)
    {
        Origin = origin;
        origin.MakeBucket("bucket");
        origin.BeforeServe = r =>
        {
            if (r is { Verb: "GET", Key.Length: > 0 })
            {
                Interlocked.Add(ref _originBytes, LengthOf(r));
            }
        };
    }

    public ScriptedS3 Origin { get; }

    public IReadOnlyList<Member> Members => _members;

    public TempFolder Folder => _folder;

    /// <summary>Body bytes of GETs that the origin served.</summary>
    public long OriginBytes => Volatile.Read(ref _originBytes);

    /// <summary>Which store the services say the objects are in.</summary>
    public string Store => $"{Origin.Endpoint.GetLeftPart(UriPartial.Authority)}/bucket";

    public static async Task<PeerCluster> StartAsync(int services, string peers = Patient)
    {
        PeerCluster cluster = new(await ScriptedS3.StartAsync());
        for (int i = 0; i < services; i++)
        {
            await cluster.AddAsync($"n{i}", peers);
        }

        cluster.Introduce();
        return cluster;
    }

    /// <summary>Starts a service that knows nobody yet.</summary>
    public async Task<Member> AddAsync(string name, string peers = Patient, string more = "", string listen = "")
    {
        string state = _folder.Combine(name);
        string text = $$"""
            stateDirectory: {{state}}
            listen: {address: "127.0.0.1:0"{{listen}}}
            memory: {budget: 512MiB}
            cache: {capacity: 96MiB}
            pools: [{name: default, reserve: 0, directories: [{{state}}-hot]}]
            objectStores: [{name: default, endpoint: "{{Origin.Endpoint.ToString().TrimEnd('/')}}", anonymous: true, hedgedReads: false}]
            node: {name: {{name}}}
            peers: {nodes: [{name: {{name}}, url: "http://127.0.0.1:1"}], {{peers}}}
            logging: {level: error}
            {{more}}
            """;
        ConfigurationResult read = ServerConfigurationReader.ReadText(text, "test.yaml", new Hashtable());
        Assert.Empty(read.Reading.Problems);
        Directory directory = new(name);
        DataLayerService service = DataLayerService.Build(read.Configuration!, s => s.AddSingleton<IPeerDirectory>(directory));
        await service.StartAsync(CancellationToken.None);
        Member member = new(name, service, directory);
        _members.Add(member);
        return member;
    }

    /// <summary>Lets all know all.</summary>
    public void Introduce()
    {
        PeerNode[] nodes = [.. _members.Select(m => m.Node)];
        foreach (Member member in _members)
        {
            member.Directory.Live = nodes;
        }
    }

    /// <summary>Puts files of random bytes into the bucket.</summary>
    public Dictionary<string, byte[]> PutFiles(int count, int bytes)
    {
        Dictionary<string, byte[]> files = [];
        for (int i = 0; i < count; i++)
        {
            files[$"f{i:d3}"] = RandomNumberGenerator.GetBytes(bytes + i);
            Origin.Put("bucket", $"data/f{i:d3}", files[$"f{i:d3}"]);
        }

        return files;
    }

    /// <summary>Attaches the bucket at <c>/data</c> of every service.</summary>
    public async Task AttachAsync(AttachmentMode mode = AttachmentMode.ReadOnly)
    {
        foreach (Member member in _members)
        {
            await member.AttachAsync(mode);
        }
    }

    /// <summary>Whose a file's first range is, as all of these nodes see it.</summary>
    public string OwnerOf(string file, params string[] names) => PeerRingTests.OwnerOf(
        names[0], names, PeerRing.HashOf(Store, $"data/{file}", Origin.Get("bucket", $"data/{file}")!.ETag), 0);

    public async ValueTask DisposeAsync()
    {
        foreach (Member member in _members)
        {
            await member.DisposeAsync();
        }

        await Origin.DisposeAsync();
        _folder.Dispose();
    }

    private long LengthOf(OriginRequest request)
    {
        if (request.Range is not { } range)
        {
            return Origin.Get(request.Bucket, request.Key)?.Bytes.Length ?? 0;
        }

        string[] ends = range["bytes=".Length..].Split('-');
        return long.Parse(ends[1], System.Globalization.CultureInfo.InvariantCulture)
            - long.Parse(ends[0], System.Globalization.CultureInfo.InvariantCulture) + 1;
    }

    /// <summary>Who is alive, as a test says.</summary>
    internal sealed class Directory(string self) : IPeerDirectory
    {
        public PeerNode Self { get; } = new(self, null, null);

        public IReadOnlyList<PeerNode> Live { get; set; } = [];
    }

    /// <summary>One service.</summary>
    internal sealed class Member : IAsyncDisposable
    {
        private bool _stopped;

        public Member(string name, DataLayerService service, Directory directory)
        {
            (Name, Service, Directory) = (name, service, directory);
            if (service.Url!.Scheme == Uri.UriSchemeHttp)
            {
                Client = new DataLayerClient(new DataLayerClientOptions { ServerUri = service.Url!, RetryCount = 0 });
            }
        }

        public string Name { get; }

        public DataLayerService Service { get; }

        public Directory Directory { get; }

        public DataLayerClient Client { get; } = null!;

        public PeerNode Node => new(Name, Service.Url!, null);

        internal PeerCounters Counters => Context.PeerCounters;

        internal EngineContext Context => Service.Node.Engine.Context;

        /// <summary>What is known of another node.</summary>
        internal Peer PeerOf(string name) => Context.Peers!.Peers.Single(p => p.Node.Name == name);

        public ValueTask<AttachmentStatus> AttachAsync(AttachmentMode mode = AttachmentMode.ReadOnly) =>
            Client.Admin.AttachAsync(new AttachCommand { Source = "s3://bucket/data", Path = "/data", Mode = mode, Freshness = FreshnessMode.Immutable });

        public async Task<byte[]> ReadAsync(string file)
        {
            using FileBytes bytes = await Client.ReadFileAsync("/data/" + file);
            return bytes.Memory.ToArray();
        }

        public async Task StopAsync()
        {
            if (!_stopped)
            {
                _stopped = true;
                await Service.StopAsync();
                await Service.DisposeAsync();
            }
        }

        public async ValueTask DisposeAsync()
        {
            Client?.Dispose();
            await StopAsync();
        }
    }
}
