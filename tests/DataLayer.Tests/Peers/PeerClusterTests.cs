using System.Net;
using System.Security.Cryptography;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Peers;
using DataLayer.Protocol.Http;
using DataLayer.Tests.Server;

namespace DataLayer.Tests.Peers;

/// <summary>Several real services over one bucket: one origin read for all, and whose bytes they are.</summary>
public sealed class PeerClusterTests
{
    private static readonly TimeSpan _limit = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Three_nodes_read_one_cold_dataset_for_the_price_of_one()
    {
        await using PeerCluster cluster = await PeerCluster.StartAsync(3);
        Dictionary<string, byte[]> files = cluster.PutFiles(48, 400_000);
        await cluster.AttachAsync();

        await Task.WhenAll(cluster.Members.Select(m => ReadAllAsync(m, files))).WaitAsync(_limit);

        long dataset = files.Values.Sum(f => (long)f.Length);
        Assert.InRange(cluster.OriginBytes, dataset, (long)(dataset * 1.1));
        Assert.All(cluster.Members, m => Assert.Equal((0, 0, 0), (m.Counters.Failures, m.Counters.Hedges, m.Counters.ServedFailures)));
        Assert.All(cluster.Members, m => Assert.True(m.Counters.Hits > 0 && m.Counters.Served > 0));
        Assert.Equal(cluster.Members.Sum(m => m.Counters.HitBytes), cluster.Members.Sum(m => m.Counters.ServedBytes));

        // What came from another node is kept like what came from the origin.
        long hits = cluster.Members[0].Counters.Hits;
        await ReadAllAsync(cluster.Members[0], files);
        Assert.Equal(hits, cluster.Members[0].Counters.Hits);
    }

    [Fact]
    public async Task A_large_file_is_read_in_ranges_that_have_owners_of_their_own()
    {
        await using PeerCluster cluster = await PeerCluster.StartAsync(3);
        byte[] large = RandomNumberGenerator.GetBytes((37 << 20) + 17);
        cluster.Origin.Put("bucket", "data/large", large);
        await cluster.AttachAsync();

        byte[][] read = await Task.WhenAll(cluster.Members.Select(m => m.ReadAsync("large"))).WaitAsync(_limit);
        using HttpClient http = new() { BaseAddress = cluster.Members[0].Service.Url };
        http.DefaultRequestHeaders.Range = new System.Net.Http.Headers.RangeHeaderValue(20_000_000, 20_002_999);
        byte[] middle = await http.GetByteArrayAsync(new Uri("/api/v1/files/data/large", UriKind.Relative));

        Assert.All(read, r => Assert.True(large.AsSpan().SequenceEqual(r)));
        Assert.True(large.AsSpan(20_000_000, 3000).SequenceEqual(middle));
        Assert.True(cluster.Members.Sum(m => m.Counters.Hits) >= 3);
        Assert.True(cluster.OriginBytes < 2L * large.Length);
    }

    [Fact]
    public async Task Nodes_that_disagree_about_each_other_still_end()
    {
        await using PeerCluster cluster = await PeerCluster.StartAsync(3);
        Dictionary<string, byte[]> files = cluster.PutFiles(24, 50_000);
        await cluster.AttachAsync();

        // Each knows the next one only: if requests went on, some would go round.
        for (int i = 0; i < 3; i++)
        {
            cluster.Members[i].Directory.Live = [cluster.Members[(i + 1) % 3].Node];
        }

        await Task.WhenAll(cluster.Members.Select(m => ReadAllAsync(m, files))).WaitAsync(_limit);

        Assert.True(cluster.Members.Sum(m => m.Counters.Hits) > 0);
    }

