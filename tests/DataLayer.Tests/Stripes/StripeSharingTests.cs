using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Interop;
using DataLayer.Storage.Stripes;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Mounts;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Stripes;

/// <summary>Contents that share backing files: damage, power cuts, and what file systems cannot do.</summary>
public sealed class StripeSharingTests
{
    private const int Chunk = 65_536;

    [Fact]
    public async Task A_repair_of_a_shared_file_reaches_all_that_have_it()
    {
        await using HotTierFixture fixture = new(2) { CopyCount = 2 };
        (ContentId content, ContentId clone, StripedPlacement placement, byte[] bytes) = await ShareAsync(fixture, 5 * Chunk);
        await fixture.Tier.DisposeAsync();
        Flip(fixture.BackingFiles()[0], 3 * Chunk);
        HotTier tier = await fixture.OpenAsync();
        ScrubResult scrub = await tier.ScrubAsync(content, placement, bytes.Length, default);
        Assert.Equal((1, 0), (scrub.RepairedChunks, scrub.BadRanges.Count));
        Assert.Equal(0, (await tier.ScrubAsync(clone, placement, bytes.Length, default)).RepairedChunks);
        Assert.Equal(2, fixture.BackingFiles().Select(InodeOf).Distinct().Count());
        await AssertReadsAsync(tier, clone, placement, bytes);
    }

    [Fact]
    public async Task Damage_of_a_shared_file_without_another_copy_is_told_of_each_and_healed_by_a_rewrite_of_one()
    {
        await using HotTierFixture fixture = new();
        (ContentId content, ContentId clone, StripedPlacement placement, byte[] bytes) = await ShareAsync(fixture, 3 * Chunk);
        await fixture.Tier.DisposeAsync();
        Flip(fixture.BackingFiles()[0], Chunk + 5);
        HotTier tier = await fixture.OpenAsync();
        foreach (ContentId each in (ContentId[])[content, clone])
        {
            Assert.Equal([(Chunk, Chunk)], (await tier.ScrubAsync(each, placement, bytes.Length, default)).BadRanges);
        }

        // As a recall does: the bad chunk is written as a whole. The damage went along into the copy of the file.
        await tier.WriteAsync(content, placement, Chunk, bytes.AsMemory(Chunk, Chunk), default);
        await tier.FlushAsync(content, placement, default);
        await AssertReadsAsync(tier, content, placement, bytes);
        Assert.Equal([(Chunk, Chunk)], (await tier.ScrubAsync(clone, placement, bytes.Length, default)).BadRanges);
    }

    [Fact]
    public async Task A_shared_file_is_copied_once_and_only_before_it_is_changed()
    {
        await using HotTierFixture fixture = new();
        (ContentId content, ContentId clone, StripedPlacement placement, byte[] bytes) = await ShareAsync(fixture, 3 * Chunk);
        await AssertReadsAsync(fixture.Tier, clone, placement, bytes);
        await fixture.Tier.FlushAsync(clone, placement, default);
        ulong shared = Assert.Single(fixture.BackingFiles().Select(InodeOf).Distinct());
        await fixture.Tier.WriteAsync(clone, placement, 0, new byte[] { 1 }, default);
        ulong own = Assert.Single(fixture.BackingFiles().Select(InodeOf), inode => inode != shared);
        await fixture.Tier.WriteAsync(clone, placement, 9, new byte[] { 1 }, default);

        // The original is the last that has the file: nothing is left to copy for.
        await fixture.Tier.WriteAsync(content, placement, 0, new byte[] { 2 }, default);
        Assert.Equal(new[] { own, shared }.Order(), fixture.BackingFiles().Select(InodeOf).Order());
    }

    [Fact]
    public async Task Readers_see_only_right_bytes_while_shared_files_are_copied_under_them()
    {
        const int Length = 6 * Chunk;
        await using HotTierFixture fixture = new(2) { Width = 2 };
        HotTier tier = await fixture.OpenAsync();
        StripedPlacement placement = tier.PlaceStriped(null, HotTierFixture.Content(1), Length);
        byte[][] versions = [HotTierFixture.RandomBytes(1, Length), HotTierFixture.RandomBytes(2, Length)];
        await tier.WriteAsync(HotTierFixture.Content(1), placement, 0, versions[0], default);
        for (int round = 1; round <= 12; round++)
        {
            ContentId from = HotTierFixture.Content(round);
            ContentId to = HotTierFixture.Content(round + 1);
            Assert.True(await tier.TryShareAsync(from, placement, Length, to, default));
            using CancellationTokenSource written = new();
            Task[] readers =
            [
                .. new[] { from, to, from, to }.Select(
                    content => Task.Run(() => ReadUntilAsync(tier, content, placement, versions, written.Token))),
            ];
            byte[] next = versions[round % 2];
            await Task.WhenAll(
                WriteChunksAsync(tier, round % 3 == 0 ? to : from, placement, next), WriteChunksAsync(tier, to, placement, next));
            await written.CancelAsync();
            await Task.WhenAll(readers);
            await AssertReadsAsync(tier, to, placement, next);
            await tier.DeleteAsync(from, placement, default);
        }
    }

    private static async Task WriteChunksAsync(HotTier tier, ContentId content, StripedPlacement placement, byte[] bytes)
    {
        for (int at = 0; at < bytes.Length; at += Chunk)
        {
            await tier.WriteAsync(content, placement, at, bytes.AsMemory(at, Chunk), default);
        }
    }

