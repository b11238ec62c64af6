using System.Globalization;
using System.Net;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;

namespace DataLayer.EndToEndTests.Tiering;

/// <summary>Objects that change their storage class, and such that lie in an archive, behind the real service.</summary>
public sealed class StorageClassTests
{
    private const string Key = "data/file";

    [Fact]
    public async Task Objects_change_their_class_where_they_are_and_are_not_taken_for_somebody_else_s()
    {
        await using var it = await Installation.StartWithOriginAsync();
        await it.AttachAsync(AttachmentMode.ReadWrite);
        var files = await WriteAsync(it, ("/data/file", 5000), ("/data/parts", 20 << 20), ("/data/empty", 0));
        var before = it.Origin.Get(Installation.Bucket, "data/parts")!;
        Assert.EndsWith("-3", before.ETag, StringComparison.Ordinal);
        Assert.NotEmpty(before.Metadata);

        var plan = await PlanAsync(it, "{place: release, storageClass: STANDARD_IA}");
        Assert.Equal((3, 2), (plan.Totals.Reclasses, plan.Totals.Releases));
        var job = await EndAsync(it, await it.Client.Jobs.ApplyAsync(plan.Id, new MoveCommand()));

        Assert.Equal(("done", 3), (job.State, job.Result!.Value.GetProperty("reclasses").GetInt32()));
        await CheckAsync(it, files, "STANDARD_IA");
        var after = it.Origin.Get(Installation.Bucket, "data/parts")!;
        Assert.NotEqual(before.ETag, after.ETag);
        Assert.Subset(after.Metadata.Keys.ToHashSet(), before.Metadata.Keys.ToHashSet());

        var undone = await EndAsync(it, await it.Client.Jobs.UndoAsync(job.Id, new MoveCommand()));

        Assert.Equal(("done", 3), (undone.State, undone.Result!.Value.GetProperty("reclasses").GetInt32()));
        await CheckAsync(it, files, "STANDARD");
        await it.CheckCleanAsync();
    }

    [Fact]
    public async Task A_copy_that_was_made_before_a_kill_is_known_again()
    {
        await using var it = await Installation.StartWithOriginAsync();
        await it.AttachAsync(AttachmentMode.ReadWrite);
        var files = await WriteAsync(it, ("/data/parts", 20 << 20));
        var plan = await PlanAsync(it, "{place: release, storageClass: STANDARD_IA}");
        var copied = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var held = new SemaphoreSlim(0);
        it.Origin.AfterServe = request =>
        {
            if (request.Verb == "COPY")
            {
                copied.SetResult();
                held.Wait();
            }
        };
        var job = await it.Client.Jobs.ApplyAsync(plan.Id, new MoveCommand());
        await copied.Task;
        await it.Service.KillAsync();
        held.Release();
        it.Origin.AfterServe = null;

        await it.Service.RestartAsync();
        job = await EndAsync(it, job);

        Assert.Equal(("done", 1, 1), (job.State, job.Result!.Value.GetProperty("reclasses").GetInt32(), it.Origin.CountOf("COPY")));
        await CheckAsync(it, files, "STANDARD_IA");
    }

    [Fact]
    public async Task A_reader_of_an_archived_object_gets_a_temporary_error_until_its_restore_is_done()
    {
        await using var it = await StartArchivedAsync("engine:\n  restoreLook: 30s\n");

        using var refused = await it.Service.Http.GetAsync(new Uri(ApiRoutes.Files + "/data/file", UriKind.Relative));
        var problem = await Installation.FailureOf(() => it.ReadAsync("/data/file"));

        Assert.Equal((HttpStatusCode.ServiceUnavailable, TimeSpan.FromSeconds(30)), (refused.StatusCode, refused.Headers.RetryAfter!.Delta));
        Assert.Equal(ErrorCode.Archived, problem.Code);
        Assert.Contains("GLACIER", problem.Message, StringComparison.Ordinal);
        Assert.Contains("try again later", problem.Message, StringComparison.Ordinal);
        Assert.Equal(1, it.Origin.CountOf("RESTORE"));

        it.Origin.FinishRestores(Installation.Bucket);
        Assert.Equal(it.Origin.Get(Installation.Bucket, Key)!.Bytes, await it.ReadAsync("/data/file"));
    }

