using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.TestSupport.Objects;
using DataLayer.TestSupport.Trees;

namespace DataLayer.Tests.Engine;

public sealed class FreshnessTests
{
    [Fact]
    public async Task Immutable_objects_are_never_asked_about()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("o", [1, 2, 3]);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.ReadAllAsync("/data/o");
        await fixture.ReadAllAsync("/data/o");
        Assert.Equal(0, fixture.Probe.Heads);
    }

    [Fact]
    public async Task Always_asks_once_an_open_and_shows_the_new_content()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("o", [1, 2, 3]);
        await fixture.AttachAsync(AttachmentMode.ReadOnly, FreshnessMode.Always);
        Assert.Equal([1, 2, 3], await fixture.ReadAllAsync("/data/o"));
        Assert.Equal(1, fixture.Probe.Heads);

        await fixture.PutObjectAsync("o", [4, 5, 6, 7]);

        Assert.Equal([4, 5, 6, 7], await fixture.ReadAllAsync("/data/o"));
        Assert.InRange(fixture.Probe.Heads, 2, 3);
    }

    [Fact]
    public async Task MaxAge_asks_only_when_the_last_answer_is_old()
    {
        ManualClock clock = new();
        await using EngineFixture fixture = new() { Time = clock };
        await fixture.StartAsync();
        await fixture.PutObjectAsync("o", [1]);
        await fixture.AttachAsync(AttachmentMode.ReadOnly, FreshnessMode.MaxAge, maxAge: TimeSpan.FromMinutes(10));

        await fixture.ReadAllAsync("/data/o");
        Assert.Equal(0, fixture.Probe.Heads);
        clock.Advance(TimeSpan.FromMinutes(11));
        await fixture.ReadAllAsync("/data/o");
        await fixture.ReadAllAsync("/data/o");
        Assert.Equal(1, fixture.Probe.Heads);
    }

    [Fact]
    public async Task An_object_deleted_behind_our_back_is_not_found()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("o", [1]);
        await fixture.PutObjectAsync("p", [1]);
        await fixture.AttachAsync(AttachmentMode.ReadOnly, FreshnessMode.Always);
        File.Delete(Path.Combine(fixture.Bucket, "o"));

        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => fixture.ReadAllAsync("/data/o"));

        Assert.Equal(ErrorCode.NotFound, error.Code);
        Assert.Single(await fixture.Engine.ListAsync("/data", null, 10, CancellationToken.None));
    }

    [Fact]
    public async Task An_object_that_changes_while_it_is_read_fails_that_read_and_the_next_open_reads_the_new_one()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] before = BytesContent.Random(4 << 20, seed: 1);
        byte[] after = BytesContent.Random(5 << 20, seed: 2);
        await fixture.PutObjectAsync("o", before);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await using OpenFile old = await fixture.Engine.OpenFileAsync("/data/o", write: false, CancellationToken.None);
        byte[] buffer = new byte[4096];
        await old.ReadAsync((1 << 20) + 500, buffer, CancellationToken.None);

        await fixture.PutObjectAsync("o", after);
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(
            () => old.ReadAsync((3 << 20) + 500, buffer, CancellationToken.None).AsTask());

        Assert.Equal(ErrorCode.Stale, error.Code);
        Assert.Contains("changed", error.Message, StringComparison.Ordinal);
        Assert.Equal(after, await fixture.ReadAllAsync("/data/o"));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }
}
