using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Profiles;
using DataLayer.Tests.Engine;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Tiering.Profiles;

public sealed class ProfileServiceTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public async Task A_replay_makes_exactly_the_recorded_blocks_hot()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("big", BytesContent.Random(20 * MiB));
        await fixture.PutObjectAsync("small", BytesContent.Random(5000));
        await fixture.PutObjectAsync("other", BytesContent.Random(3 * MiB));
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        ProfileService profiles = fixture.Engine.Profiles;
        await profiles.RecordAsync("p", "/data", null, default);
        await using (OpenFile big = await fixture.Engine.OpenFileAsync("/data/big", write: false, default))
        {
            byte[] piece = new byte[1000];
            foreach (int block in (int[])[17, 3, 3, 8])
            {
                await big.ReadAsync((long)block * MiB + 77, piece, default);
            }

            await big.ReadAsync(11 * MiB - 10, piece, default); // The end of one block and the start of the next.
        }

        await fixture.ReadAllAsync("/data/small");
        ProfileSummary kept = await profiles.StopAsync("p", default);
        Assert.Equal((2, 6L, 0L), (kept.FileCount, kept.BlockCount, kept.MissedCount));
        AccessProfile profile = await profiles.GetAsync("p", default);
        Assert.Equal([17u, 3u, 8u, 10u, 0u], profile.Entries.Select(entry => entry.FirstBlock));

        await MakeColdAsync(fixture);
        ProfileReplayResult dry = await profiles.ReplayAsync("p", isDryRun: true, null, default);
        Assert.Equal((6L, 0L, (5L * MiB) + 5000), (dry.BlockCount, dry.HotBlocks, dry.FetchedBytes));
        Assert.Empty(await HotBlocksAsync(fixture, "/data/big"));
        int before = fixture.Probe.Reads;

        ProfileReplayResult done = await profiles.ReplayAsync("p", isDryRun: false, null, default);

        Assert.Equal((6L, 6L, 0L, 0L), (done.BlockCount, done.HotBlocks, done.AlreadyHotBlocks, done.FailedBlocks));
        Assert.Equal("3 8 10 11 17", string.Join(' ', await HotBlocksAsync(fixture, "/data/big")));
        Assert.Equal("0", string.Join(' ', await HotBlocksAsync(fixture, "/data/small")));
        Assert.Empty(await HotBlocksAsync(fixture, "/data/other"));
        int requests = fixture.Probe.Reads - before;
        Assert.InRange(requests, 1, 6);

        await fixture.ReadAsync("/data/big", 17 * MiB, MiB);
        await fixture.ReadAsync("/data/small", 0, 5000);
        Assert.Equal(requests, fixture.Probe.Reads - before);
        ProfileReplayResult again = await profiles.ReplayAsync("p", isDryRun: false, null, default);
        Assert.Equal((6L, 0L), (again.AlreadyHotBlocks, again.FetchedBytes));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Renamed_files_are_found_and_vanished_ones_told()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        foreach (string name in (string[])["a", "b", "c"])
        {
            await fixture.PutObjectAsync(name, BytesContent.Random(2 * MiB));
        }

        await fixture.AttachAsync(AttachmentMode.ReadWrite);
        ProfileService profiles = fixture.Engine.Profiles;
        await profiles.RecordAsync("p", "/", null, default);
        foreach (string name in (string[])["a", "b", "c"])
        {
            await fixture.ReadAllAsync("/data/" + name);
        }

        await profiles.StopAsync("p", default);
        await MakeColdAsync(fixture);
        await fixture.Engine.RenameAsync("/data/a", "/data/moved", RenameFlags.None, default);
        await fixture.Engine.RemoveAsync("/data/b", recursive: false, null, default);
        await MakeColdAsync(fixture);

        ProfileReplayResult result = await profiles.ReplayAsync("p", isDryRun: false, null, default);

        Assert.Equal((3L, 1L, 1L), (result.FileCount, result.MovedFiles, result.VanishedFiles));
        Assert.Equal(["/data/b"], result.Vanished);
        Assert.Equal((4L, 4L, 0L), (result.BlockCount, result.HotBlocks, result.FailedBlocks));
    }

    [Fact]
    public async Task A_warm_up_and_reads_outside_the_path_are_not_recorded()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("in", BytesContent.Random(2 * MiB));
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.WriteFileAsync("/outside", BytesContent.Random(MiB));
        ProfileService profiles = fixture.Engine.Profiles;
        await profiles.RecordAsync("p", "/data", null, default);
        await fixture.Engine.WarmAsync("/data", intoMemory: true, null, default);
        await fixture.ReadAllAsync("/outside");

        ProfileSummary kept = await profiles.StopAsync("p", default);

        Assert.Equal((0L, 0L), (kept.FileCount, kept.BlockCount));
    }

    [Fact]
    public async Task Readers_side_by_side_are_all_recorded_and_a_second_recording_sees_its_own_part()
    {
        const int Files = 60;
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        for (int i = 0; i < Files; i++)
        {
            await fixture.WriteFileAsync($"/f{i}", BytesContent.Random(3 * MiB / 2));
        }

        ProfileService profiles = fixture.Engine.Profiles;
        await profiles.RecordAsync("all", "/", null, default);
        await profiles.RecordAsync("one", "/f7", null, default);
        await Task.WhenAll(Enumerable.Range(0, 6).Select(reader => Task.Run(async () =>
        {
            for (int i = 0; i < Files; i++)
            {
                await fixture.ReadAllAsync($"/f{((i * 7) + (reader * 11)) % Files}");
            }
        })));

        ProfileSummary all = await profiles.StopAsync("all", default);
        Assert.Equal((Files, 2L * Files, Files * 3L * MiB / 2, 0L), (all.FileCount, all.BlockCount, all.SizeBytes, all.MissedCount));
        ProfileSummary one = await profiles.StopAsync("one", default);
        Assert.Equal((1L, 2L), (one.FileCount, one.BlockCount));
        AccessProfile profile = await profiles.GetAsync("all", default);
        Assert.Equal(profile.Entries.OrderBy(entry => entry.Time).Select(entry => entry.Time), profile.Entries.Select(entry => entry.Time));
    }

    [Fact]
    public async Task A_failing_object_is_told_and_the_rest_is_warm()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.PutObjectAsync("a", BytesContent.Random(2 * MiB));
        await fixture.PutObjectAsync("b", BytesContent.Random(2 * MiB));
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        ProfileService profiles = fixture.Engine.Profiles;
        await profiles.RecordAsync("p", "/", null, default);
        await fixture.ReadAllAsync("/data/a");
        await fixture.ReadAllAsync("/data/b");
        await profiles.StopAsync("p", default);
        await MakeColdAsync(fixture);
        File.Delete(Path.Combine(fixture.Bucket, "a"));

        ProfileReplayResult result = await profiles.ReplayAsync("p", isDryRun: false, null, default);

        Assert.Equal((4L, 2L, 2L), (result.BlockCount, result.HotBlocks, result.FailedBlocks));
        Assert.NotNull(result.FirstError);
    }

    [Fact]
    public async Task Profiles_survive_a_restart_and_travel_by_export()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.WriteFileAsync("/f", BytesContent.Random(3 * MiB));
        ProfileService profiles = fixture.Engine.Profiles;
        await profiles.RecordAsync("one", "/", TimeSpan.FromDays(1), default);
        await fixture.ReadAllAsync("/f");
        Assert.True(Assert.Single(await profiles.ListAsync(default)).IsRecording);
        byte[] exported;

        await fixture.ReopenAsync(); // The recording ends with the engine, and is kept.

        profiles = fixture.Engine.Profiles;
        Assert.Equal(("one", 3L, false), Assert.Single(await profiles.ListAsync(default)) is var one ? (one.Name, one.BlockCount, one.IsRecording) : default);
        exported = await profiles.ExportAsync("one", default);
        Assert.Equal(3, (await profiles.ImportAsync("two", exported)).BlockCount);
        Assert.Equal(2, (await profiles.MergeAsync("both", ["one", "two"], default)).RunCount);
        Assert.Equal(1, (await profiles.TrimAsync("both", "less", 1, null, MiB, default)).BlockCount);
        profiles.Remove("one");
        Assert.Equal(["both", "less", "two"], (await profiles.ListAsync(default)).Select(profile => profile.Name));
        await FailsAsync(ErrorCode.NotFound, () => profiles.GetAsync("one", default).AsTask());
        await FailsAsync(ErrorCode.NotFound, () => profiles.StopAsync("none", default).AsTask());
        await FailsAsync(ErrorCode.InvalidArgument, () => profiles.ImportAsync("x", new byte[] { 1, 2, 3 }).AsTask());
        await FailsAsync(ErrorCode.InvalidArgument, () => profiles.RecordAsync("../up", "/", null, default).AsTask());
        await FailsAsync(ErrorCode.NotFound, () => profiles.RecordAsync("x", "/nowhere", null, default).AsTask());
        await profiles.RecordAsync("x", "/", null, default);
        await FailsAsync(ErrorCode.AlreadyExists, () => profiles.RecordAsync("x", "/", null, default).AsTask());
    }

    private static async Task MakeColdAsync(EngineFixture fixture)
    {
        await fixture.SettleAsync();
        await fixture.Engine.EvictAsync("/data", hotToo: true, default);
        await fixture.JournalDoneAsync();
    }

    private static async Task<uint[]> HotBlocksAsync(EngineFixture fixture, string path)
    {
        InodeAttributes file = await fixture.Engine.StatAsync(path, followLast: true, default);
        FileContent content = (await fixture.Tree.GetContentAsync(file.Inode, default))!;
        return [.. Enumerable.Range(0, (int)content.Residency.BlockCount).Select(block => (uint)block).Where(block => content.Residency[block])];
    }

    private static async Task FailsAsync(ErrorCode code, Func<Task> action) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<DataLayerException>(action)).Code);
}