    [Fact]
    public async Task Where_it_is_configured_a_reader_of_an_archived_object_waits_for_its_restore()
    {
        await using var it = await StartArchivedAsync("engine:\n  archiveReads: wait\n  restoreLook: 20ms\n");
        var read = it.ReadAsync("/data/file");
        await it.Origin.WhenAsync(() => it.Origin.Get(Installation.Bucket, Key)!.IsRestoring);
        Assert.False(read.IsCompleted);

        it.Origin.FinishRestores(Installation.Bucket);

        Assert.Equal(it.Origin.Get(Installation.Bucket, Key)!.Bytes, await read);
    }

    [Fact]
    public async Task A_recall_from_an_archive_waits_for_the_restore_also_over_a_restart()
    {
        await using var it = await StartArchivedAsync("engine:\n  archiveReads: refuse\n  restoreLook: 20ms\n");
        var plan = await PlanAsync(it, "{place: hot}");
        var job = await it.Client.Jobs.ApplyAsync(plan.Id, new MoveCommand());
        await foreach (var now in it.Client.Jobs.WatchAsync(job.Id))
        {
            if (now.Detail is { } detail && detail.GetProperty("restoring").GetInt32() == 0 && detail.TryGetProperty("phase", out var phase)
                && phase.GetString()!.Contains("archive", StringComparison.Ordinal))
            {
                break;
            }
        }

        await it.Service.KillAsync();
        it.Origin.FinishRestores(Installation.Bucket);
        await it.Service.RestartAsync();
        job = await EndAsync(it, job);

        Assert.Equal(("done", 1, 1), (job.State, job.Result!.Value.GetProperty("recalls").GetInt32(), it.Origin.CountOf("RESTORE")));
        var file = await it.Client.DescribeAsync("/data/file");
        Assert.Equal(file.BlockCount, file.HotBlocks);
    }

    /// <summary>An attached bucket whose one object somebody put into an archive.</summary>
    private static async Task<Installation> StartArchivedAsync(string settings)
    {
        var it = await Installation.StartWithOriginAsync(s => s with { More = settings });
        var bytes = new byte[300_000];
        new Random(5).NextBytes(bytes);
        it.Origin.Put(Installation.Bucket, Key, bytes);
        it.Origin.Change(Installation.Bucket, Key, o => o with { StorageClass = "GLACIER" });
        await it.AttachAsync();
        return it;
    }

    private static async Task CheckAsync(Installation it, Dictionary<string, byte[]> files, string storageClass)
    {
        foreach (var (path, bytes) in files)
        {
            var found = it.Origin.Get(Installation.Bucket, path[1..])!;
            Assert.Equal((path, storageClass), (path, found.StorageClass));
            Assert.True(found.Bytes.AsSpan().SequenceEqual(bytes), path);
            var told = (await it.Client.DescribeAsync(path)).Object!;
            Assert.Equal((found.ETag, storageClass), (told.ETag, told.StorageClass));
        }

        var version = (await it.Client.DescribeAsync("/data/parts")).Status.Version;
        await it.Client.Admin.RefreshAsync("/data");
        Assert.Equal(version, (await it.Client.DescribeAsync("/data/parts")).Status.Version);
        await it.EvictAsync("/data", hot: true);
        foreach (var (path, bytes) in files)
        {
            Assert.True((await it.ReadAsync(path)).AsSpan().SequenceEqual(bytes), path);
        }
    }

    private static async Task<Dictionary<string, byte[]>> WriteAsync(Installation it, params (string Path, int Bytes)[] files)
    {
        Dictionary<string, byte[]> written = [];
        foreach (var (path, count) in files)
        {
            var bytes = new byte[count];
            new Random(count).NextBytes(bytes);
            await it.Client.WriteFileAsync(path, bytes);
            written.Add(path, bytes);
        }

        await it.Client.Admin.FlushUploadsAsync("/data");
        return written;
    }

    private static async Task<PlanReport> PlanAsync(Installation it, string then)
    {
        await it.Client.Admin.SetPolicyAsync(new SetPolicyCommand
        {
            Text = string.Create(CultureInfo.InvariantCulture, $"version: 1\nrules: [{{name: all, match: {{path: \"/data/**\"}}, then: {then}}}]\n"),
        });
        return await it.Client.Admin.MakePlanAsync(new PlanCommand { Path = "/data" });
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
}
