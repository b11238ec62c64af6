using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Mounts;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Stripes;

/// <summary>Full, missing, foreign, read-only and failing targets.</summary>
public sealed class TargetHealthTests
{
    [Fact]
    public async Task Targets_on_one_file_system_count_its_space_once()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(8);
        using SmallFilesystem other = SmallFilesystem.Tmpfs(4);
        HotTierOptions options = new()
        {
            Pools =
            [
                new PoolOptions
                {
                    Name = "default",
                    Directories = [Path.Combine(disk.Path, "a"), Path.Combine(disk.Path, "b"), Path.Combine(other.Path, "c")],
                    ReserveBytes = 0,
                },
            ],
            StateDirectory = Path.Combine(disk.Path, "state"),
        };
        await using HotTier tier = await HotTier.OpenAsync(options, TimeProvider.System, NullLogger<HotTier>.Instance, default);
        Assert.Equal([4L << 20, 4L << 20, 4L << 20], tier.GetTargets().Select(target => target.CapacityBytes));
        Assert.InRange(tier.GetTargets().Sum(target => target.FreeBytes), 11L << 20, 12L << 20);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_full_target_is_NoSpace_loses_nothing_and_recovers(bool byInodes)
    {
        using SmallFilesystem disk = byInodes ? SmallFilesystem.Tmpfs(64, inodeCount: 40) : SmallFilesystem.Tmpfs(8);
        await using HotTier tier = await OpenAsync(disk.Path);
        List<(ContentId Content, StripedPlacement Placement, byte[] Bytes)> written = [];
        DataLayerException? full = null;
        for (int i = 1; full is null; i++)
        {
            ContentId content = HotTierFixture.Content(i);
            byte[] bytes = HotTierFixture.RandomBytes(i, 300_000);
            try
            {
                StripedPlacement placement = tier.PlaceStriped(null, content, bytes.Length);
                await tier.WriteAsync(content, placement, 0, bytes, default);
                await tier.FlushAsync(content, placement, default);
                written.Add((content, placement, bytes));
            }
            catch (DataLayerException fault)
            {
                full = fault;
            }
        }

        Assert.Equal(ErrorCode.NoSpace, full.Code);
        Assert.Contains(disk.Path, full.Message, StringComparison.Ordinal);
        Assert.True(written.Count > 9);
        foreach ((ContentId content, StripedPlacement placement, byte[] bytes) in written)
        {
            byte[] read = new byte[bytes.Length];
            await tier.ReadAsync(content, placement, read.Length, 0, read, default);
            Assert.Equal(bytes, read);
        }

        // Truncation and deletion work on a full disk, and make room again.
        await tier.TruncateAsync(written[0].Content, written[0].Placement, 100_000, default);
        foreach ((ContentId content, StripedPlacement placement, _) in written[4..9])
        {
            await tier.DeleteAsync(content, placement, default); // Two inodes each; eight stay spare.
        }

        ContentId late = HotTierFixture.Content(1_000);
        StripedPlacement room = tier.PlaceStriped(null, late, 300_000);
        await tier.WriteAsync(late, room, 0, written[3].Bytes, default);
        await tier.FlushAsync(late, room, default);
        byte[] prefix = new byte[100_000];
        await tier.ReadAsync(written[0].Content, written[0].Placement, 100_000, 0, prefix, default);
        Assert.Equal(written[0].Bytes[..100_000], prefix);
    }

