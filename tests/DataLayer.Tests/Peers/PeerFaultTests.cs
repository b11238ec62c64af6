using System.Collections;
using System.Net;
using System.Security.Cryptography;
using DataLayer.Engine.Peers;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;
using DataLayer.Server.Peers;
using DataLayer.TestSupport.Origins;
using DataLayer.Tests.Server;
using DataLayer.Tests.Server.Tls;
using Microsoft.AspNetCore.Http;

namespace DataLayer.Tests.Peers;

/// <summary>Nodes that answer wrongly, slowly or not at all, and strangers: none of it reaches a reader.</summary>
public sealed class PeerFaultTests
{
    private const string Hasty = "minHedgeDelay: 20ms, maxHedgeDelay: 20ms, timeout: 10m, pause: 1h";

    public enum Fault
    {
        Garbage,
        Short,
        Long,
        OtherVersion,
        OtherPlace,
        FlippedBit,
        NoFrame,
        OtherFirstByte,
        ServerError,
        ForeignNotFound,
        Abort,
    }

    [Theory]
    [InlineData(Fault.Garbage)]
    [InlineData(Fault.Short)]
    [InlineData(Fault.Long)]
    [InlineData(Fault.OtherVersion)]
    [InlineData(Fault.OtherPlace)]
    [InlineData(Fault.FlippedBit)]
    [InlineData(Fault.NoFrame)]
    [InlineData(Fault.OtherFirstByte)]
    [InlineData(Fault.ServerError)]
    [InlineData(Fault.ForeignNotFound)]
    [InlineData(Fault.Abort)]
    public async Task What_is_not_what_was_asked_for_is_read_at_the_origin(Fault fault)
    {
        await using Bench bench = await Bench.StartAsync(
            PeerCluster.Patient + ", pause: 1h", (context, request, _) => AnswerWronglyAsync(context, request, fault));

        await bench.ReadOwnedAsync(5);

        PeerCounters counters = bench.Reader.Counters;
        Assert.Equal((0L, 3L, 1L), (counters.Hits, counters.Failures, counters.Opened));
        Assert.Equal(3, bench.Peer.Requests);
    }

    [Fact]
    public async Task A_miss_and_a_queue_are_no_failures()
    {
        int asked = 0;
        await using Bench bench = await Bench.StartAsync(PeerCluster.Patient, (context, request, _) =>
        {
            bool misses = Interlocked.Increment(ref asked) % 2 == 0;
            context.Response.StatusCode = misses ? 404 : 503;
            context.Response.Headers[PeerWire.Header] = misses ? PeerWire.Miss : PeerWire.Busy;
            return Task.CompletedTask;
        });

        await bench.ReadOwnedAsync(6);

        PeerCounters counters = bench.Reader.Counters;
        Assert.Equal((0L, 3L, 3L, 0L), (counters.Hits, counters.Misses, counters.Busy, counters.Failures));
    }

