using System.Text.Json;
using DataLayer.Client;
using DataLayer.Engine.Feeds;
using DataLayer.Server.Hosting;
using DataLayer.Tests.Feeds;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server;

/// <summary>What feeds do when their service stops.</summary>
public sealed class FeedStopTests
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_service_that_stops_tells_its_feeds_and_waits_for_none()
    {
        using TempFolder folder = new("feedstop");
        await using DataLayerService service = DataLayerService.Build(RunningService.Configure(folder));
        await service.StartAsync(CancellationToken.None);
        using (DataLayerClient client = new(new DataLayerClientOptions { ServerUri = service.Url!, RetryCount = 0 }))
        {
            await client.WriteFileAsync("/records.bin", new byte[64 * 100]);
        }

        DatasetService datasets = service.Node.Engine.Datasets;
        await datasets.CreateAsync(
            "set", new DatasetSpec { Path = "/records.bin", Kind = DatasetKind.Fixed, RecordBytes = 64 }, CancellationToken.None);
        await datasets.BuildAsync("set", _ => { }, CancellationToken.None);
        string socket = Path.Combine(folder.Combine("state"), "feed.sock");
        using FeedSocketClient waiting = new(socket);
        waiting.Greet();
        using FeedSocketClient holding = new(socket);
        holding.Greet();
        holding.Open("""{"dataset":"set","batch":10,"passes":0}""");
        Assert.NotNull(holding.Next());

        await service.StopAsync().WaitAsync(_patience);

        foreach (FeedSocketClient client in new[] { waiting, holding })
        {
            (byte kind, byte[] payload) = client.Receive();
            while (kind is 5 or 6)
            {
                (kind, payload) = client.Receive(); // Batches that were on their way.
            }

            Assert.Equal(9, kind);
            Assert.Equal("shuttingDown", JsonDocument.Parse(payload).RootElement.GetProperty("code").GetString());
            Assert.Equal(0, client.Receive().Kind);
        }

        Assert.False(File.Exists(socket));
    }
}