    [Fact]
    public async Task An_append_that_does_not_fit_leaves_the_old_bytes_and_an_overwrite_still_works()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(4);
        await using HotTier tier = await OpenAsync(disk.Path);
        ContentId content = HotTierFixture.Content(1);
        byte[] bytes = HotTierFixture.RandomBytes(1, 3_000_001);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        for (int i = 0; i < 3; i++)
        {
            DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
                async () => await tier.WriteAsync(content, placement, bytes.Length, new byte[2_000_000], default));
            Assert.Equal(ErrorCode.NoSpace, fault.Code);
        }

        byte[] read = new byte[bytes.Length];
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.Equal(bytes, read);
        byte[] patch = HotTierFixture.RandomBytes(2, 100_000);
        await tier.WriteAsync(content, placement, 1_000_000, patch, default);
        patch.CopyTo(bytes, 1_000_000);
        await tier.FlushAsync(content, placement, default);
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.Equal(bytes, read);
    }

    [Fact]
    public async Task A_full_target_takes_no_records_and_keeps_those_it_has()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(4);
        await using HotTier tier = await OpenAsync(disk.Path);
        List<SegmentPlacement> records = [];
        byte[] bytes = HotTierFixture.RandomBytes(1, 500_000);
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () =>
        {
            for (int i = 1; ; i++)
            {
                records.Add(await tier.AppendSmallAsync(HotTierFixture.Content(i), null, bytes, default));
            }
        });
        Assert.Equal(ErrorCode.NoSpace, fault.Code);
        byte[] read = new byte[bytes.Length];
        for (int i = 0; i < records.Count; i++)
        {
            await tier.FlushAsync(HotTierFixture.Content(i + 1), records[i], default);
            await tier.ReadAsync(HotTierFixture.Content(i + 1), records[i], read.Length, 0, read, default);
            Assert.Equal(bytes, read);
        }
    }

    [Fact]
    public async Task The_reserve_stays_free()
    {
        using SmallFilesystem disk = SmallFilesystem.Tmpfs(16);
        await using HotTier tier = await OpenAsync(disk.Path, reserveBytes: 10 << 20);
        ContentId content = HotTierFixture.Content(1);
        StripedPlacement placement = tier.PlaceStriped(null, content, 1 << 20);
        await tier.WriteAsync(content, placement, 0, new byte[1 << 20], default);
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.WriteAsync(content, placement, 1 << 20, new byte[8 << 20], default));
        Assert.Equal(ErrorCode.NoSpace, fault.Code);
        Assert.True(new DriveInfo(disk.Path).AvailableFreeSpace >= 10 << 20);
        Assert.Throws<DataLayerException>(() => tier.PlaceStriped(null, HotTierFixture.Content(2), 8 << 20));
    }

    [Fact]
    public async Task A_target_that_goes_away_is_missing_by_name_and_comes_back_by_itself()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        byte[] bytes = HotTierFixture.RandomBytes(1, 100_000);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        await tier.FlushAsync(content, placement, default);
        string directory = fixture.Directories[0];
        Directory.Move(directory, directory + ".away");
        Directory.CreateDirectory(directory);
        await tier.CheckTargetsAsync(default);
        Assert.Equal("missing", Assert.Single(tier.GetTargets()).State);
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(content, placement, bytes.Length, 0, new byte[10], default));
        Assert.Equal(ErrorCode.TargetFailed, fault.Code);
        Assert.Contains(directory, fault.Message, StringComparison.Ordinal);
        Assert.Contains("mount", fault.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Throws<DataLayerException>(() => tier.PlaceStriped(null, HotTierFixture.Content(2), 0));
        Assert.Empty(Directory.EnumerateFileSystemEntries(directory));

        Directory.Delete(directory);
        Directory.Move(directory + ".away", directory);
        await tier.CheckTargetsAsync(default);
        byte[] read = new byte[bytes.Length];
        await tier.ReadAsync(content, placement, bytes.Length, 0, read, default);
        Assert.Equal(bytes, read);
    }

    [Fact]
    public async Task An_empty_mount_point_at_start_is_missing_not_a_new_target()
    {
        await using HotTierFixture fixture = new();
        await fixture.OpenAsync();
        await fixture.Tier.DisposeAsync();
        string directory = fixture.Directories[0];
        Directory.Move(directory, directory + ".away");
        Directory.CreateDirectory(directory);
        HotTier tier = await fixture.OpenAsync();
        Assert.Equal("missing", Assert.Single(tier.GetTargets()).State);
        Assert.Empty(Directory.EnumerateFileSystemEntries(directory));
    }

    [Fact]
    public async Task Swapped_targets_are_refused()
    {
        await using HotTierFixture fixture = new(2);
        await fixture.OpenAsync();
        await fixture.Tier.DisposeAsync();
        Directory.Move(fixture.Directories[0], fixture.Directories[0] + ".x");
        Directory.Move(fixture.Directories[1], fixture.Directories[0]);
        Directory.Move(fixture.Directories[0] + ".x", fixture.Directories[1]);
        HotTier tier = await fixture.OpenAsync();
        Assert.All(tier.GetTargets(), target => Assert.Equal("missing", target.State));
        Assert.Contains("Mount the right", tier.GetTargets()[0].Fault, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_of_another_deployment_or_with_other_files_is_refused()
    {
        await using HotTierFixture mine = new();
        await mine.OpenAsync();
        await using HotTierFixture theirs = new();
        await theirs.OpenAsync();
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await mine.Tier.AddTargetAsync("default", theirs.Directories[0], default));
        Assert.Equal(ErrorCode.InvalidArgument, fault.Code);
        using TempFolder full = new();
        await File.WriteAllTextAsync(full.Combine("thesis.tex"), "mine");
        fault = await Assert.ThrowsAsync<DataLayerException>(async () => await mine.Tier.AddTargetAsync("default",
            full.Path, default));
        Assert.Contains("not empty", fault.Message, StringComparison.Ordinal);
        Assert.Equal("thesis.tex", Path.GetFileName(Assert.Single(Directory.GetFiles(full.Path))));
    }

    [Fact]
    public async Task A_target_that_moved_to_another_path_keeps_its_number()
    {
        await using HotTierFixture fixture = new(2);
        HotTier tier = await fixture.OpenAsync();
        int number = tier.GetTargets()[1].Target;
        await tier.DisposeAsync();
        Directory.Move(fixture.Directories[1], fixture.Directories[1] + "-new");
        fixture.Directories[1] += "-new";
        tier = await fixture.OpenAsync();
        Assert.Equal((number, "ok"), (tier.GetTargets()[1].Target, tier.GetTargets()[1].State));
    }

    [Fact]
    public async Task A_read_only_target_is_read_fenced_for_writes_and_recovers_after_a_remount()
    {
        using SmallFilesystem disk = SmallFilesystem.Ext4(64);
        await using HotTier tier = await OpenAsync(Path.Combine(disk.Path, "t"));
        ContentId content = HotTierFixture.Content(1);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        byte[] bytes = HotTierFixture.RandomBytes(1, 200_000);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        await tier.FlushAsync(content, placement, default);
        disk.ForceReadOnly();
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.WriteAsync(content, placement, 200_000, new byte[10], default));
        Assert.Equal(ErrorCode.TargetFailed, fault.Code);
        Assert.Contains("read-only", fault.Message, StringComparison.OrdinalIgnoreCase);
        await tier.CheckTargetsAsync(default);
        Assert.Equal("fenced", Assert.Single(tier.GetTargets()).State);
        byte[] read = new byte[bytes.Length];
        await tier.ReadAsync(content, placement, bytes.Length, 0, read, default);
        Assert.Equal(bytes, read);
        await tier.CheckTargetsAsync(default);
        disk.Remount();
        await tier.CheckTargetsAsync(default);
        Assert.Equal("ok", Assert.Single(tier.GetTargets()).State);
        await tier.WriteAsync(content, placement, 0, new byte[200_010], default);
        await tier.FlushAsync(content, placement, default);
    }

    [Fact]
    public async Task A_failed_flush_is_remembered_until_the_data_is_written_again()
    {
        using SmallFilesystem disk = SmallFilesystem.Ext4(64);
        await using HotTier tier = await OpenAsync(Path.Combine(disk.Path, "t"));
        ContentId content = HotTierFixture.Content(1);
        ContentId other = HotTierFixture.Content(2);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        StripedPlacement otherPlacement = tier.PlaceStriped(null, other, 0);
        byte[] bytes = HotTierFixture.RandomBytes(1, 200_000);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        await tier.WriteAsync(other, otherPlacement, 0, bytes, default);
        await tier.FlushAsync(content, placement, default);
        await tier.FlushAsync(other, otherPlacement, default);
        await tier.WriteAsync(content, placement, 200_000, bytes, default);
        disk.ShutDown();
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.FlushAsync(content, placement, default));
        Assert.Equal(ErrorCode.TargetFailed, fault.Code);
        await tier.CheckTargetsAsync(default);
        disk.Remount();
        await tier.CheckTargetsAsync(default);
        Assert.Equal("ok", Assert.Single(tier.GetTargets()).State);

        // The target is well again; what was lost stays lost until it is written, and nobody else is concerned.
        await tier.FlushAsync(other, otherPlacement, default);
        for (int i = 0; i < 2; i++)
        {
            fault = await Assert.ThrowsAsync<DataLayerException>(async () => await tier.FlushAsync(content, placement,
                default));
            Assert.Contains("earlier flush", fault.Message, StringComparison.Ordinal);
        }

        byte[] read = new byte[400_000];
        await tier.ReadAsync(content, placement, 200_000, 0, read.AsMemory(0, 200_000), default);
        Assert.Equal(bytes, read[..200_000]);
        await tier.WriteAsync(content, placement, 200_000, bytes, default);
        await tier.FlushAsync(content, placement, default);
        await tier.ReadAsync(content, placement, 400_000, 0, read, default);
        Assert.Equal([.. bytes, .. bytes], read);
    }

    [Fact]
    public async Task A_failed_flush_of_a_segment_concerns_only_records_that_were_not_durable()
    {
        using SmallFilesystem disk = SmallFilesystem.Ext4(64);
        await using HotTier tier = await OpenAsync(Path.Combine(disk.Path, "t"));
        byte[] bytes = HotTierFixture.RandomBytes(1, 20_000);
        SegmentPlacement durable = await tier.AppendSmallAsync(HotTierFixture.Content(1), null, bytes, default);
        await tier.FlushAsync(HotTierFixture.Content(1), durable, default);
        SegmentPlacement lost = await tier.AppendSmallAsync(HotTierFixture.Content(2), null, bytes, default);
        disk.ShutDown();
        await Assert.ThrowsAsync<DataLayerException>(async () => await tier.FlushAsync(HotTierFixture.Content(2), lost,
            default));
        await tier.CheckTargetsAsync(default);
        disk.Remount();
        await tier.CheckTargetsAsync(default);
        await Assert.ThrowsAsync<DataLayerException>(async () => await tier.FlushAsync(HotTierFixture.Content(2), lost,
            default));
        await tier.FlushAsync(HotTierFixture.Content(1), durable, default);
        byte[] read = new byte[20_000];
        await tier.ReadAsync(HotTierFixture.Content(1), durable, read.Length, 0, read, default);
        Assert.Equal(bytes, read);
        SegmentPlacement again = await tier.AppendSmallAsync(HotTierFixture.Content(2), null, bytes, default);
        Assert.NotEqual(lost.SegmentId, again.SegmentId);
        await tier.FlushAsync(HotTierFixture.Content(2), again, default);
    }

    [Fact]
    public async Task With_two_copies_one_missing_target_costs_no_read()
    {
        await using HotTierFixture fixture = new(2) { CopyCount = 2 };
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        ContentId small = HotTierFixture.Content(2);
        byte[] bytes = HotTierFixture.RandomBytes(1, 200_000);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        await tier.FlushAsync(content, placement, default);
        SegmentPlacement record = await tier.AppendSmallAsync(small, null, bytes, default);
        await tier.FlushAsync(small, record, default);
        foreach (string directory in fixture.Directories.ToList())
        {
            Directory.Move(directory, directory + ".away");
            await tier.CheckTargetsAsync(default);
            for (int i = 0; i < 4; i++)
            {
                byte[] read = new byte[bytes.Length];
                await tier.ReadAsync(content, placement, read.Length, 0, read, default);
                Assert.Equal(bytes, read);
                await tier.ReadAsync(small, record, read.Length, 0, read, default);
                Assert.Equal(bytes, read);
            }

            Directory.Move(directory + ".away", directory);
            await tier.CheckTargetsAsync(default);
        }
    }

    private static async Task<HotTier> OpenAsync(string directory, long reserveBytes = 0) => await HotTier.OpenAsync(
        new HotTierOptions
        {
            Pools = [new PoolOptions { Name = "default", Directories = [directory], ReserveBytes = reserveBytes }],
            FenceTime = TimeSpan.Zero,
            CheckInterval = TimeSpan.FromHours(1),
        }, TimeProvider.System, NullLogger<HotTier>.Instance, CancellationToken.None);
}
