using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;

namespace DataLayer.Tests.Stripes;

/// <summary>Adding, draining and removing targets, and what fsck uses.</summary>
public sealed class TargetMoveTests
{
    [Fact]
    public async Task A_target_added_online_takes_new_content_and_is_there_after_a_restart()
    {
        await using HotTierFixture fixture = new() { Width = 2 };
        HotTier tier = await fixture.OpenAsync();
        int added = await tier.AddTargetAsync("default", Path.Combine(fixture.Root, "more"), default);
        Assert.Equal(added, await tier.AddTargetAsync("default", Path.Combine(fixture.Root, "more"), default));
        StripedPlacement placement = tier.PlaceStriped(null, HotTierFixture.Content(1), 0);
        Assert.Equal(2, placement.Width);
        Assert.Contains(added, placement.Targets);
        await tier.WriteAsync(HotTierFixture.Content(1), placement, 0, new byte[300_000], default);
        tier = await fixture.ReopenAsync();
        Assert.Equal(2, tier.GetTargets().Count);
        await tier.ReadAsync(HotTierFixture.Content(1), placement, 300_000, 0, new byte[300_000], default);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(2, 2)]
    public async Task Draining_moves_everything_and_the_target_can_go(int width, int copies)
    {
        await using HotTierFixture fixture = new(3) { Width = width, CopyCount = copies };
        HotTier tier = await fixture.OpenAsync();
        List<(ContentId Content, Placement Placement, byte[] Bytes)> all = [];
        for (int i = 1; i <= 12; i++)
        {
            ContentId content = HotTierFixture.Content(i);
            byte[] bytes = HotTierFixture.RandomBytes(i, 50_000 * i);
            if (i % 3 == 0)
            {
                all.Add((content, await tier.AppendSmallAsync(content, null, bytes, default), bytes));
            }
            else
            {
                StripedPlacement placement = tier.PlaceStriped(null, content, 0);
                await tier.WriteAsync(content, placement, 0, bytes, default);
                all.Add((content, placement, bytes));
            }

            await tier.FlushAsync(content, all[^1].Placement, default);
        }

        const int Leaving = 1;
        tier.SetDraining(Leaving, draining: true);
        tier = await fixture.ReopenAsync();
        Assert.Equal("draining", tier.GetTargets()[Leaving].State);
        Assert.DoesNotContain(Leaving, tier.PlaceStriped(null, HotTierFixture.Content(99), 0).Targets);
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () =>
            await tier.RemoveTargetAsync(Leaving, default));
        Assert.Equal(ErrorCode.NotEmpty, fault.Code);
        for (int i = 0; i < all.Count; i++)
        {
            (ContentId content, Placement before, byte[] bytes) = all[i];
            Placement after = await tier.MoveAsync(content, before, bytes.Length, Leaving, default);
            await AssertBytesAsync(tier, content, before, bytes);
            await tier.DeleteMovedAsync(content, before, after, default);
            await tier.DeleteMovedAsync(content, before, after, default);
            await AssertBytesAsync(tier, content, after, bytes);
            Assert.DoesNotContain(Leaving, TargetsOf(after));
            Assert.Equal(TargetsOf(before).Length, TargetsOf(after).Length);
            all[i] = (content, after, bytes);
        }

