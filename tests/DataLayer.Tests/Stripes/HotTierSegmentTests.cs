using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;

namespace DataLayer.Tests.Stripes;

public sealed class HotTierSegmentTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Records_read_back_whole_and_in_part_also_after_a_restart(int copies)
    {
        await using HotTierFixture fixture = new(2) { CopyCount = copies };
        HotTier tier = await fixture.OpenAsync();
        List<(ContentId Content, SegmentPlacement Placement, byte[] Bytes)> all = [];
        for (int i = 0; i < 50; i++)
        {
            byte[] bytes = HotTierFixture.RandomBytes(i, i * 977);
            ContentId content = HotTierFixture.Content(i + 1);
            all.Add((content, await tier.AppendSmallAsync(content, null, bytes, default), bytes));
        }

        await Task.WhenAll(all.Select(item => tier.FlushAsync(item.Content, item.Placement, default).AsTask()));
        for (int round = 0; round < 2; round++)
        {
            foreach ((ContentId content, SegmentPlacement placement, byte[] bytes) in all)
            {
                byte[] read = new byte[bytes.Length];
                await tier.ReadAsync(content, placement, bytes.Length, 0, read, default);
                Assert.Equal(bytes, read);
                byte[] part = new byte[bytes.Length / 2];
                await tier.ReadAsync(content, placement, bytes.Length, bytes.Length / 3, part, default);
                Assert.Equal(bytes[(bytes.Length / 3)..(bytes.Length / 3 + part.Length)], part);
            }

            tier = await fixture.ReopenAsync();
        }
    }

    [Fact]
    public async Task A_record_of_another_content_is_Corrupt_not_wrong_bytes()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        SegmentPlacement placement = await tier.AppendSmallAsync(HotTierFixture.Content(1), null, new byte[100],
            default);
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(HotTierFixture.Content(2), placement, 100, 0, new byte[100], default));
        Assert.Equal(ErrorCode.Corrupt, fault.Code);
    }

    [Fact]
    public async Task A_sealed_segment_goes_when_its_last_record_dies_however_often_deletes_repeat()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        List<(ContentId Content, SegmentPlacement Placement)> all = [];
        for (int i = 0; i < 5; i++)
        {
            ContentId content = HotTierFixture.Content(i + 1);
            all.Add((content, await tier.AppendSmallAsync(content, null, new byte[400_000], default)));
        }

        long first = all[0].Placement.SegmentId;
        Assert.Equal(2, all.Count(item => item.Placement.SegmentId == first));
        for (int repeat = 0; repeat < 3; repeat++)
        {
            await tier.DeleteAsync(all[0].Content, all[0].Placement, default);
        }

        byte[] read = new byte[400_000];
        await tier.ReadAsync(all[1].Content, all[1].Placement, read.Length, 0, read, default);
        tier = await fixture.ReopenAsync();
        await tier.DeleteAsync(all[0].Content, all[0].Placement, default);
        await tier.ReadAsync(all[1].Content, all[1].Placement, read.Length, 0, read, default);
        await tier.DeleteAsync(all[1].Content, all[1].Placement, default);
        await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(all[1].Content, all[1].Placement, read.Length, 0, read, default));
        Assert.DoesNotContain(Directory.EnumerateFiles(fixture.Directories[0], "*", SearchOption.AllDirectories),
            path => path.Contains(first.ToString("x16"), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nothing_is_left_of_a_segment_whose_last_records_die_at_the_same_time()
    {
        FaultyTarget target = null!;
        await using HotTierFixture fixture = new() { Decorate = inner => target = new FaultyTarget(inner, seed: 1) };
        HotTier tier = await fixture.OpenAsync();
        List<SegmentPlacement> all = [];
        for (int i = 0; i < 3; i++)
        {
            all.Add(await tier.AppendSmallAsync(HotTierFixture.Content(i + 1), null, new byte[400_000], default));
        }

        TaskCompletionSource reached = new();
        TaskCompletionSource goOn = new();
        target.BeforeTombstone = () =>
        {
            return reached.TrySetResult() ? goOn.Task : Task.CompletedTask;
        };
        Task first = tier.DeleteAsync(HotTierFixture.Content(1), all[0], default).AsTask();
        await reached.Task;
        await tier.DeleteAsync(HotTierFixture.Content(2), all[1], default);
        goOn.SetResult();
        await first;
        Assert.DoesNotContain(Directory.EnumerateFiles(fixture.Directories[0], "*", SearchOption.AllDirectories),
            path => path.Contains(all[0].SegmentId.ToString("x16"), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Tombstones_without_a_segment_go_at_the_next_start()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        SegmentPlacement kept = await tier.AppendSmallAsync(HotTierFixture.Content(1), null, new byte[10], default);
        await tier.AppendSmallAsync(HotTierFixture.Content(2), null, new byte[10], default);
        await tier.DeleteAsync(HotTierFixture.Content(1), kept, default);
        string own = Assert.Single(Directory.EnumerateFiles(fixture.Directories[0], "*.dead", SearchOption.AllDirectories));
        string stray = Path.Combine(Path.GetDirectoryName(own)!, "00000000000000ff.dead");
        File.Copy(own, stray);
        await fixture.ReopenAsync();
        Assert.True(File.Exists(own));
        Assert.False(File.Exists(stray));
    }

    [Fact]
    public async Task Reconciliation_deletes_segments_nobody_knows_but_none_of_this_start()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        SegmentPlacement orphan = await tier.AppendSmallAsync(HotTierFixture.Content(1), null, new byte[10], default);
        tier = await fixture.ReopenAsync();
        SegmentPlacement kept = await tier.AppendSmallAsync(HotTierFixture.Content(2), null, new byte[10], default);
        Assert.NotEqual(orphan.SegmentId, kept.SegmentId);
        await tier.ReconcileSegmentsAsync(new Dictionary<long, long>(), default);
        await tier.ReadAsync(HotTierFixture.Content(2), kept, 10, 0, new byte[10], default);
        await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(HotTierFixture.Content(1), orphan, 10, 0, new byte[10], default));
    }

    [Fact]
    public async Task A_segment_mostly_dead_is_offered_for_compaction()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        List<SegmentPlacement> all = [];
        for (int i = 0; i < 20; i++)
        {
            all.Add(await tier.AppendSmallAsync(HotTierFixture.Content(i + 1), null, new byte[100_000], default));
        }

        Assert.Empty(tier.GetCompactableSegments());
        for (int i = 0; i < 8; i++)
        {
            await tier.DeleteAsync(HotTierFixture.Content(i + 1), all[i], default);
        }

        Assert.Equal([all[0].SegmentId], tier.GetCompactableSegments());
    }

    [Fact]
    public async Task The_limit_decides_between_segment_and_stripes()
    {
        await using HotTierFixture fixture = new() { SegmentLimitBytes = 1000 };
        HotTier tier = await fixture.OpenAsync();
        Assert.True(tier.UsesSegment(null, 1000));
        Assert.False(tier.UsesSegment(null, 1001));
        await Assert.ThrowsAsync<ArgumentException>(
            async () => await tier.AppendSmallAsync(HotTierFixture.Content(1), null, new byte[1001], default));
    }
}