    [Fact]
    public async Task Another_version_is_a_miss_and_never_mixed_in()
    {
        await using PeerCluster cluster = await PeerCluster.StartAsync(2);
        Dictionary<string, byte[]> old = cluster.PutFiles(12, 30_000);
        await cluster.Members[0].AttachAsync();
        await ReadAllAsync(cluster.Members[0], old);
        Dictionary<string, byte[]> now = cluster.PutFiles(12, 30_000); // The same sizes.
        await cluster.Members[1].AttachAsync();

        await ReadAllAsync(cluster.Members[1], now);

        Assert.Equal(0, cluster.Members[1].Counters.Hits);
        Assert.Equal(now.Keys.Count(f => cluster.OwnerOf(f, "n1", "n0") == "n0"), cluster.Members[1].Counters.Misses);
        await ReadAllAsync(cluster.Members[0], old); // From its own memory.
    }

    [Fact]
    public async Task What_was_written_over_in_the_tree_of_the_owner_is_a_miss()
    {
        await using PeerCluster cluster = await PeerCluster.StartAsync(2);
        Dictionary<string, byte[]> files = cluster.PutFiles(40, 3000);
        await cluster.AttachAsync(AttachmentMode.ReadWrite);
        string[] others = [.. files.Keys.Where(f => cluster.OwnerOf(f, "n0", "n1") == "n1")];
        Assert.NotEmpty(others);
        cluster.Origin.Script = r => r.Verb == "PUT" ? DataLayer.TestSupport.Origins.OriginScript.SlowDown : DataLayer.TestSupport.Origins.OriginScript.Serve;
        foreach (string file in others)
        {
            await cluster.Members[1].Client.WriteFileAsync("/data/" + file, new byte[files[file].Length]);
        }

        await ReadAllAsync(cluster.Members[0], files);

        Assert.Equal((0, others.Length), (cluster.Members[0].Counters.Hits, cluster.Members[0].Counters.Misses));
    }

    [Fact]
    public async Task A_node_that_is_gone_is_left_alone_after_three_failures()
    {
        await using PeerCluster cluster = await PeerCluster.StartAsync(1, PeerCluster.Patient + ", pause: 1h");
        Dictionary<string, byte[]> files = cluster.PutFiles(60, 2000);
        await cluster.AttachAsync();
        PeerCluster.Member reader = cluster.Members[0];
        reader.Directory.Live = [new PeerNode("n1", new Uri("http://127.0.0.1:1"), null)]; // Nobody listens on that port.

        foreach ((string file, byte[] bytes) in files)
        {
            Assert.Equal(bytes, await reader.ReadAsync(file));
        }

        Assert.True(files.Keys.Count(f => cluster.OwnerOf(f, "n0", "n1") == "n1") > 3);
        Assert.Equal((0L, 3L, 1L), (reader.Counters.Hits, reader.Counters.Failures, reader.Counters.Opened));
        Assert.True(reader.PeerOf("n1").IsOpen);
    }

    [Fact]
    public async Task What_is_read_for_others_is_bounded()
    {
        await using PeerCluster cluster = await PeerCluster.StartAsync(2, PeerCluster.Patient + ", servedBytes: 8MiB");
        byte[] large = RandomNumberGenerator.GetBytes(16 << 20);
        cluster.Origin.Put("bucket", "data/large", large);
        await cluster.AttachAsync();
        PeerServing serving = cluster.Members[0].Service.Node.Engine.Serving!;
        PeerRequest request = new(cluster.Store, "data/large", cluster.Origin.Get("bucket", "data/large")!.ETag, large.Length, 0, 8 << 20);
        await using (PeerBlock? first = await serving.OpenAsync(request, default))
        {
            Assert.NotNull(first);
            DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(
                async () => await serving.OpenAsync(request with { OffsetBytes = 8 << 20 }, default));
            Assert.Equal(ErrorCode.Overloaded, error.Code);
            using HttpClient http = new() { BaseAddress = cluster.Members[0].Service.Url };
            using HttpResponseMessage busy = await http.GetAsync(
                new Uri(ApiRoutes.PeerBlocks + DataLayer.Server.Peers.PeerWire.QueryOf(request), UriKind.Relative));
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "busy"), (busy.StatusCode, busy.Headers.GetValues("X-DataLayer-Peer").Single()));

