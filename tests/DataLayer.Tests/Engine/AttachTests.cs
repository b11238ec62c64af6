using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Attaching;

namespace DataLayer.Tests.Engine;

public sealed class AttachTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(40)]
    [InlineData(700)]
    public async Task Listing_costs_one_request_a_thousand_keys_and_one_a_split(int folders)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        const int Count = 4200;
        Fill(fixture, Count, folders);

        Attachment attachment = await fixture.AttachAsync(AttachmentMode.ReadOnly);

        const int Splits = 8 + 1;
        Assert.Equal(Count, attachment.ObjectCount);
        Assert.InRange(fixture.Probe.Lists, 5, (Count / 1000) + 1 + Splits);
        Assert.Equal((0, 0), (fixture.Probe.Heads, fixture.Probe.Reads));
        Assert.Equal(Count, (await fixture.Engine.GetUsageAsync("/data", CancellationToken.None)).FileCount);
        Assert.Null(attachment.ListingCursor);
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task An_interrupted_attach_goes_on_where_it_was()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        const int Count = 4200;
        Fill(fixture, Count, 1);
        fixture.Probe.Before = (verb, _) => verb == "LIST" && fixture.Probe.Lists > 3
            ? new DataLayerException(ErrorCode.OriginUnavailable, "down")
            : null;
        await Assert.ThrowsAsync<DataLayerException>(() => fixture.AttachAsync(AttachmentMode.ReadOnly).AsTask());
        long before = (await fixture.Engine.GetUsageAsync("/data", CancellationToken.None)).FileCount;
        Assert.InRange(before, 1000, Count - 1);

        fixture.Probe.Before = null;
        await fixture.ReopenAsync();
        fixture.Probe.Reset();
        AttachProgress last = default;
        Attachment attachment = await fixture.AttachAsync(AttachmentMode.ReadOnly, progress: new Reports(report => last = report));

        Assert.Equal(Count, attachment.ObjectCount);
        Assert.Equal(Count, (await fixture.Engine.GetUsageAsync("/data", CancellationToken.None)).FileCount);
        Assert.Equal(Count - before, last.Objects);
        Assert.True(last.Done);
    }

    [Fact]
    public async Task Refresh_brings_new_changed_and_vanished_objects()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("stays", [1]);
        await fixture.PutObjectAsync("changes", [2]);
        await fixture.PutObjectAsync("goes", [3]);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.ReadAllAsync("/data/changes");
        await fixture.SettleAsync();

        await fixture.PutObjectAsync("changes", [4, 4]);
        await fixture.PutObjectAsync("comes", [5]);
        File.Delete(Path.Combine(fixture.Bucket, "goes"));
        AttachProgress done = await fixture.Engine.RefreshAsync("/data", null, CancellationToken.None);

        Assert.True(done.Done);
        Assert.Equal(3, done.Objects);
        IReadOnlyList<DirectoryEntry> entries = await fixture.Engine.ListAsync("/data", null, 10, CancellationToken.None);
        Assert.Equal(["changes", "comes", "stays"], entries.Select(entry => entry.Name));
        Assert.Equal([4, 4], await fixture.ReadAllAsync("/data/changes"));
        Assert.Equal([5], await fixture.ReadAllAsync("/data/comes"));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Theory]
    [InlineData("attach.imported")]
    [InlineData("refresh.listed")]
    public async Task A_refresh_that_was_interrupted_removes_vanished_objects_when_it_goes_on(string interruptedAt)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        const int Count = 2600;
        Fill(fixture, Count, 1);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        string folder = Path.Combine(fixture.Bucket, "sub", "f0000");
        File.Delete(Path.Combine(folder, "o00005"));
        File.Delete(Path.Combine(folder, "o02500"));
        await fixture.PutObjectAsync("sub/f0000/o99999", [1]);
        await fixture.ReopenAsync();
        fixture.StepHook = step =>
        {
            if (step == interruptedAt)
            {
                throw new DataLayerException(ErrorCode.OriginUnavailable, "interrupted");
            }
        };
        await fixture.ReopenAsync();
        await Assert.ThrowsAsync<DataLayerException>(() => fixture.Engine.RefreshAsync("/data", null, CancellationToken.None).AsTask());
        Assert.NotNull(Assert.Single(await fixture.Engine.ListAttachmentsAsync(CancellationToken.None)).ListingCursor);

        fixture.StepHook = null;
        await fixture.ReopenAsync();
        await fixture.Engine.RefreshAsync("/data", null, CancellationToken.None);

        Attachment attachment = Assert.Single(await fixture.Engine.ListAttachmentsAsync(CancellationToken.None));
        Assert.Null(attachment.ListingCursor);
        Assert.Equal(Count - 1, attachment.ObjectCount);
        Assert.Equal(Count - 1, (await fixture.Engine.GetUsageAsync("/data", CancellationToken.None)).FileCount);
        foreach (string gone in (string[])["o00005", "o02500"])
        {
            DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(
                () => fixture.Engine.StatAsync($"/data/sub/f0000/{gone}", true, CancellationToken.None).AsTask());
            Assert.Equal(ErrorCode.NotFound, error.Code);
        }

        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public void A_plan_of_an_earlier_version_is_read_and_removes_nothing()
    {
        ListingPlan plan = ListingPlan.Parse("""[{"after":"c","until":"m/"}]""");
        Assert.Equal(0, plan.StartedNanoseconds);
        Assert.Equal([("c", "m/")], plan.Ranges().Select(range => (range.After, range.Until)));
        Assert.Equal(7, ListingPlan.Parse(ListingPlan.Whole(7).TextWith(new KeyRange(null, null), null)).StartedNanoseconds);
    }

    [Fact]
    public async Task Detach_removes_the_names_and_leaves_the_bucket_alone()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("d/o", [1]);
        await fixture.AttachAsync();
        await fixture.ReadAllAsync("/data/d/o");
        await fixture.SettleAsync();

        await fixture.Engine.DetachAsync("/data", force: false, CancellationToken.None);
        await fixture.JournalDoneAsync();

        Assert.Empty(await fixture.Engine.ListAsync("/data", null, 10, CancellationToken.None));
        Assert.Equal([1], await fixture.GetObjectAsync("d/o"));
        Assert.Equal((0, 0), (fixture.Probe.Writes, fixture.Probe.Deletes));
        await fixture.AssertCleanAsync();
        await fixture.WriteFileAsync("/data/free", [1]);
    }

    [Fact]
    public async Task A_second_attach_of_the_same_folder_is_refused()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.AttachAsync();
        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => fixture.AttachAsync().AsTask());
        Assert.Equal(ErrorCode.AlreadyExists, error.Code);
    }

    [Fact]
    public async Task Attachments_are_there_after_a_restart()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("o", [1, 2]);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.ReopenAsync();
        Assert.Single(await fixture.Engine.ListAttachmentsAsync(CancellationToken.None));
        Assert.Equal([1, 2], await fixture.ReadAllAsync("/data/o"));
    }

    [Fact]
    public void A_plan_survives_its_text_and_never_runs_ahead_of_commits()
    {
        ListingPlan plan = ListingPlan.Whole();
        KeyRange first = plan.Ranges()[0];
        KeyRange second = plan.Split(first, ["m/"])[0];

        string text = plan.TextWith(first, "c");
        Assert.Equal([("c", "m/"), ("m/", null)], ListingPlan.Parse(text).Ranges().Select(range => (range.After, range.Until)));

        // The second's import does not know of the first's, which is not committed yet.
        text = plan.TextWith(second, null);
        Assert.Equal([(null, "m/")], ListingPlan.Parse(text).Ranges().Select(range => (range.After, range.Until)));
        plan.Commit(first, "c");
        plan.Commit(second, null);
        Assert.Equal([("c", "m/")], plan.Ranges().Select(range => (range.After, range.Until)));
    }

    [Theory]
    [InlineData("a", "b", -1)]
    [InlineData("a", "a", 0)]
    [InlineData("a/", "a", 1)]
    [InlineData("\uFF5E", "\U0001F600", -1)]
    public void Keys_are_ordered_by_their_UTF8_bytes(string a, string b, int sign) =>
        Assert.Equal(sign, Math.Sign(ListingPlan.Compare(a, b)));

    private sealed class Reports(Action<AttachProgress> action) : IProgress<AttachProgress>
    {
        public void Report(AttachProgress value) => action(value);
    }

    private static void Fill(EngineFixture fixture, int count, int folders)
    {
        for (int i = 0; i < count; i++)
        {
            string folder = Path.Combine(fixture.Bucket, "sub", string.Create(CultureInfo.InvariantCulture, $"f{i % folders:D4}"));
            Directory.CreateDirectory(folder);
            File.WriteAllBytes(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"o{i:D5}")), [(byte)i]);
        }
    }
}
