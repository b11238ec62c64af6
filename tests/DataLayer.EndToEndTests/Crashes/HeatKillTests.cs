using DataLayer.Protocol.Http;

namespace DataLayer.EndToEndTests.Crashes;

/// <summary>Heat and access history over kill -9.</summary>
public sealed class HeatKillTests
{
    [Fact]
    public async Task What_was_flushed_survives_kill_9_and_no_more_than_an_interval_is_lost()
    {
        await using var it = await Installation.StartAsync(settings => settings with { More = "engine:\n  heatFlush: 100ms\n" });
        await it.Client.MakeDirectoryAsync("/d");
        await it.Client.WriteFileAsync("/d/f", new byte[1000]);
        for (var round = 1; round <= 3; round++)
        {
            await it.ReadAsync("/d/f");
            while ((await it.Client.Admin.GetHistoryAsync("/d", "day")).Rows.Sum(row => row.Reads) < round)
            {
                await Task.Yield(); // Told, therefore stored: a look at the history flushes.
            }

            await it.Service.KillAsync();
            await it.Service.RestartAsync();
            Assert.InRange((await it.Client.DescribeAsync("/d/f")).Heat, round - 0.01, round + 0.001);
            HistoryReport history = await it.Client.Admin.GetHistoryAsync("/d", "day");
            Assert.Equal(1000 * round, history.Rows.Sum(row => row.MemoryBytes + row.HotBytes + row.ColdBytes));
        }

        await it.CheckCleanAsync();
    }
}
