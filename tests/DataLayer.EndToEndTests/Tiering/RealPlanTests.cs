using System.Globalization;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Service;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Tiering;

/// <summary>A policy carried out for real over many files of a real gateway (20,000 with DATALAYER_MOVE_FILES): what the plan says happens, and undo takes it back.</summary>
public sealed class RealPlanTests(CephFixture ceph, ITestOutputHelper output) : IClassFixture<CephFixture>
{
    private const string Policy = """
        version: 1
        rules:
          - {name: out, weight: 2, match: {path: "/data/out/**"}, then: {place: release}}
          - {name: back, match: {path: "/data/back/**"}, then: {place: hot}}
          - {name: class, weight: 1, match: {path: "/data/class/**"}, then: {place: release, storageClass: STANDARD_IA}}
          - {name: stay, match: {path: "/data/stay/**"}, then: {place: cold}}
        """;

    private static readonly string[] _folders = ["out", "back", "class", "stay"];

    [Fact]
    public async Task The_moves_are_those_of_the_plan_contents_stay_and_undo_brings_all_back()
    {
        var count = TestSeed.Count("DATALAYER_MOVE_FILES", 200);
        var store = new StoreSettings(ceph.Cluster.Endpoint, ceph.Cluster.AccessKey, ceph.Cluster.SecretKey);
        await using var it = await Installation.StartAsync(settings => settings with { Stores = [store], More = "jobs:\n  running: 2\n" });
        await it.Client.Admin.AttachAsync(new AttachCommand { Source = $"s3://{ceph.Bucket}/data", Path = "/data", Mode = AttachmentMode.ReadWrite });
        var audit = new TierAudit(it.Service.Settings, it.Folder, ceph.Cluster.Endpoint);
        await WriteAsync(it, audit, count);
        await it.EvictAsync("/data/back", hot: true);
        await it.Client.Admin.SetPolicyAsync(new SetPolicyCommand { Text = Policy });
        var plan = await it.Client.Admin.MakePlanAsync(new PlanCommand { Path = "/data" });
        var planned = await PlannedAsync(it, plan.Id);
        Assert.Equal((count * 3 / 4, count / 2, count / 4, count / 4), ((int)plan.Totals.Moves, (int)plan.Totals.Releases, (int)plan.Totals.Recalls, (int)plan.Totals.Reclasses));

        var applied = await EndAsync(it, "apply", await it.Client.Jobs.ApplyAsync(plan.Id, new MoveCommand { Parallelism = 8 }));

        Assert.Equal(("done", planned.Count), (applied.State, applied.Result!.Value.GetProperty("moved").GetInt32()));
        Assert.Equal(planned, await MovedAsync(it, applied.Id));
        await CheckAsync(it, audit, count, ["back", "stay"], "STANDARD_IA");
        var again = await it.Client.Admin.MakePlanAsync(new PlanCommand { Path = "/data" });
        Assert.Equal(0, again.Totals.Moves);

        var undone = await EndAsync(it, "undo", await it.Client.Jobs.UndoAsync(applied.Id, new MoveCommand { Parallelism = 8 }));

        Assert.Equal(("done", planned.Count), (undone.State, undone.Result!.Value.GetProperty("moved").GetInt32()));
        await CheckAsync(it, audit, count, ["out", "class", "stay"], "STANDARD");
        var later = await it.Client.Admin.MakePlanAsync(new PlanCommand { Path = "/data" });
        Assert.Equal(planned.Order(StringComparer.Ordinal), (await PlannedAsync(it, later.Id)).Order(StringComparer.Ordinal));
        await it.CheckCleanAsync();
    }

    private static async Task WriteAsync(Installation it, TierAudit audit, int count)
    {
        var contents = Enumerable.Range(0, count)
            .Select(i => (Path: string.Create(CultureInfo.InvariantCulture, $"/data/{_folders[i % 4]}/{i:00000}"), Bytes: BytesOf(i, count))).ToArray();
        foreach (var (path, bytes) in contents)
        {
            audit.Expect(path, bytes);
        }

        await Parallel.ForEachAsync(
            contents, new ParallelOptions { MaxDegreeOfParallelism = 8 },
            async (file, token) => await it.Client.WriteFileAsync(file.Path, file.Bytes, new() { MakeParents = true }, token));
        await it.Client.Admin.FlushUploadsAsync("/data");
    }

    /// <summary>Mostly small, some of several blocks; one in each folder goes up in parts.</summary>
    private static byte[] BytesOf(int i, int count)
    {
        var bytes = new byte[i >= count - 4 ? 17 << 20 : i % Math.Max(50, count / 20) < 4 ? (2 << 20) + i : 1 + (i * 37 % 30_000)];
        new Random(i).NextBytes(bytes);
        return bytes;
    }

    private static async Task<List<string>> PlannedAsync(Installation it, long plan)
    {
        List<string> moves = [];
        for (long? after = 0; after is { } from;)
        {
            var page = await it.Client.Admin.ListPlanMovesAsync(plan, from, 1000);
            moves.AddRange(page.Moves.Select(m => $"{m.Path} {string.Join('+', m.Kinds)}"));
            after = page.Next;
        }

        return moves;
    }

    private static async Task<List<string>> MovedAsync(Installation it, long job)
    {
        List<string> moves = [];
        for (long? from = 0; from is { } at;)
        {
            var page = await it.Client.Jobs.ListMovesAsync(job, at);
            moves.AddRange(page.Moves.Select(m => $"{m.Path} {string.Join('+', m.Done)}"));
            from = page.Next;
        }

        return moves;
    }

    private async Task CheckAsync(Installation it, TierAudit audit, int count, string[] hot, string storageClass)
    {
        var counts = await audit.RunAsync(isLive: true);
        output.WriteLine(counts);
        Assert.Contains($"files {count} hot 0 cold {count - (count / 4 * hot.Length)} both {count / 4 * hot.Length} faults 0", counts, StringComparison.Ordinal);
        using var client = ceph.Cluster.CreateClient();
        for (var i = 0; i < count; i++)
        {
            if (i % 97 < 4 || i >= count - 4)
            {
                var path = string.Create(CultureInfo.InvariantCulture, $"/data/{_folders[i % 4]}/{i:00000}");
                var file = await it.Client.DescribeAsync(path);
                var found = await client.GetObjectMetadataAsync(ceph.Bucket, path[1..]);
                var wanted = _folders[i % 4] == "class" ? storageClass : "STANDARD";
                Assert.Equal((path, hot.Contains(_folders[i % 4]) ? file.BlockCount : 0), (path, file.HotBlocks));
                Assert.Equal((path, wanted, wanted), (path, file.Object!.StorageClass, found.StorageClass?.Value is { Length: > 0 } name ? name : "STANDARD"));
                Assert.Equal((path, found.ETag.Trim('"')), (path, file.Object.ETag));
            }
        }
    }

    private async Task<JobStatus> EndAsync(Installation it, string what, JobStatus job)
    {
        var last = job;
        await foreach (var now in it.Client.Jobs.WatchAsync(job.Id))
        {
            last = now;
        }

        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{what}: {(last.EndedTimeNanoseconds - last.StartedTimeNanoseconds) / 1e9:F1} s, {last.Failure} {last.Result}"));
        return last;
    }
}