    private static async Task ReadUntilAsync(
        HotTier tier, ContentId content, StripedPlacement placement, byte[][] versions, CancellationToken end)
    {
        byte[] read = new byte[versions[0].Length];
        do
        {
            await tier.ReadAsync(content, placement, read.Length, 0, read, default);
            for (int at = 0; at < read.Length; at += Chunk)
            {
                // A chunk is read and checked at once: it is one version or the other, never a mix.
                int from = at;
                Assert.Contains(versions, version => version.AsSpan(from, Chunk).SequenceEqual(read.AsSpan(from, Chunk)));
            }
        }
        while (!end.IsCancellationRequested);
    }

    [Fact]
    public async Task A_kill_in_the_middle_of_a_copy_leaves_nothing_once_the_column_is_used_again()
    {
        await using HotTierFixture fixture = new();
        (_, ContentId clone, StripedPlacement placement, byte[] bytes) = await ShareAsync(fixture, Chunk);
        string own = fixture.BackingFiles().Single(path => path.Contains($"{clone.Inode.Value:x16}", StringComparison.Ordinal));
        await File.WriteAllBytesAsync(own + ".tmp", bytes);
        HotTier tier = await fixture.KillAndOpenAsync();
        await AssertReadsAsync(tier, clone, placement, bytes);
        Assert.False(File.Exists(own + ".tmp"));
    }

    [Fact]
    public void No_hard_link_is_made_across_file_systems()
    {
        using TempFolder folder = new("link");
        using SmallFilesystem other = SmallFilesystem.Tmpfs(1);
        File.WriteAllText(folder.Combine("a"), "a");
        Assert.False(DurableFile.TryLink(folder.Combine("a"), Path.Combine(other.Path, "b")));
        Assert.True(DurableFile.TryLink(folder.Combine("a"), folder.Combine("b")));
        Assert.Equal(
            ErrorCode.AlreadyExists,
            Assert.Throws<DataLayerException>(() => DurableFile.TryLink(folder.Combine("a"), folder.Combine("b"))).Code);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task After_a_power_cut_a_clone_is_there_and_bytes_of_both_are_their_own_old_or_new_ones(int seed)
    {
        using SmallFilesystem disk = SmallFilesystem.Ext4(64);
        Random random = new(seed);
        byte[] flushed = HotTierFixture.RandomBytes(seed, 12 * Chunk);
        ContentId[] contents = [.. Enumerable.Range(1, 4).Select(i => HotTierFixture.Content(i))];
        byte[][] latest = [.. contents.Select(_ => (byte[])flushed.Clone())];
        HotTier tier = await OpenOnAsync(disk);
        StripedPlacement placement = tier.PlaceStriped(null, contents[0], 0);
        await tier.WriteAsync(contents[0], placement, 0, flushed, default);
        foreach (ContentId clone in contents[1..])
        {
            Assert.True(await tier.TryShareAsync(contents[0], placement, flushed.Length, clone, default));
        }

        for (int i = 0; i < 24; i++)
        {
            int which = random.Next(3); // The last stays as it was.
            int offset = random.Next(flushed.Length - 10_000);
            byte[] patch = HotTierFixture.RandomBytes(random.Next(), 1 + random.Next(9_999));
            await tier.WriteAsync(contents[which], placement, offset, patch, default);
            patch.CopyTo(latest[which], offset);
        }

        byte[] vouched = flushed;
        if (random.Next(2) == 0)
        {
            await tier.FlushAsync(contents[0], placement, default);
            vouched = (byte[])latest[0].Clone();
        }

        foreach (string path in Directory.EnumerateFiles(disk.Path, "*", SearchOption.AllDirectories).Where(_ => random.Next(2) == 0))
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = DurableFile.Open(path, write: true);
            DurableFile.Flush(file, path);
        }

        disk.ShutDown();
        await tier.DisposeAsync();
        disk.Remount();
        tier = await OpenOnAsync(disk);
        for (int which = 0; which < contents.Length; which++)
        {
            byte[] old = which == 0 ? vouched : flushed;
            byte[] read = new byte[flushed.Length];
            await tier.ReadAsync(contents[which], placement, read.Length, 0, read, default);
            for (int i = 0; i < read.Length; i++)
            {
                Assert.True(
                    read[i] == old[i] || read[i] == latest[which][i],
                    $"seed {seed}: byte {i} of {contents[which]} is neither its old nor its new one");
            }

            Assert.Empty((await tier.ScrubAsync(contents[which], placement, read.Length, default)).BadRanges);
        }

        await tier.DisposeAsync();
    }

    private static async Task<HotTier> OpenOnAsync(SmallFilesystem disk) => await HotTier.OpenAsync(
        new HotTierOptions
        {
            Pools =
            [
                new PoolOptions
                {
                    Name = "default", Directories = [Path.Combine(disk.Path, "target")], UnitBytes = Chunk, ReserveBytes = 0,
                },
            ],
        },
        TimeProvider.System, NullLogger<HotTier>.Instance, CancellationToken.None);

    private static async Task<(ContentId Content, ContentId Clone, StripedPlacement Placement, byte[] Bytes)> ShareAsync(
        HotTierFixture fixture, int length)
    {
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        ContentId clone = HotTierFixture.Content(2, 3);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        byte[] bytes = HotTierFixture.RandomBytes(1, length);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        Assert.True(await tier.TryShareAsync(content, placement, length, clone, default));
        return (content, clone, placement, bytes);
    }

    private static async Task AssertReadsAsync(HotTier tier, ContentId content, StripedPlacement placement, byte[] bytes)
    {
        byte[] read = new byte[bytes.Length];
        await tier.ReadAsync(content, placement, bytes.Length, 0, read, default);
        Assert.Equal(bytes, read);
    }

    private static void Flip(string path, long offset)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        file.Position = offset;
        int was = file.ReadByte();
        file.Position = offset;
        file.WriteByte((byte)(was ^ 1));
    }

    private static ulong InodeOf(string path)
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = DurableFile.Open(path, write: false);
        return FileStatus.Of(file, path).Inode;
    }
}