            // Who meets that reads at the origin.
            byte[] read = await cluster.Members[1].ReadAsync("large");
            Assert.True(large.AsSpan().SequenceEqual(read));
            Assert.Equal(0, cluster.Members[1].Counters.Failures);
        }

        Assert.Null(await serving.OpenAsync(request with { ETag = "other" }, default));
        Assert.Null(await serving.OpenAsync(request with { Key = "data/none" }, default));
        Assert.Null(await serving.OpenAsync(request with { Key = "data//large" }, default));
        Assert.Null(await serving.OpenAsync(request with { Key = "data" }, default));
        Assert.Null(await serving.OpenAsync(request with { Store = "https://elsewhere/bucket" }, default));
        await using PeerBlock? again = await serving.OpenAsync(request, default);
        Assert.True(await again!.ReadAsync(default));
        Assert.True(large.AsSpan(0, 8 << 20).SequenceEqual(again.Bytes.Span));
    }

    [Fact]
    public async Task Locality_says_who_has_how_much_near()
    {
        await using PeerCluster cluster = await PeerCluster.StartAsync(3);
        Dictionary<string, byte[]> files = cluster.PutFiles(8, 100_000);
        await cluster.Members[0].AttachAsync();
        await cluster.Members[1].AttachAsync();
        foreach (PeerCluster.Member member in cluster.Members)
        {
            member.Directory.Live = [.. cluster.Members.Select(m => m.Node), new PeerNode("gone", new Uri("http://127.0.0.1:1"), "z")];
        }

        cluster.Members[0].Directory.Live = [.. cluster.Members[0].Directory.Live.Where(n => n.Name != "n1")];
        await ReadAllAsync(cluster.Members[0], files);
        cluster.Members[0].Directory.Live = cluster.Members[1].Directory.Live;
        _ = await cluster.Members[1].ReadAsync("f000");

        LocalityReport report = await cluster.Members[0].Client.Admin.GetLocalityAsync("/data");
        Assert.Equal(["n0", "gone", "n1", "n2"], report.Nodes.Select(n => n.Node));
        long size = files.Values.Sum(f => (long)f.Length);
        Assert.Equal((true, true, 8L, size, size), (report.Nodes[0].IsSelf, report.Nodes[0].IsWhole, report.Nodes[0].Files, report.Nodes[0].SizeBytes, report.Nodes[0].NearBytes));
        Assert.Equal(1, report.Nodes[0].Share);
        Assert.Equal(("z", 0.0), (report.Nodes[1].Zone, report.Nodes[1].Share));
        Assert.NotNull(report.Nodes[1].Failure);
        Assert.InRange(report.Nodes[2].NearBytes, files["f000"].Length, size - 1);
        Assert.Equal("it has no such path", report.Nodes[3].Failure);
        Assert.False((await cluster.Members[0].Client.Admin.GetLocalityAsync("/data", maxFiles: 3)).Nodes[0].IsWhole);

        CliRun table = await CliRun.RunAsync(["locality", "/data"], cluster.Members[0].Service.Url);
        Assert.Matches(@"n0 +- +100\.0", table.Text);
        CliRun affinity = await CliRun.RunAsync(["locality", "/data", "--affinity"], cluster.Members[0].Service.Url);
        Assert.StartsWith(
            """
            affinity:
              nodeAffinity:
                preferredDuringSchedulingIgnoredDuringExecution:
                  - weight: 100
                    preference:
                      matchExpressions:
                        - {key: kubernetes.io/hostname, operator: In, values: ["n0"]}
            """,
            affinity.Text, StringComparison.Ordinal);
        DataLayerException none = await Assert.ThrowsAsync<DataLayerException>(async () => await cluster.Members[0].Client.Admin.GetLocalityAsync("/none"));
        Assert.Equal(ErrorCode.NotFound, none.Code);
    }

    private static async Task ReadAllAsync(PeerCluster.Member member, Dictionary<string, byte[]> files)
    {
        await Parallel.ForEachAsync(files, new ParallelOptions { MaxDegreeOfParallelism = 6 }, async (file, _) =>
        {
            byte[] read = await member.ReadAsync(file.Key);
            Assert.True(file.Value.AsSpan().SequenceEqual(read), $"{member.Name} read other bytes of {file.Key}");
        });
    }
}
