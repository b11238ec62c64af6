using DataLayer.Core.Tree;
using DataLayer.EndToEndTests.Load;
using DataLayer.TestSupport.Origins;

namespace DataLayer.EndToEndTests.Promises;

/// <summary>Promises 6 and 7 at the API: copies, and the way to the cold tier and back.</summary>
public sealed class TierTests
{
    [Fact]
    public async Task With_two_copies_the_loss_of_a_whole_target_loses_no_byte()
    {
        await using var it = await Installation.StartAsync(s => s with { Width = 1, CopyCount = 2 });
        var load = new MixedLoad(7, workerCount: 2);
        await load.PrepareAsync(it.Client);
        await load.RunAsync(it.Client, 80);
        await it.Service.KillAsync();
        foreach (var file in Directory.EnumerateFiles(it.Service.Settings.Targets[0], "*", SearchOption.AllDirectories)
            .Where(path => path.Contains("/files/", StringComparison.Ordinal) || path.Contains("/segments/", StringComparison.Ordinal)))
        {
            File.Delete(file);
        }

        await it.Service.RestartAsync();
        Assert.Empty(await load.VerifyAsync(it.Client));
        await it.Client.Admin.ScrubAsync("/");
        Assert.Equal(0, (await it.Client.Admin.ScrubAsync("/")).RepairedChunks);
    }

    [Fact]
    public async Task A_hot_copy_is_not_released_before_its_object_was_verified()
    {
        await using var it = await Installation.StartWithOriginAsync();
        await it.AttachAsync(AttachmentMode.ReadWrite);
        it.Origin.Script = request => request.Verb is "PUT" or "CREATE" or "PART" or "COMPLETE" ? OriginScript.SlowDown : OriginScript.Serve;
        var bytes = new Content(1, 300_000).ToBytes();
        await it.Client.WriteFileAsync("/data/f", bytes);
        await it.EvictAsync("/data", hot: true);
        Assert.Equal(TierState.Hot, (await it.Client.StatAsync("/data/f")).State);
        Assert.Equal(bytes, await it.ReadAsync("/data/f"));

        it.Origin.Script = _ => OriginScript.Serve;
        await it.Client.Admin.FlushUploadsAsync("/data");
        await it.EvictAsync("/data", hot: true);
        Assert.Equal(TierState.Released, (await it.Client.StatAsync("/data/f")).State);
        Assert.Equal(bytes, await it.ReadAsync("/data/f"));
    }

    [Fact]
    public async Task An_upload_that_arrived_damaged_does_not_count()
    {
        await using var it = await Installation.StartWithOriginAsync();
        await it.AttachAsync(AttachmentMode.ReadWrite);
        var bytes = new Content(1, 300_000).ToBytes();
        var damaged = 0;
        it.Origin.Script = request => request.Verb == "PUT" && Interlocked.Increment(ref damaged) == 1 ? OriginAct.Flip : OriginScript.Serve;
        await it.Client.WriteFileAsync("/data/f", bytes);
        await it.Client.Admin.FlushUploadsAsync("/data");
        Assert.Equal(TierState.Premigrated, (await it.Client.StatAsync("/data/f")).State);
        Assert.Equal(bytes, it.Origin.Get(Installation.Bucket, "data/f")!.Bytes);
        Assert.True(damaged > 1, "the damaged upload was taken for good");
    }

    [Fact]
    public async Task Deletes_and_renames_in_the_tree_reach_a_read_write_bucket_and_never_a_read_only_one()
    {
        await using var it = await Installation.StartWithOriginAsync();
        it.Origin.Put(Installation.Bucket, "data/a", [1]);
        it.Origin.Put(Installation.Bucket, "kept/a", [1]);
        await it.AttachAsync(AttachmentMode.ReadWrite);
        await it.AttachAsync(path: "/kept", prefix: "kept");
        await it.Client.WriteFileAsync("/data/b", new byte[10]);
        await it.Client.RenameAsync("/data/b", "/data/c");
        await it.Client.DeleteAsync("/data/a");
        await it.Client.Admin.FlushUploadsAsync("/data");
        await it.Origin.WhenAsync(() => it.Origin.Keys(Installation.Bucket) is ["data/c", "kept/a"]);

        var refused = await Installation.FailureOf(async () => await it.Client.DeleteAsync("/kept/a"));
        Assert.Equal(Core.Errors.ErrorCode.ReadOnly, refused.Code);
        refused = await Installation.FailureOf(async () => await it.Client.WriteFileAsync("/kept/b", new byte[1]));
        Assert.Equal(Core.Errors.ErrorCode.ReadOnly, refused.Code);
        Assert.Equal(["data/c", "kept/a"], it.Origin.Keys(Installation.Bucket));
    }

    [Fact]
    public async Task A_kill_between_upload_and_commit_ends_in_one_verified_object()
    {
        await using var it = await Installation.StartWithOriginAsync();
        await it.AttachAsync(AttachmentMode.ReadWrite);
        for (var i = 0; i < 5; i++)
        {
            var bytes = new Content((ulong)i, 250_000).ToBytes();
            var applied = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            it.Origin.AfterServe = request => _ = request.Verb == "PUT" && applied.TrySetResult();
            await it.Client.WriteFileAsync("/data/f", bytes);
            await applied.Task;
            await it.Service.KillAsync();
            await it.Service.RestartAsync();
            await it.Client.Admin.FlushUploadsAsync("/data");
            Assert.Equal(bytes, it.Origin.Get(Installation.Bucket, "data/f")!.Bytes);
            Assert.Equal(TierState.Premigrated, (await it.Client.StatAsync("/data/f")).State);
            await it.CheckCleanAsync();
        }
    }
}
