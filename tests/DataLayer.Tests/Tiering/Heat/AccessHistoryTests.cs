using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Heat;
using DataLayer.Metadata;
using DataLayer.Tests.Engine;
using DataLayer.TestSupport.Objects;
using DataLayer.TestSupport.Trees;

namespace DataLayer.Tests.Tiering.Heat;

public sealed class AccessHistoryTests
{
    private const int KiB = 1 << 10;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Every_level_is_the_sum_of_what_was_added(int seed)
    {
        await using TreeFixture t = await TreeFixture.OpenAsync();
        Random random = new(seed);
        AccessSeries[] series =
        [
            await t.Tree.AddAccessSeriesAsync(new AccessSeries(0, AccessSeriesKind.Tree, 0, "/", 0), 0, default),
            await t.Tree.AddAccessSeriesAsync(new AccessSeries(0, AccessSeriesKind.Folder, 1, "/x", 0), 0, default),
        ];
        List<AccessAddition> all = [];
        long start = new DateTimeOffset(2026, 2, 27, 22, 0, 0, TimeSpan.Zero).ToUnixTimeMilliseconds() * 1_000_000;
        for (int i = 0; i < 600; i++)
        {
            AccessSums sums = new(random.Next(3), random.Next(1, 9), random.Next(1000), random.Next(1000), random.Next(1000), random.Next(99), random.Next(99));
            long time = start + (random.NextInt64(3L * 86_400_000) * 1_000_000) + random.Next(1_000_000);
            all.Add(new AccessAddition(series[random.Next(2)].Id, time, sums));
        }

        foreach (AccessAddition[] batch in all.Chunk(37))
        {
            await t.Tree.SaveAccessesAsync([], batch, default);
        }

        foreach (AccessSeries one in series)
        {
            foreach ((HistoryLevel level, long span) in ((HistoryLevel, long)[])[(HistoryLevel.Minute, 60), (HistoryLevel.Hour, 3600), (HistoryLevel.Day, 86_400)])
            {
                IEnumerable<AccessBucket> wanted = all.Where(a => a.Series == one.Id).GroupBy(a => a.TimeNanoseconds / (span * 1_000_000_000)).OrderBy(g => g.Key)
                    .Select(g => new AccessBucket(
                        g.Key * span * 1_000_000_000, g.Min(a => a.TimeNanoseconds), g.Max(a => a.TimeNanoseconds),
                        g.Aggregate(default(AccessSums), (sum, a) => sum + a.Sums)));
                Assert.Equal(wanted, await t.Tree.ListHistoryAsync(one.Id, level, 0, long.MaxValue, 10_000, default));
            }
        }
    }

    [Fact]
    public async Task Reads_are_counted_for_tree_attachment_and_folder_by_the_tier_that_answered()
    {
        ManualClock clock = new();
        await using EngineFixture fixture = await new EngineFixture { Time = clock }.StartAsync();
        await fixture.PutObjectAsync("s/o", BytesContent.Random(100 * KiB));
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        await fixture.Engine.MakeDirectoryAsync("/a/b/c/d/e", 0x1ED, parents: true, default);
        await fixture.WriteFileAsync("/a/b/c/d/e/f", BytesContent.Random(10 * KiB));
        await fixture.ReadAllAsync("/data/s/o");
        await fixture.SettleAsync();
        await fixture.Engine.Heat.FlushAsync(default);
        clock.Advance(TimeSpan.FromMinutes(70));
        await fixture.ReadAllAsync("/data/s/o");
        await fixture.ReadAllAsync("/a/b/c/d/e/f");
        await fixture.Engine.Heat.FlushAsync(default);

        IReadOnlyList<AccessBucket> attachment = await QueryAsync(fixture, "/data", HistoryLevel.Hour);
        Assert.Equal(2, attachment.Count);
        Assert.Equal((1L, 1L, 100L * KiB, 0L), (attachment[0].Sums.OpenCount, attachment[0].Sums.ReadCount, attachment[0].Sums.ColdBytes, attachment[0].Sums.MemoryBytes));
        Assert.Equal(100 * KiB, attachment[1].Sums.MemoryBytes);
        Assert.Equal(210 * KiB, Assert.Single(await QueryAsync(fixture, "/", HistoryLevel.Day)).Sums.ReadBytes);
        Assert.Equal(10 * KiB, Assert.Single(await QueryAsync(fixture, "/a", HistoryLevel.Minute)).Sums.ReadBytes);
        Assert.Equal(10 * KiB, Assert.Single(await QueryAsync(fixture, "/a/b/c", HistoryLevel.Minute)).Sums.ReadBytes);
        Assert.Equal(100 * KiB, (await QueryAsync(fixture, "/data/s", HistoryLevel.Minute))[0].Sums.ReadBytes);
        await FailsAsync(ErrorCode.InvalidArgument, () => QueryAsync(fixture, "/a/b/c/d", HistoryLevel.Day));
        await FailsAsync(ErrorCode.NotADirectory, () => QueryAsync(fixture, "/a/b/c/d/e/f", HistoryLevel.Day));

        await fixture.ReopenAsync();
        Assert.Equal(210 * KiB, Assert.Single(await QueryAsync(fixture, "/", HistoryLevel.Day)).Sums.ReadBytes);
    }