        await tier.RemoveTargetAsync(Leaving, default);
        Assert.DoesNotContain(tier.GetTargets(), target => target.Target == Leaving);
        Assert.False(File.Exists(Path.Combine(fixture.Directories[1], "datalayer-target")));
        fixture.Directories.RemoveAt(1);
        tier = await fixture.ReopenAsync();
        foreach ((ContentId content, Placement placement, byte[] bytes) in all)
        {
            await AssertBytesAsync(tier, content, placement, bytes);
        }
    }

    [Fact]
    public async Task Moving_from_a_missing_target_uses_the_other_copy()
    {
        await using HotTierFixture fixture = new(3) { CopyCount = 2 };
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(5);
        byte[] bytes = HotTierFixture.RandomBytes(5, 300_000);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        await tier.FlushAsync(content, placement, default);
        int gone = placement.TargetOf(0, 0);
        Directory.Move(fixture.Directories[gone], fixture.Directories[gone] + ".away");
        await tier.CheckTargetsAsync(default);
        Placement after = await tier.MoveAsync(content, placement, bytes.Length, gone, default);
        Assert.DoesNotContain(gone, TargetsOf(after));
        await AssertBytesAsync(tier, content, after, bytes);
        await tier.WriteAsync(content, (StripedPlacement)after, 10, new byte[] { 1 }, default);
        await tier.FlushAsync(content, after, default);
    }

    [Fact]
    public async Task A_removed_target_is_not_taken_back_by_its_identity_nor_a_draining_one_removed_undrained()
    {
        await using HotTierFixture fixture = new(2);
        HotTier tier = await fixture.OpenAsync();
        await Assert.ThrowsAsync<DataLayerException>(async () => await tier.RemoveTargetAsync(1, default));
        byte[] identity = await File.ReadAllBytesAsync(Path.Combine(fixture.Directories[1], "datalayer-target"));
        tier.SetDraining(1, draining: true);
        await tier.RemoveTargetAsync(1, default);
        await File.WriteAllBytesAsync(Path.Combine(fixture.Directories[1], "datalayer-target"), identity);
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.AddTargetAsync("default", fixture.Directories[1], default));
        Assert.Contains("was removed", fault.Message, StringComparison.Ordinal);
        File.Delete(Path.Combine(fixture.Directories[1], "datalayer-target"));
        Assert.Equal(2, await tier.AddTargetAsync("default", fixture.Directories[1], default));
    }

    [Fact]
    public async Task Enumeration_finds_every_content_once_and_strays_can_be_deleted()
    {
        await using HotTierFixture fixture = new(2) { Width = 2, CopyCount = 2 };
        HotTier tier = await fixture.OpenAsync();
        StripedPlacement kept = tier.PlaceStriped(null, HotTierFixture.Content(1), 0);
        for (int i = 1; i <= 5; i++)
        {
            await tier.WriteAsync(HotTierFixture.Content(i), kept, 0, new byte[100_000], default);
        }

        List<ContentId> found = [];
        await foreach (ContentId content in tier.EnumerateContentsAsync(default))
        {
            found.Add(content);
        }

        Assert.Equal([1L, 2, 3, 4, 5], found.Select(content => content.Inode.Value).Order());
        Assert.Equal(4, await tier.DeleteStrayAsync(HotTierFixture.Content(2), keep: null, default));
        Assert.Equal(0, await tier.DeleteStrayAsync(HotTierFixture.Content(1), kept, default));
        string stray = Path.Combine(
            Path.GetDirectoryName(fixture.BackingFiles()[0])!, "0000000000000001.00000001.00.8");
        await File.WriteAllTextAsync(stray, "unfinished");
        await File.WriteAllTextAsync(Path.Combine(fixture.Directories[0], "datalayer-roster.tmp"), "unfinished");
        Assert.Equal(2, (await tier.DeleteStrayFilesAsync(default)).Count);
        Assert.Empty(await tier.DeleteStrayFilesAsync(default));
        await tier.ReadAsync(HotTierFixture.Content(1), kept, 100_000, 0, new byte[100_000], default);
    }

    [Fact]
    public async Task A_partial_release_gives_space_back_and_keeps_the_rest()
    {
        await using HotTierFixture fixture = new(2) { Width = 2 };
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        byte[] bytes = HotTierFixture.RandomBytes(1, 8 << 20);
        StripedPlacement placement = tier.PlaceStriped(null, content, bytes.Length);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        await tier.FlushAsync(content, placement, default);
        await tier.PunchAsync(content, placement, 1 << 20, 4 << 20, default);
        byte[] head = new byte[1 << 20];
        await tier.ReadAsync(content, placement, bytes.Length, 0, head, default);
        Assert.Equal(bytes[..head.Length], head);
        byte[] tail = new byte[3 << 20];
        await tier.ReadAsync(content, placement, bytes.Length, 5 << 20, tail, default);
        Assert.Equal(bytes[(5 << 20)..], tail);
        await tier.WriteAsync(content, placement, 2 << 20, bytes.AsMemory(2 << 20, 1 << 20), default);
        await tier.ReadAsync(content, placement, bytes.Length, 2 << 20, head, default);
        Assert.Equal(bytes[(2 << 20)..(3 << 20)], head);
    }

    [Fact]
    public async Task A_damaged_roster_or_identity_is_told_by_name()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        await tier.DisposeAsync();
        string identity = Path.Combine(fixture.Directories[0], "datalayer-target");
        string text = await File.ReadAllTextAsync(identity);
        await File.WriteAllTextAsync(identity, text.Replace("target 0", "target 7", StringComparison.Ordinal));
        tier = await fixture.OpenAsync();
        TargetStatus status = Assert.Single(tier.GetTargets());
        Assert.Equal("missing", status.State);
        Assert.Contains("datalayer-target", status.Fault, StringComparison.Ordinal);
        await File.WriteAllTextAsync(identity, text);
        await tier.CheckTargetsAsync(default);
        Assert.Equal("ok", Assert.Single(tier.GetTargets()).State);
        await tier.DisposeAsync();
        await File.WriteAllBytesAsync(Path.Combine(fixture.Directories[0], "datalayer-roster"),
            Encoding.UTF8.GetBytes("nonsense"));
        tier = await fixture.OpenAsync();
        Assert.Equal("ok", Assert.Single(tier.GetTargets()).State);
    }

    private static int[] TargetsOf(Placement placement) =>
        [.. placement is StripedPlacement striped ? striped.Targets : ((SegmentPlacement)placement).Targets];

    private static async Task AssertBytesAsync(HotTier tier, ContentId content, Placement placement, byte[] bytes)
    {
        byte[] read = new byte[bytes.Length];
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.Equal(bytes, read);
    }
}
