using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Engine;

public sealed class UpkeepTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public async Task Warm_makes_everything_resident_and_says_so()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        for (int i = 0; i < 20; i++)
        {
            await fixture.PutObjectAsync($"small/{i}", BytesContent.Random(1000 + i, i));
        }

        await fixture.PutObjectAsync("large", BytesContent.Random((9 * MiB) + 3));
        await fixture.AttachAsync(AttachmentMode.ReadOnly);

        WarmResult first = await fixture.Engine.WarmAsync("/data", intoMemory: false, null, CancellationToken.None);
        Assert.Equal((21, 21, 0, 0), (first.Files, first.FilesDone, first.Failed, first.AlreadyHot));
        fixture.Probe.Reset();
        WarmResult second = await fixture.Engine.WarmAsync("/data", intoMemory: true, null, CancellationToken.None);
        Assert.Equal((21, 21), (second.FilesDone, second.AlreadyHot));

        Assert.Equal(BytesContent.Random((9 * MiB) + 3), await fixture.ReadAllAsync("/data/large"));
        Assert.Equal(BytesContent.Random(1007, 7), await fixture.ReadAllAsync("/data/small/7"));
        Assert.Equal(0, fixture.Probe.Reads);
        FileDescription description = await fixture.Engine.DescribeAsync("/data/large", CancellationToken.None);
        Assert.Equal((10u, 10u, 10u), (description.BlockCount, description.HotBlocks, description.MemoryBlocks));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Warm_counts_what_it_could_not_bring()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("a", [1]);
        await fixture.PutObjectAsync("b", [2]);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        fixture.Probe.Before = (verb, key) => verb == "GET" && key == "b" ? new DataLayerException(ErrorCode.OriginUnavailable, "b is down") : null;

        WarmResult result = await fixture.Engine.WarmAsync("/data", intoMemory: false, null, CancellationToken.None);

        Assert.Equal((2, 1, 1), (result.Files, result.FilesDone, result.Failed));
        Assert.Contains("b is down", result.FirstError, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Evict_never_gives_up_the_only_copy()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(2 * MiB);
        await fixture.WriteFileAsync("/local", bytes);

        EvictResult result = await fixture.Engine.EvictAsync("/", hotToo: true, CancellationToken.None);

        Assert.Equal((0, 1), (result.ReleasedFiles, result.KeptFiles));
        Assert.Equal(bytes, await fixture.ReadAllAsync("/local"));
    }

    [Fact]
    public async Task A_reader_goes_on_when_its_hot_copy_is_released_under_it()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(4 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.Engine.WarmAsync("/data", intoMemory: false, null, CancellationToken.None);
        await using OpenFile file = await fixture.Engine.OpenFileAsync("/data/o", write: false, CancellationToken.None);
        byte[] first = new byte[1000];
        await file.ReadAsync(0, first, CancellationToken.None);

        await fixture.Engine.EvictAsync("/data", hotToo: true, CancellationToken.None);
        await fixture.JournalDoneAsync();

        Assert.Equal(bytes, await EngineFixture.ReadAllAsync(file));
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(3 * MiB)]
    public async Task A_damaged_hot_copy_is_read_from_the_object_and_mended(int length)
    {
        await using EngineFixture fixture = new() { RecallQueueBytes = 0 };
        await fixture.StartAsync();
        byte[] bytes = BytesContent.Random(length);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.Engine.WarmAsync("/data", intoMemory: false, null, CancellationToken.None);
        await fixture.StopAsync();
        Damage(fixture, bytes);
        await fixture.StartAsync();

        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
        Assert.True(fixture.Engine.GetStatistics().HotRepairs > 0);
        WarmResult warmed = await fixture.Engine.WarmAsync("/data", intoMemory: false, null, CancellationToken.None);
        Assert.Equal(0, warmed.Failed);
        ScrubReport report = await fixture.Engine.ScrubAsync("/", null, CancellationToken.None);
        Assert.Equal((1, 0), (report.Files, report.BadFiles));
    }

    [Fact]
    public async Task Scrub_finds_damage_and_fetches_it_again_from_the_object()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(3 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.Engine.WarmAsync("/data", intoMemory: false, null, CancellationToken.None);
        await fixture.StopAsync();
        Damage(fixture, bytes);
        await fixture.StartAsync();

        ScrubReport report = await fixture.Engine.ScrubAsync("/data", null, CancellationToken.None);
        Assert.True(report.RepairedFromObjects > 0);
        Assert.Equal(0, report.BadFiles);
        fixture.Probe.Reset();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
        Assert.Equal(0, fixture.Probe.Reads);
    }

    [Fact]
    public async Task Damage_without_another_copy_is_an_error_and_never_wrong_bytes()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(3 * MiB);
        await fixture.WriteFileAsync("/a", bytes);
        await fixture.StopAsync();
        Damage(fixture, bytes);
        await fixture.StartAsync();

        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => fixture.ReadAllAsync("/a"));
        Assert.Equal(ErrorCode.Corrupt, error.Code);
        ScrubReport report = await fixture.Engine.ScrubAsync("/", null, CancellationToken.None);
        Assert.Equal(1, report.BadFiles);
    }

    [Fact]
    public async Task Fsck_finds_stray_and_lost_copies_and_repairs_both()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(2 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.Engine.WarmAsync("/data", intoMemory: false, null, CancellationToken.None);
        await fixture.AssertCleanAsync();
        InodeAttributes attributes = await fixture.Engine.StatAsync("/data/o", true, CancellationToken.None);
        FileContent content = (await fixture.Tree.GetContentAsync(attributes.Inode, CancellationToken.None))!;
        await fixture.Hot.DeleteAsync(attributes.Content, content.Placement!, CancellationToken.None);
        ContentId stray = new(new InodeId(999_999), 1);
        await fixture.Hot.WriteAsync(stray, fixture.Hot.PlaceStriped(null, stray, MiB), 0, bytes.AsMemory(0, MiB), CancellationToken.None);

        CheckReport found = await fixture.Engine.FsckAsync(repair: false, CancellationToken.None);
        Assert.Equal(["lost-hot-copy", "stray-hot-copy"], found.Problems.Select(problem => problem.Kind).Order());
        CheckReport repaired = await fixture.Engine.FsckAsync(repair: true, CancellationToken.None);
        Assert.Equal(2, repaired.RepairedCount);
        await fixture.JournalDoneAsync();

        await fixture.AssertCleanAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
    }

    [Fact]
    public async Task Fsck_counts_inodes_and_contents()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.Engine.MakeDirectoryAsync("/d", 0x1ED, parents: false, CancellationToken.None);
        await fixture.WriteFileAsync("/d/small", BytesContent.Random(1000));
        await fixture.WriteFileAsync("/d/large", BytesContent.Random(MiB));
        await fixture.WriteFileAsync("/d/empty", []);

        CheckReport report = await fixture.Engine.FsckAsync(repair: false, CancellationToken.None);

        Assert.Equal((5, 2), (report.Inodes, report.Contents));
        Assert.Empty(report.Problems);
    }

    [Fact]
    public async Task Fsck_finds_records_that_nobody_knows_and_repair_deletes_them()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.WriteFileAsync("/kept", BytesContent.Random(5000));
        ContentId stray = new(new InodeId(999_999), 1);
        SegmentPlacement record = await fixture.Hot.AppendSmallAsync(stray, null, BytesContent.Random(3000, 2), CancellationToken.None);
        await fixture.Hot.FlushAsync(stray, record, CancellationToken.None);

        CheckReport found = await fixture.Engine.FsckAsync(repair: false, CancellationToken.None);
        TreeProblem problem = Assert.Single(found.Problems);
        Assert.Equal(("stray-record", stray.Inode), (problem.Kind, problem.Inode));
        Assert.False(fixture.Hot.IsRecordDead(record));
        CheckReport repaired = await fixture.Engine.FsckAsync(repair: true, CancellationToken.None);
        Assert.Equal(1, repaired.RepairedCount);
        Assert.True(fixture.Hot.IsRecordDead(record));

        await fixture.AssertCleanAsync();
        Assert.Equal(BytesContent.Random(5000), await fixture.ReadAllAsync("/kept"));
    }

    [Fact]
    public async Task Fsck_after_a_crash_does_not_mind_records_that_the_start_counted_as_dead()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.WriteFileAsync("/kept", BytesContent.Random(5000));
        ContentId stray = new(new InodeId(999_999), 1);
        SegmentPlacement record = await fixture.Hot.AppendSmallAsync(stray, null, BytesContent.Random(3000, 2), CancellationToken.None);
        await fixture.Hot.FlushAsync(stray, record, CancellationToken.None);
        await fixture.ReopenAsync();

        await fixture.AssertCleanAsync();
        Assert.False(fixture.Hot.IsRecordDead(record));
    }

    [Fact]
    public async Task Fsck_leaves_a_record_alone_whose_file_is_being_published()
    {
        await using EngineFixture fixture = new();
        TaskCompletionSource<CheckReport> checkedThen = new();
        fixture.StepHook = step =>
        {
            if (step == "replace.flushed")
            {
                checkedThen.SetResult(fixture.Engine.FsckAsync(repair: true, CancellationToken.None).AsTask().GetAwaiter().GetResult());
            }
        };
        await fixture.StartAsync();
        await fixture.WriteFileAsync("/new", BytesContent.Random(5000));

        Assert.Empty((await checkedThen.Task).Problems);
        Assert.Equal(BytesContent.Random(5000), await fixture.ReadAllAsync("/new"));
    }

    [Fact]
    public async Task Fsck_finds_lost_records_and_repairs_those_that_an_object_holds()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(3000);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.Engine.WarmAsync("/data", intoMemory: false, null, CancellationToken.None);
        await fixture.WriteFileAsync("/only", bytes);
        await fixture.AssertCleanAsync();
        await fixture.StopAsync();
        foreach (string segment in Directory.EnumerateFiles(Path.GetDirectoryName(fixture.Target(0))!, "*.seg", SearchOption.AllDirectories))
        {
            using FileStream file = File.OpenWrite(segment);
            file.SetLength(64);
        }

        await fixture.StartAsync();
        CheckReport found = await fixture.Engine.FsckAsync(repair: false, CancellationToken.None);
        Assert.Equal(["lost-hot-copy", "lost-hot-copy"], found.Problems.Select(problem => problem.Kind));
        CheckReport repaired = await fixture.Engine.FsckAsync(repair: true, CancellationToken.None);
        Assert.Equal(1, repaired.RepairedCount);
        await fixture.JournalDoneAsync();

        // What has no other copy is still reported, and removing the file ends it.
        found = await fixture.Engine.FsckAsync(repair: true, CancellationToken.None);
        Assert.Contains("no other copy", Assert.Single(found.Problems).Message, StringComparison.Ordinal);
        await fixture.Engine.RemoveAsync("/only", recursive: false, null, CancellationToken.None);
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
    }

    [Fact]
    public async Task Fsck_with_repair_mends_the_tree_too()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.AttachAsync(AttachmentMode.ReadWrite);
        fixture.Probe.Before = static (verb, _) => verb == "PUT" ? new DataLayerException(ErrorCode.OriginUnavailable, "down") : null;
        await fixture.WriteFileAsync("/data/f", BytesContent.Random(1000));
        await fixture.DamageTreeAsync("DELETE FROM journal WHERE kind = 1");

        CheckReport found = await fixture.Engine.FsckAsync(repair: false, CancellationToken.None);
        Assert.Equal("upload-missing", Assert.Single(found.Problems).Kind);
        fixture.Probe.Before = null;
        CheckReport repaired = await fixture.Engine.FsckAsync(repair: true, CancellationToken.None);
        Assert.Equal((1, 0), (repaired.RepairedCount, repaired.Problems.Count));
        await fixture.JournalDoneAsync();
        Assert.Equal(BytesContent.Random(1000), await fixture.GetObjectAsync("f"));
    }

    [Fact]
    public async Task Draining_moves_everything_off_a_target()
    {
        await using EngineFixture fixture = new() { Width = 1 };
        await fixture.StartAsync();
        Dictionary<string, byte[]> files = [];
        for (int i = 0; i < 12; i++)
        {
            files[$"/f{i}"] = BytesContent.Random(i % 2 == 0 ? 1000 + i : MiB + i, i);
            await fixture.WriteFileAsync($"/f{i}", files[$"/f{i}"]);
        }

        int target = fixture.Hot.GetTargets()[0].Target;
        await fixture.Engine.DrainTargetAsync(target, null, CancellationToken.None);
        await fixture.JournalDoneAsync();

        foreach (FileContent placed in await fixture.Tree.ListPlacedAsync(InodeId.None, 100, CancellationToken.None))
        {
            Assert.DoesNotContain(target, placed.Placement is StripedPlacement striped ? striped.Targets : ((SegmentPlacement)placed.Placement!).Targets);
        }

        foreach ((string path, byte[] bytes) in files)
        {
            Assert.Equal(bytes, await fixture.ReadAllAsync(path));
        }

        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Mostly_dead_segments_are_compacted()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        for (int i = 0; i < 60; i++)
        {
            await fixture.WriteFileAsync($"/f{i}", BytesContent.Random(60_000, i));
        }

        for (int i = 0; i < 60; i++)
        {
            if (i % 6 != 0)
            {
                await fixture.Engine.RemoveAsync($"/f{i}", false, null, CancellationToken.None);
            }
        }

        await fixture.JournalDoneAsync();
        int before = fixture.Hot.GetCompactableSegments().Count;
        int moved = await fixture.Engine.CompactAsync(CancellationToken.None);
        await fixture.JournalDoneAsync();

        Assert.True(before > 0);
        Assert.True(moved > 0);
        Assert.True(fixture.Hot.GetCompactableSegments().Count < before);
        for (int i = 0; i < 60; i += 6)
        {
            Assert.Equal(BytesContent.Random(60_000, i), await fixture.ReadAllAsync($"/f{i}"));
        }
    }

    [Fact]
    public async Task Names_are_kept_in_memory_and_never_stale()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        FileEngine engine = fixture.Engine;
        await engine.MakeDirectoryAsync("/a/b/c", 0x1ED, parents: true, CancellationToken.None);
        await fixture.WriteFileAsync("/a/b/c/f", [1]);
        Assert.Equal([1], await fixture.ReadAllAsync("/a/b/c/f"));

        await engine.RenameAsync("/a/b", "/a/x", RenameFlags.None, CancellationToken.None);
        Assert.Equal([1], await fixture.ReadAllAsync("/a/x/c/f"));
        await Assert.ThrowsAsync<DataLayerException>(() => fixture.ReadAllAsync("/a/b/c/f"));
        await engine.MakeDirectoryAsync("/a/b", 0x1ED, parents: false, CancellationToken.None);
        await Assert.ThrowsAsync<DataLayerException>(() => fixture.ReadAllAsync("/a/b/c/f"));
        await engine.SetAttributesAsync("/a/x/c/f", new AttributeChanges { Mode = 0x100 }, CancellationToken.None);
        Assert.Equal(0x100, (await engine.StatAsync("/a/x/c/f", true, CancellationToken.None)).Mode);
        DirectoryEntry listed = Assert.Single(await engine.ListAsync("/a/x/c", null, 10, CancellationToken.None));
        Assert.Equal((0x100, 1L), (listed.Attributes.Mode, listed.Attributes.SizeBytes));
        await fixture.WriteFileAsync("/a/x/c/f", [1, 2]);
        listed = Assert.Single(await engine.ListAsync("/a/x/c", null, 10, CancellationToken.None));
        Assert.Equal(2, listed.Attributes.SizeBytes);
        await engine.MakeSymbolicLinkAsync("/link", "/a/x/c", CancellationToken.None);
        Assert.Equal([1, 2], await fixture.ReadAllAsync("/link/f"));
        await engine.LinkAsync("/a/x/c/f", "/hard", CancellationToken.None);
        await engine.RemoveAsync("/a", recursive: true, null, CancellationToken.None);
        Assert.Equal([1, 2], await fixture.ReadAllAsync("/hard"));
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public void Bad_options_are_named_all_at_once()
    {
        FileEngineOptions options = new() { MaxRequests = 0, SubBlockBytes = 100_000, ReadaheadBytes = 1 };
        DataLayerException error = Assert.Throws<DataLayerException>(options.Validate);
        Assert.Contains("MaxRequests", error.Message, StringComparison.Ordinal);
        Assert.Contains("SubBlockBytes", error.Message, StringComparison.Ordinal);
        Assert.Contains("ReadaheadBytes", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Flips a byte of the content wherever the targets hold it.</summary>
    private static void Damage(EngineFixture fixture, byte[] content)
    {
        int damaged = 0;
        byte[] pattern = content[..64];
        for (int target = 0; target < 2; target++)
        {
            foreach (string path in Directory.EnumerateFiles(fixture.Target(target), "*", SearchOption.AllDirectories))
            {
                byte[] bytes = File.ReadAllBytes(path);
                int at = bytes.AsSpan().IndexOf(pattern);
                if (at >= 0)
                {
                    bytes[at + 20] ^= 0x40;
                    File.WriteAllBytes(path, bytes);
                    damaged++;
                }
            }
        }

        Assert.True(damaged > 0);
    }
}
