using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Engine;

public sealed class UploadTests
{
    [Fact]
    public async Task An_upload_that_fails_is_tried_again_until_it_is_verified()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.AttachAsync();
        int failures = 0;
        fixture.Probe.Before = (verb, _) => verb == "PUT" && Interlocked.Increment(ref failures) <= 3
            ? new DataLayerException(ErrorCode.OriginUnavailable, "503")
            : null;

        await fixture.WriteFileAsync("/data/a", [1, 2, 3]);
        Assert.Equal([1, 2, 3], await fixture.ReadAllAsync("/data/a"));
        await fixture.Engine.FlushUploadsAsync("/", CancellationToken.None);

        Assert.Equal([1, 2, 3], await fixture.GetObjectAsync("a"));
        Assert.True(fixture.Probe.Writes >= 4);
    }

    [Fact]
    public async Task Who_waits_for_an_upload_waits_until_readers_know_the_new_object()
    {
        TaskCompletionSource committed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using ManualResetEventSlim goOn = new();
        EngineFixture fixture = new()
        {
            StepHook = step =>
            {
                if (step == "upload.completed" && committed.TrySetResult())
                {
                    goOn.Wait();
                }
            },
        };
        await using EngineFixture opened = fixture;
        await fixture.StartAsync();
        await fixture.AttachAsync();
        await fixture.WriteFileAsync("/data/a", [1, 2, 3]);
        InodeAttributes file = await fixture.Engine.StatAsync("/data/a", followLast: true, default);
        Task hurried = fixture.Engine.FlushUploadsAsync("/data", default).AsTask();
        await committed.Task;

        // The tree owes nothing any more, but the content's state still has the object from before.
        Task waiting = Task.Run(() => fixture.Engine.Uploads.WaitAsync(file.Inode, retryFailures: false, default).AsTask());
        for (int i = 0; i < 100 && !waiting.IsCompleted; i++)
        {
            Assert.Empty(await fixture.Engine.Context.Tree.ListJournalOfAsync(file.Inode, default));
        }

        Assert.False(waiting.IsCompleted);
        goOn.Set();
        await waiting;
        await hurried;
    }

    [Fact]
    public async Task An_upload_is_waited_for_even_if_it_has_the_number_of_one_before()
    {
        await using EngineFixture fixture = new();
        await fixture.StartAsync();
        await fixture.WriteFileAsync("/a", [1]);
        InodeAttributes file = await fixture.Engine.StatAsync("/a", followLast: true, default);
        JournalEntry before = UploadOf(new ContentId(new InodeId(file.Inode.Value + 1), 1));
        JournalEntry after = UploadOf(new ContentId(file.Inode, 1));
        fixture.Engine.Uploads.Started(before);
        fixture.Engine.Uploads.Started(after);
        fixture.Engine.Uploads.Stopped(before);

        Task waiting = fixture.Engine.Uploads.WaitAsync(file.Inode, retryFailures: false, default).AsTask();
        await fixture.Engine.Context.Tree.ListJournalOfAsync(file.Inode, default);
        Assert.False(waiting.IsCompleted);
        fixture.Engine.Uploads.Stopped(after);
        await waiting.WaitAsync(TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task Pending_uploads_survive_a_restart()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.AttachAsync();
        fixture.Probe.Before = (verb, _) => verb == "PUT" ? new DataLayerException(ErrorCode.OriginUnavailable, "down") : null;
        await fixture.WriteFileAsync("/data/a", BytesContent.Random(100_000));

        await fixture.StopAsync();
        fixture.Probe.Before = null;
        await fixture.StartAsync();
        await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);

        Assert.Equal(BytesContent.Random(100_000), await fixture.GetObjectAsync("a"));
    }

    [Fact]
    public async Task A_lost_answer_of_an_upload_is_recognised_as_our_own()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.AttachAsync();
        int lost = 0;
        fixture.Probe.After = (verb, _) => verb == "PUT" && Interlocked.Increment(ref lost) == 1
            ? new DataLayerException(ErrorCode.TimedOut, "the answer was lost")
            : null;

        await fixture.WriteFileAsync("/data/a", [1, 2, 3]);
        await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);

        Assert.Equal([1, 2, 3], await fixture.GetObjectAsync("a"));
        Assert.Equal(0, fixture.Engine.GetStatistics().UploadConflicts);
    }

    [Fact]
    public async Task A_lost_answer_of_an_overwrite_is_recognised_as_our_own()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("a", [9, 9]);
        await fixture.AttachAsync();
        int lost = 0;
        fixture.Probe.After = (verb, _) => verb == "PUT" && Interlocked.Increment(ref lost) == 1
            ? new DataLayerException(ErrorCode.TimedOut, "the answer was lost")
            : null;

        await fixture.WriteFileAsync("/data/a", [1, 2, 3]);
        await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);

        Assert.Equal([1, 2, 3], await fixture.GetObjectAsync("a"));
        Assert.Equal(0, fixture.Engine.GetStatistics().UploadConflicts);
    }

    [Fact]
    public async Task An_upload_whose_answer_was_lost_does_not_stop_the_next_contents_upload()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.AttachAsync();
        TaskCompletionSource stored = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bool down = false;
        fixture.Probe.Before = (verb, _) => down && verb == "PUT" ? new DataLayerException(ErrorCode.OriginUnavailable, "down") : null;
        fixture.Probe.After = (verb, _) =>
        {
            down = true;
            stored.TrySetResult();
            return new DataLayerException(ErrorCode.TimedOut, "the answer was lost");
        };
        await fixture.WriteFileAsync("/data/a", [1, 2, 3]);
        await stored.Task;
        await fixture.WriteFileAsync("/data/a", [4, 5]);
        await fixture.StopAsync();
        fixture.Probe.Before = fixture.Probe.After = null;
        await fixture.StartAsync();

        await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);

        Assert.Equal([4, 5], await fixture.GetObjectAsync("a"));
        Assert.Empty(await fixture.Engine.ListXattrsAsync("/data/a", CancellationToken.None));
    }

    [Fact]
    public async Task An_object_changed_by_somebody_else_is_not_overwritten_and_ours_is_kept()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("a", [9, 9]);
        await fixture.AttachAsync();
        fixture.Probe.Before = (verb, _) => verb == "PUT" ? new DataLayerException(ErrorCode.OriginUnavailable, "down") : null;
        await fixture.WriteFileAsync("/data/a", [1, 2, 3]);
        await fixture.PutObjectAsync("a", [7, 7, 7, 7]);
        fixture.Probe.Before = null;

        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(
            () => fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None).AsTask());

        Assert.Equal(ErrorCode.Stale, error.Code);
        Assert.Equal([7, 7, 7, 7], await fixture.GetObjectAsync("a"));
        Assert.Equal([1, 2, 3], await fixture.ReadAllAsync("/data/a"));
        Assert.True(fixture.Engine.GetStatistics().UploadConflicts > 0);
        EvictResult evicted = await fixture.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);
        Assert.Equal((0, 1), (evicted.ReleasedFiles, evicted.KeptFiles));
        Assert.Equal([1, 2, 3], await fixture.ReadAllAsync("/data/a"));
    }

    [Fact]
    public async Task An_object_changed_by_somebody_else_is_not_deleted()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("a", [9, 9]);
        await fixture.AttachAsync();
        await fixture.PutObjectAsync("a", [7, 7, 7, 7]);

        await fixture.Engine.RemoveAsync("/data/a", false, null, CancellationToken.None);
        await fixture.JournalDoneAsync();

        Assert.Equal([7, 7, 7, 7], await fixture.GetObjectAsync("a"));
    }

    [Fact]
    public async Task Write_through_acknowledges_only_what_the_bucket_holds()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.AttachAsync(flush: FlushMode.WriteThrough);

        InodeAttributes written = await fixture.WriteFileAsync("/data/a", [1, 2, 3]);

        Assert.Equal(TierState.Premigrated, written.State);
        Assert.Equal([1, 2, 3], await fixture.GetObjectAsync("a"));

        await using (OpenFile file = await fixture.Engine.OpenFileAsync("/data/a", write: true, CancellationToken.None))
        {
            await file.WriteAsync(0, new byte[] { 5 }, CancellationToken.None);
            await file.FlushAsync(CancellationToken.None);
            Assert.Equal([5, 2, 3], await fixture.GetObjectAsync("a"));
        }
    }

    [Fact]
    public async Task Write_through_reports_a_bucket_that_is_down_and_keeps_the_content()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.AttachAsync(flush: FlushMode.WriteThrough);
        fixture.Probe.Before = (verb, _) => verb == "PUT" ? new DataLayerException(ErrorCode.OriginUnavailable, "down") : null;

        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => fixture.WriteFileAsync("/data/a", [1]));

        Assert.Equal(ErrorCode.OriginUnavailable, error.Code);
        Assert.Equal([1], await fixture.ReadAllAsync("/data/a"));
        fixture.Probe.Before = null;
        await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        Assert.Equal([1], await fixture.GetObjectAsync("a"));
    }

    [Fact]
    public async Task The_last_of_many_replacements_is_what_the_bucket_ends_with()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.AttachAsync();
        for (byte i = 0; i < 30; i++)
        {
            await fixture.WriteFileAsync("/data/a", [i, i]);
        }

        await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        await fixture.JournalDoneAsync();

        Assert.Equal([29, 29], await fixture.GetObjectAsync("a"));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_released_file_reads_from_its_object_and_is_recalled()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.AttachAsync();
        byte[] bytes = BytesContent.Random(3 << 20);
        await fixture.WriteFileAsync("/data/a", bytes);
        await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);

        EvictResult evicted = await fixture.Engine.EvictAsync("/data/a", hotToo: true, CancellationToken.None);
        Assert.Equal((1, bytes.Length), (evicted.ReleasedFiles, evicted.ReleasedBytes));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
        Assert.Equal(TierState.Released, (await fixture.Engine.StatAsync("/data/a", true, CancellationToken.None)).State);

        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/a"));
        await fixture.SettleAsync();
        Assert.Equal(TierState.Premigrated, (await fixture.Engine.StatAsync("/data/a", true, CancellationToken.None)).State);
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_reader_of_a_replaced_cold_content_finishes_before_the_object_is_overwritten()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        fixture.RecallQueueBytes = 0;
        await fixture.ReopenAsync();
        byte[] old = BytesContent.Random(4 << 20);
        await fixture.PutObjectAsync("a", old);
        await fixture.AttachAsync();
        OpenFile reader = await fixture.Engine.OpenFileAsync("/data/a", write: false, CancellationToken.None);

        await fixture.WriteFileAsync("/data/a", [1]);

        Assert.Equal(old, await EngineFixture.ReadAllAsync(reader));
        await reader.DisposeAsync();
        await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);
        Assert.Equal([1], await fixture.GetObjectAsync("a"));
    }

    private static JournalEntry UploadOf(ContentId content) =>
        new() { Id = 5, Kind = JournalKind.UploadObject, Content = content };
}
