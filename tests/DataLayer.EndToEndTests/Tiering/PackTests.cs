using System.Globalization;
using Amazon.S3.Model;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Service;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Tiering;

/// <summary>Small files packed by an applied plan behind the real service: on a real gateway, and under kills.</summary>
public sealed class PackTests(CephFixture ceph, ITestOutputHelper output) : IClassFixture<CephFixture>
{
    private const string Policy =
        "version: 1\nrules: [{name: small, match: {path: \"/data/**\", size: \"<1MiB\"}, then: {place: release, pack: true}}]\n";

    [Fact]
    public async Task Five_hundred_files_are_one_tar_that_Debian_s_tar_reads_and_an_undo_makes_them_objects_again()
    {
        await using var it = await Installation.StartAsync(s => s with
        {
            Stores = [new StoreSettings(ceph.Cluster.Endpoint, ceph.Cluster.AccessKey, ceph.Cluster.SecretKey)],
        });
        await it.Client.Admin.AttachAsync(new AttachCommand { Source = $"s3://{ceph.Bucket}/set", Path = "/data", Mode = AttachmentMode.ReadWrite });
        var files = await WriteAsync(it, 500);
        Assert.Equal(500, (await KeysAsync()).Count);

        var applied = await EndAsync(it, await it.Client.Jobs.ApplyAsync(await PlanAsync(it), new MoveCommand()));
        Assert.Equal(("done", 500), (applied.State, applied.Result!.Value.GetProperty("moved").GetInt32()));
        await it.Client.Admin.FlushUploadsAsync("/data");
        var keys = await WhenAsync(k => k.Count == 2);
        var pack = Assert.Single((await it.Client.Jobs.ListPacksAsync()).Packs);
        Assert.Equal((500, 500, pack.Key), (pack.Members, pack.LiveMembers, keys[0]));

        await CheckTarAsync(it, keys[0], files);
        foreach (var (path, bytes) in files)
        {
            Assert.True((await it.ReadAsync(path)).AsSpan().SequenceEqual(bytes), path);
        }

        await it.EvictAsync("/data", hot: true);
        await it.Client.Admin.RefreshAsync("/data");
        Assert.Equal(500, (await it.Client.Jobs.ListPacksAsync()).Packs.Single().LiveMembers);
        var undone = await EndAsync(it, await it.Client.Jobs.UndoAsync(applied.Id, new MoveCommand { Parallelism = 16 }));
        Assert.Equal(("done", 500), (undone.State, undone.Result!.Value.GetProperty("moved").GetInt32()));
        Assert.Equal(files.Keys.Select(p => "set" + p["/data".Length..]).Order(StringComparer.Ordinal), await WhenAsync(k => k.Count == 500));
        foreach (var (path, bytes) in files)
        {
            Assert.True((await it.ReadAsync(path)).AsSpan().SequenceEqual(bytes), path);
        }

        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task Kills_while_files_are_packed_leave_each_with_a_whole_copy_and_the_job_ends()
    {
        await using var it = await Installation.StartWithOriginAsync();
        await it.AttachAsync(AttachmentMode.ReadWrite);
        var audit = new TierAudit(it.Service.Settings, it.Folder, it.Origin.Endpoint);
        var files = await WriteAsync(it, 60);
        foreach (var (path, bytes) in files)
        {
            audit.Expect(path, bytes);
        }

        var plan = await PlanAsync(it);
        long id = 0;
        var kills = TestSeed.Count("DATALAYER_PACK_KILLS", 3);
        var random = new Random(TestSeed.Take(output));
        for (var kill = 0; kill < kills; kill++)
        {
            var dying = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var left = kill == 0 ? 1 : random.Next(1, 40);
            it.Origin.BeforeServe = _ =>
            {
                if (Interlocked.Decrement(ref left) == 0)
                {
                    dying.SetResult();
                }
            };
            if (kill == 0)
            {
                id = (await it.Client.Jobs.ApplyAsync(plan, new MoveCommand())).Id;
            }
            else
            {
                await it.Service.RestartAsync();
            }

            // The last request may come before the job ends, and the job may end before the last request.
            await Task.WhenAny(dying.Task, EndAsync(it, await it.Client.Jobs.GetAsync(id)));
            await it.Service.KillAsync();
            it.Origin.BeforeServe = null;
            Assert.Contains("faults 0", await audit.RunAsync(), StringComparison.Ordinal);
        }

        await it.Service.RestartAsync();
        var job = await EndAsync(it, await it.Client.Jobs.GetAsync(id));
        Assert.Equal(("done", 60), (job.State, job.Result!.Value.GetProperty("moved").GetInt32()));
        Assert.Contains("faults 0", await audit.RunAsync(isLive: true), StringComparison.Ordinal);
        Assert.Equal(60, (await it.Client.Jobs.ListPacksAsync()).Packs.Sum(p => p.LiveMembers));
        foreach (var (path, bytes) in files)
        {
            Assert.True((await it.ReadAsync(path)).AsSpan().SequenceEqual(bytes), path);
        }

        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task A_fresh_service_on_the_same_bucket_shows_packed_files_with_a_lost_and_a_damaged_index_and_unpacks_them()
    {
        const string Bucket = "packs-anew";
        using var s3 = ceph.Cluster.CreateClient();
        await s3.PutBucketAsync(Bucket);
        var store = new StoreSettings(ceph.Cluster.Endpoint, ceph.Cluster.AccessKey, ceph.Cluster.SecretKey);
        AttachCommand attach = new() { Source = $"s3://{Bucket}/set", Path = "/data", Mode = AttachmentMode.ReadWrite };
        Dictionary<string, byte[]> files;
        await using (var first = await Installation.StartAsync(s => s with { Stores = [store], More = "tiering:\n  packSize: 1MiB\n" }))
        {
            await first.Client.Admin.AttachAsync(attach);
            files = await WriteAsync(first, 300);
            var applied = await EndAsync(first, await first.Client.Jobs.ApplyAsync(await PlanAsync(first), new MoveCommand()));
            Assert.Equal(("done", 300), (applied.State, applied.Result!.Value.GetProperty("moved").GetInt32()));
            await first.Client.Admin.FlushUploadsAsync("/data");
        }

        // The service may have ended before it deleted the last objects that packed files had: those show their files then.
        var packed = (await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = Bucket, Prefix = "set/.datalayer/" })).S3Objects;
        var own = (await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = Bucket, Prefix = "set/d" })).S3Objects?.Count ?? 0;
        var indexes = packed.Where(o => o.Key.EndsWith(PackKeys.IndexSuffix, StringComparison.Ordinal)).ToList();
        Assert.True(indexes.Count >= 2, $"{indexes.Count} packs");
        await s3.DeleteObjectAsync(Bucket, indexes[0].Key);
        await s3.PutObjectAsync(new PutObjectRequest { BucketName = Bucket, Key = indexes[1].Key, ContentBody = "{\"format\":\"datalayer-pack-index/1\"}" });

        await using var it = await Installation.StartAsync(s => s with { Stores = [store] });
        await it.Client.Admin.AttachAsync(attach);
        var live = (await it.Client.Jobs.ListPacksAsync()).Packs.Sum(p => p.LiveMembers);
        Assert.Equal(300, own + live);
        foreach (var (path, bytes) in files)
        {
            Assert.True((await it.ReadAsync(path)).AsSpan().SequenceEqual(bytes), path);
        }

        var again = (await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = Bucket, Prefix = "set/.datalayer/" })).S3Objects;
        Assert.Equal(packed.Select(o => (o.Key, o.ETag)), again.Select(o => (o.Key, o.ETag)));
        var unpacked = await EndAsync(it, await it.Client.Jobs.PackAsync(new PackCommand { Action = "unpack", Path = "/data" }));
        Assert.Equal(("done", live), (unpacked.State, unpacked.Result!.Value.GetProperty("files").GetInt64()));
        Assert.Empty((await it.Client.Jobs.ListPacksAsync()).Packs);
        await it.EvictAsync("/data", hot: true);
        foreach (var (path, bytes) in files)
        {
            Assert.True((await it.ReadAsync(path)).AsSpan().SequenceEqual(bytes), path);
        }

        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task Removals_and_renames_of_packed_files_survive_kills_and_are_so_for_a_newcomer()
    {
        await using var it = await Installation.StartWithOriginAsync();
        await it.AttachAsync(AttachmentMode.ReadWrite);
        var files = await WriteAsync(it, 60);
        var applied = await EndAsync(it, await it.Client.Jobs.ApplyAsync(await PlanAsync(it), new MoveCommand()));
        Assert.Equal(("done", 60), (applied.State, applied.Result!.Value.GetProperty("moved").GetInt32()));
        await it.Client.Admin.FlushUploadsAsync("/data");
        var random = new Random(TestSeed.Take(output));
        for (var kill = 0; kill < 4; kill++)
        {
            foreach (var path in files.Keys.OrderBy(_ => random.Next()).Take(4).ToList())
            {
                await it.Client.DeleteAsync(path);
                files.Remove(path);
            }

            var moved = files.Keys.OrderBy(_ => random.Next()).First();
            var to = $"/data/moved-{kill}.bin";
            await it.Client.RenameAsync(moved, to);
            files.Remove(moved, out var bytes);
            files.Add(to, bytes!);
            var dying = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            it.Origin.BeforeServe = request =>
            {
                if (request.Verb == "PUT" && request.Key.EndsWith(PackKeys.NamesSuffix, StringComparison.Ordinal))
                {
                    dying.TrySetResult();
                }
            };

            // Before it is begun, while it is stored, and when it was.
            var flushing = kill == 0 ? Task.CompletedTask : it.Client.Admin.FlushUploadsAsync("/data").AsTask();
            await (kill == 0 ? Task.CompletedTask : kill == 3 ? flushing : dying.Task);
            await it.Service.KillAsync();
            await flushing.ContinueWith(static _ => { }, TaskScheduler.Default);
            it.Origin.BeforeServe = null;
            await it.Service.RestartAsync();
        }

        await it.Client.Admin.FlushUploadsAsync("/data");
        await using var newcomer = await Installation.StartAsync(s => s with { Stores = [new StoreSettings(it.Origin.Endpoint)] });
        await newcomer.AttachAsync(AttachmentMode.ReadWrite);
        var shown = (await newcomer.Client.Jobs.ListPacksAsync()).Packs.Sum(p => p.LiveMembers);
        Assert.Equal(files.Count, shown);
        foreach (var (path, bytes) in files)
        {
            Assert.True((await newcomer.ReadAsync(path)).AsSpan().SequenceEqual(bytes), path);
        }

        await newcomer.CheckCleanAsync();
        await it.CheckCleanAsync();
    }

    private static async Task<Dictionary<string, byte[]>> WriteAsync(Installation it, int count)
    {
        Dictionary<string, byte[]> files = [];
        for (var i = 0; i < count; i++)
        {
            var path = string.Create(CultureInfo.InvariantCulture, $"/data/d{i % 7}/{i / 14:D5}.{(i / 7 % 2 == 0 ? "jpg" : "json")}");
            var bytes = new byte[1 + (i * 37 % 30_000)];
            new Random(i).NextBytes(bytes);
            await it.Client.WriteFileAsync(path, bytes, new() { MakeParents = true });
            files.Add(path, bytes);
        }

        await it.Client.Admin.FlushUploadsAsync("/data");
        return files;
    }

    private static async Task<long> PlanAsync(Installation it)
    {
        await it.Client.Admin.SetPolicyAsync(new SetPolicyCommand { Text = Policy });
        return (await it.Client.Admin.MakePlanAsync(new PlanCommand { Path = "/data" })).Id;
    }

    private static async Task<JobStatus> EndAsync(Installation it, JobStatus job)
    {
        var last = job;
        await foreach (var now in it.Client.Jobs.WatchAsync(job.Id))
        {
            last = now;
        }

        return last;
    }

    /// <summary>Downloads a pack and has tar unpack it.</summary>
    private async Task CheckTarAsync(Installation it, string key, Dictionary<string, byte[]> files)
    {
        using var s3 = ceph.Cluster.CreateClient();
        var tar = it.Folder.Combine("pack.tar");
        using (var answer = await s3.GetObjectAsync(ceph.Bucket, key))
        {
            await answer.WriteResponseStreamToFileAsync(tar, append: false, CancellationToken.None);
        }

        var listed = Command.Run("tar", "tf", tar).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(files.Keys.Select(p => p["/data/".Length..]).Order(StringComparer.Ordinal), listed);
        var folder = it.Folder.MakeFolder("unpacked");
        Command.Run("tar", "xf", tar, "-C", folder);
        foreach (var (path, bytes) in files)
        {
            Assert.True((await File.ReadAllBytesAsync(folder + path["/data".Length..])).AsSpan().SequenceEqual(bytes), path);
        }

        // As WebDataset groups them: what is the same up to the first dot of the name is one sample, and stands together.
        var samples = Command.Run(
            "python3", "-c",
            "import sys, tarfile, itertools\nnames = tarfile.open(sys.argv[1]).getnames()\n"
            + "keys = [k for k, _ in itertools.groupby(n.rsplit('/', 1)[0] + '/' + n.rsplit('/', 1)[1].split('.')[0] for n in names)]\n"
            + "print(len(keys), len(set(keys)))",
            tar).Split();
        Assert.Equal(samples[0], samples[1]);
    }

    private async Task<List<string>> KeysAsync()
    {
        using var s3 = ceph.Cluster.CreateClient();
        List<string> keys = [];
        string? token = null;
        do
        {
            var page = await s3.ListObjectsV2Async(new ListObjectsV2Request { BucketName = ceph.Bucket, ContinuationToken = token });
            keys.AddRange((page.S3Objects ?? []).Select(o => o.Key));
            token = page.NextContinuationToken;
        }
        while (token is not null);
        keys.Sort(StringComparer.Ordinal);
        return keys;
    }

    /// <summary>The keys of the bucket once the journal's deletions are through.</summary>
    private async Task<List<string>> WhenAsync(Func<List<string>, bool> holds)
    {
        for (var left = 400; ; left--)
        {
            var keys = await KeysAsync();
            if (holds(keys) || left == 0)
            {
                Assert.True(holds(keys), string.Join('\n', keys));
                return keys;
            }
        }
    }
}