    [Fact]
    public async Task A_renamed_folder_keeps_its_history()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.Engine.MakeDirectoryAsync("/old", 0x1ED, false, default);
        await fixture.WriteFileAsync("/old/f", BytesContent.Random(KiB));
        await fixture.ReadAllAsync("/old/f");
        await fixture.Engine.Heat.FlushAsync(default);
        await fixture.Engine.RenameAsync("/old", "/new", RenameFlags.None, default);
        await fixture.ReadAllAsync("/new/f");
        await fixture.Engine.Heat.FlushAsync(default);

        Assert.Equal(2 * KiB, (await QueryAsync(fixture, "/new", HistoryLevel.Day)).Sum(row => row.Sums.ReadBytes));
    }

    [Fact]
    public async Task Rows_go_when_they_are_old_and_series_with_their_last_row()
    {
        ManualClock clock = new();
        await using EngineFixture fixture = await new EngineFixture
        {
            Time = clock,
            Options = () => new FileEngineOptions
            {
                Heat = new HeatOptions { MinuteRetention = TimeSpan.FromHours(2), HourRetention = TimeSpan.FromDays(2), DayRetention = TimeSpan.FromDays(10) },
            },
        }.StartAsync();
        await fixture.Engine.MakeDirectoryAsync("/a", 0x1ED, false, default);
        await fixture.WriteFileAsync("/a/f", BytesContent.Random(KiB));
        await fixture.WriteFileAsync("/g", BytesContent.Random(KiB));
        for (int hour = 0; hour < 24 * 20; hour++)
        {
            await fixture.ReadAllAsync(hour == 0 ? "/a/f" : "/g");
            await fixture.Engine.Heat.FlushAsync(default);
            clock.Advance(TimeSpan.FromHours(1));
        }

        await fixture.Engine.Heat.History.TrimAsync(default, force: true);

        Assert.InRange((await QueryAsync(fixture, "/", HistoryLevel.Minute)).Count, 1, 2);
        Assert.InRange((await QueryAsync(fixture, "/", HistoryLevel.Hour)).Count, 47, 48);
        Assert.InRange((await QueryAsync(fixture, "/", HistoryLevel.Day)).Count, 9, 10);
        Assert.Equal(AccessSeriesKind.Tree, Assert.Single(await fixture.Engine.Heat.History.ListSeriesAsync(default)).Kind);
        await fixture.ReadAllAsync("/a/f");
        await fixture.Engine.Heat.FlushAsync(default);
        Assert.Single(await QueryAsync(fixture, "/a", HistoryLevel.Day));
    }

    [Fact]
    public async Task The_number_of_series_is_bounded_and_idle_ones_make_room()
    {
        ManualClock clock = new();
        await using EngineFixture fixture = await new EngineFixture
        {
            Time = clock,
            Options = () => new FileEngineOptions { Heat = new HeatOptions { MaxSeries = 6 } },
        }.StartAsync();
        for (int i = 0; i < 20; i++)
        {
            await fixture.Engine.MakeDirectoryAsync($"/d{i}", 0x1ED, false, default);
            await fixture.WriteFileAsync($"/d{i}/f", BytesContent.Random(KiB));
            await fixture.ReadAllAsync($"/d{i}/f");
            await fixture.Engine.Heat.FlushAsync(default);
        }

        Assert.Equal(6, (await fixture.Engine.Heat.History.ListSeriesAsync(default)).Count);
        Assert.Equal(20 * KiB, Assert.Single(await QueryAsync(fixture, "/", HistoryLevel.Day)).Sums.ReadBytes);
        Assert.Empty(await QueryAsync(fixture, "/d19", HistoryLevel.Day));
        clock.Advance(TimeSpan.FromDays(2));
        await fixture.ReadAllAsync("/d19/f");
        await fixture.Engine.Heat.FlushAsync(default);
        Assert.Single(await QueryAsync(fixture, "/d19", HistoryLevel.Day));
        Assert.Equal(6, (await fixture.Engine.Heat.History.ListSeriesAsync(default)).Count);
    }

    private static async Task<IReadOnlyList<AccessBucket>> QueryAsync(EngineFixture fixture, string path, HistoryLevel level) =>
        await fixture.Engine.Heat.History.QueryAsync(path, level, DateTimeOffset.UnixEpoch, DateTimeOffset.MaxValue, default);

    private static async Task FailsAsync(ErrorCode code, Func<Task> action) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<DataLayerException>(action)).Code);
}