    [Fact]
    public async Task A_miss_after_the_head_is_a_miss()
    {
        await using Bench bench = await Bench.StartAsync(PeerCluster.Patient, async (context, request, stop) =>
        {
            await ScriptedPeer.AcceptAsync(context);
            await context.Response.Body.WriteAsync(new[] { PeerWire.Missed }, stop);
        });

        await bench.ReadOwnedAsync(2);

        Assert.Equal((2L, 0L), (bench.Reader.Counters.Misses, bench.Reader.Counters.Failures));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_node_that_hangs_is_overtaken_and_then_left_alone(bool saysThatItIsAtIt)
    {
        await using Bench bench = await Bench.StartAsync(Hasty, async (context, request, stop) =>
        {
            if (saysThatItIsAtIt)
            {
                await ScriptedPeer.AcceptAsync(context);
            }

            await Task.Delay(Timeout.InfiniteTimeSpan, stop);
        });

        await bench.ReadOwnedAsync(6);

        PeerCounters counters = bench.Reader.Counters;
        Assert.Equal((0L, 3L, 1L), (counters.Hits, counters.Hedges, counters.Opened));
        Assert.Equal(3, bench.Peer.Requests);
    }

    [Fact]
    public async Task A_node_that_is_late_and_still_before_the_origin_wins()
    {
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Bench? made = null;
        await using Bench bench = made = await Bench.StartAsync(Hasty, async (context, request, stop) =>
        {
            await asked.Task.WaitAsync(stop); // The origin has the hedge now, and keeps it.
            await ScriptedPeer.SendAsync(context, request, made!.BytesOf(request));
        });
        bench.Cluster.Origin.Script = r =>
        {
            if (r is not { Verb: "GET", Key.Length: > 0 })
            {
                return OriginScript.Serve;
            }

            asked.TrySetResult();
            return OriginAct.Hang;
        };

        await bench.ReadOwnedAsync(1);

        PeerCounters counters = bench.Reader.Counters;
        Assert.Equal((1L, 1L, 0L), (counters.Hits, counters.Hedges, counters.Opened));
    }

    [Fact]
    public async Task Without_hedges_left_a_node_that_says_nothing_is_given_up()
    {
        await using Bench bench = await Bench.StartAsync(Hasty, (context, request, stop) => Task.Delay(Timeout.InfiniteTimeSpan, stop));
        Peer peer = bench.Reader.PeerOf(Bench.PeerName);
        while (peer.TrySpendToken())
        {
            // Used up.
        }

        await bench.ReadOwnedAsync(4);

        PeerCounters counters = bench.Reader.Counters;
        Assert.Equal((0L, 0L, 3L, 1L), (counters.Hits, counters.Hedges, counters.Failures, counters.Opened));
    }

    [Fact]
    public async Task A_token_of_role_node_reads_ranges_and_nothing_else()
    {
        await using PeerCluster cluster = await PeerCluster.StartAsync(0);
        string state = cluster.Folder.MakeFolder("n1");
        string file = cluster.Folder.Combine("n1.yaml");
        await File.WriteAllTextAsync(file, $"stateDirectory: {state}\n");
        string node = await TokenAsync(file, "node");
        string reader = await TokenAsync(file, "reader");
        PeerCluster.Member owner = await cluster.AddAsync("n1", more: "auth: {anonymousLoopback: false}");
        TestAuthority.WriteSecret(cluster.Folder.Combine("token"), "dl_wrong");
        PeerCluster.Member asker = await cluster.AddAsync("n0", PeerCluster.Patient + $", pause: 1h, tokenFile: {cluster.Folder.Combine("token")}");
        cluster.Introduce();
        Dictionary<string, byte[]> files = cluster.PutFiles(60, 2000);
        await asker.AttachAsync();
        await AttachAsync(owner, await TokenAsync(file, "admin"));
        string[] owned = [.. files.Keys.Where(f => cluster.OwnerOf(f, "n0", "n1") == "n1")];

        Assert.Equal(files[owned[0]], await asker.ReadAsync(owned[0]));
        Assert.Equal((0L, 1L), (asker.Counters.Hits, asker.Counters.Failures));

        // Exchanged under the running service: it is read again where it was refused.
        TestAuthority.WriteSecret(cluster.Folder.Combine("token"), node);
        Assert.Equal(files[owned[1]], await asker.ReadAsync(owned[1]));
        Assert.Equal((1L, 1L), (asker.Counters.Hits, asker.Counters.Failures));

        using HttpClient http = new() { BaseAddress = owner.Service.Url };
        string range = ApiRoutes.PeerBlocks + PeerWire.QueryOf(new PeerRequest(
            cluster.Store, "data/" + owned[0], cluster.Origin.Get("bucket", "data/" + owned[0])!.ETag, files[owned[0]].Length, 0, 100));
        foreach (string target in (string[])["/api/v1/files/data/" + owned[0], "/api/v1/dirs/data", "/api/v1/caller", "/metrics", "/api/v1/locality?path=/data", "/api/v1/tenants"])
        {
            Assert.Equal((target, HttpStatusCode.Forbidden), (target, await StatusAsync(http, target, node)));
        }

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(http, range, node));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(http, range, reader));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(http, range, null));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(http, range.Replace("length=100", "length=0", StringComparison.Ordinal), node));
        Assert.Equal(HttpStatusCode.BadRequest, await StatusAsync(http, range.Replace("purpose=foreground", "purpose=7", StringComparison.Ordinal), node));
    }

    [Fact]
    public async Task Nodes_behind_tls_are_asked_where_they_are_trusted()
    {
        await using PeerCluster cluster = await PeerCluster.StartAsync(0);
        using TestAuthority firm = new(cluster.Folder, "firm");
        using TestAuthority stranger = new(cluster.Folder, "stranger");
        PeerCluster.Member owner = await cluster.AddAsync("n2", listen: $", tls: {{{firm.Server().Settings}}}");
        PeerCluster.Member trusting = await cluster.AddAsync("n0", PeerCluster.Patient + $", caFile: {firm.File}");
        PeerCluster.Member wary = await cluster.AddAsync("n1", PeerCluster.Patient + $", caFile: {stranger.File}");
        Dictionary<string, byte[]> files = cluster.PutFiles(40, 2000);
        using (DataLayer.Client.DataLayerClient client = new(new DataLayer.Client.DataLayerClientOptions
        {
            ServerUri = owner.Service.Url!,
            Tls = new DataLayer.Client.ClientTlsOptions { CertificateAuthorityFile = firm.File },
        }))
        {
            await client.Admin.AttachAsync(new AttachCommand { Source = "s3://bucket/data", Path = "/data" });
        }

        foreach (PeerCluster.Member asker in (PeerCluster.Member[])[trusting, wary])
        {
            asker.Directory.Live = [owner.Node];
            await asker.AttachAsync();
            string file = files.Keys.First(f => cluster.OwnerOf(f, asker.Name, "n2") == "n2");
            Assert.Equal(files[file], await asker.ReadAsync(file));
        }

        Assert.Equal((1L, 0L), (trusting.Counters.Hits, trusting.Counters.Failures));
        Assert.Equal((0L, 1L), (wary.Counters.Hits, wary.Counters.Failures));
    }

    [Theory]
    [InlineData("nodes: [{name: a, url: 'http://10.0.0.1:7070'}]", "peers.nodes")]
    [InlineData("nodes: [{name: a, url: 'https://10.0.0.1:7070'}]", "peers.tokenFile")]
    [InlineData("nodes: [{name: a, url: 'ftp://x'}]", "peers.nodes[0].url")]
    [InlineData("nodes: [{name: 'a b', url: 'http://127.0.0.1:1'}]", "peers.nodes[0].name")]
    [InlineData("nodes: [{name: a, url: 'http://127.0.0.1:1'}, {name: a, url: 'http://127.0.0.1:2'}]", "peers.nodes")]
    [InlineData("scope: zone, nodes: [{name: a, url: 'http://127.0.0.1:1'}]", "peers.scope")]
    [InlineData("fromTree: true", "peers.fromTree")]
    [InlineData("fromTree: true, nodes: [{name: a, url: 'http://127.0.0.1:1'}]", "peers.nodes")]
    [InlineData("minHedgeDelay: 1s, maxHedgeDelay: 10ms, nodes: [{name: a, url: 'http://127.0.0.1:1'}]", "peers.maxHedgeDelay")]
    [InlineData("token: secret, nodes: [{name: a, url: 'http://127.0.0.1:1'}]", "peers.token")]
    [InlineData("tokenFile: /none, nodes: [{name: a, url: 'http://127.0.0.1:1'}]", "peers.tokenFile")]
    [InlineData("caFile: /none, nodes: [{name: a, url: 'http://127.0.0.1:1'}]", "peers.caFile")]
    [InlineData("keyFile: /dev/null, nodes: [{name: a, url: 'http://127.0.0.1:1'}]", "peers.certificateFile")]
    public void Peers_that_cannot_be_are_named_with_their_place(string peers, string place)
    {
        ConfigurationResult result = ServerConfigurationReader.ReadText($"peers: {{{peers}}}", "test.yaml", new Hashtable());

        Assert.Null(result.Configuration);
        Assert.Contains(result.Reading.Problems, p => p.Key == place);
    }

    private static async Task AnswerWronglyAsync(HttpContext context, PeerRequest request, Fault fault)
    {
        byte[] bytes = RandomNumberGenerator.GetBytes(request.LengthBytes);
        switch (fault)
        {
            case Fault.Garbage:
                await context.Response.Body.WriteAsync(RandomNumberGenerator.GetBytes(request.LengthBytes + PeerWire.FrameBytes));
                break;
            case Fault.Short:
                await ScriptedPeer.SendAsync(context, request, bytes.AsMemory(1));
                break;
            case Fault.Long:
                await ScriptedPeer.SendAsync(context, request, new byte[request.LengthBytes + 1]);
                break;
            case Fault.OtherVersion:
                await ScriptedPeer.SendAsync(context, request with { ETag = "other" }, bytes);
                break;
            case Fault.OtherPlace:
                await ScriptedPeer.SendAsync(context, request with { OffsetBytes = request.OffsetBytes + 1 }, bytes);
                break;
            case Fault.FlippedBit:
                MemoryStream right = new();
                Stream body = context.Response.Body;
                context.Response.Body = right;
                await ScriptedPeer.SendAsync(context, request, bytes);
                context.Response.Body = body;
                right.GetBuffer()[100] ^= 4;
                await body.WriteAsync(right.ToArray());
                break;
            case Fault.NoFrame:
                await context.Response.Body.WriteAsync(bytes);
                break;
            case Fault.OtherFirstByte:
                await context.Response.Body.WriteAsync(new byte[] { 2 });
                await context.Response.Body.WriteAsync(bytes);
                await context.Response.Body.WriteAsync(BitConverter.GetBytes(PeerWire.ChecksumOf(request, bytes)));
                break;
            case Fault.ServerError:
                context.Response.StatusCode = 500;
                break;
            case Fault.ForeignNotFound:
                context.Response.StatusCode = 404;
                break;
            default:
                await ScriptedPeer.AcceptAsync(context);
                context.Abort();
                break;
        }
    }

    private static async Task<string> TokenAsync(string configuration, string role)
    {
        CliRun made = await CliRun.RunAsync(["token", "create", "--role", role, "--name", role, "--config", configuration], server: null);
        Assert.Equal(0, made.Status);
        return made.Text.Trim();
    }

    private static async Task AttachAsync(PeerCluster.Member member, string token)
    {
        using DataLayer.Client.DataLayerClient client = new(new DataLayer.Client.DataLayerClientOptions { ServerUri = member.Service.Url!, Token = token });
        await client.Admin.AttachAsync(new AttachCommand { Source = "s3://bucket/data", Path = "/data" });
    }

    private static async Task<HttpStatusCode> StatusAsync(HttpClient http, string target, string? token)
    {
        using HttpRequestMessage message = new(HttpMethod.Get, target);
        if (token is not null)
        {
            message.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
        }

        using HttpResponseMessage response = await http.SendAsync(message);
        return response.StatusCode;
    }

    /// <summary>One service beside a node that a test scripts.</summary>
    private sealed class Bench : IAsyncDisposable
    {
        public const string PeerName = "scripted";

        private Dictionary<string, byte[]> _files = [];

        public PeerCluster Cluster { get; private set; } = null!;

        public ScriptedPeer Peer { get; private set; } = null!;

        public PeerCluster.Member Reader => Cluster.Members[0];

        public static async Task<Bench> StartAsync(string peers, Func<HttpContext, PeerRequest, CancellationToken, Task> answer)
        {
            Bench bench = new() { Peer = await ScriptedPeer.StartAsync(answer), Cluster = await PeerCluster.StartAsync(1, peers) };
            bench._files = bench.Cluster.PutFiles(40, 5000);
            await bench.Cluster.AttachAsync();
            bench.Reader.Directory.Live = [new PeerNode(PeerName, bench.Peer.Url, null)];
            return bench;
        }

        public ReadOnlyMemory<byte> BytesOf(PeerRequest request) =>
            _files[request.Key["data/".Length..]].AsMemory((int)request.OffsetBytes, request.LengthBytes);

        /// <summary>Reads so many files that are the scripted node's, one after the other; all of them right.</summary>
        public async Task ReadOwnedAsync(int count)
        {
            string[] owned = [.. _files.Keys.Where(f => Cluster.OwnerOf(f, "n0", PeerName) == PeerName).Take(count)];
            Assert.Equal(count, owned.Length);
            foreach (string file in owned)
            {
                Assert.Equal(_files[file], await Reader.ReadAsync(file));
            }
        }

        public async ValueTask DisposeAsync()
        {
            await Peer.DisposeAsync();
            await Cluster.DisposeAsync();
        }
    }
}
