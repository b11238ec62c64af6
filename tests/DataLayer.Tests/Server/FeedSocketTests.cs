using System.Text;
using System.Text.Json;
using DataLayer.Engine.Feeds;
using DataLayer.Server.Configuration;
using DataLayer.Server.Feeds;
using DataLayer.Tests.Feeds;
using Microsoft.Extensions.DependencyInjection;

namespace DataLayer.Tests.Server;

[Collection(ServiceCollection.Name)]
public sealed class FeedSocketTests(RunningService running) : IAsyncLifetime
{
    private const int RecordBytes = 64;
    private const int Records = 100;
    private readonly byte[] _bytes = new byte[Records * RecordBytes];
    private readonly string _name = "feed-" + Guid.NewGuid().ToString("N")[..8];

    private FeedHost Host => running.Service.Services.GetRequiredService<FeedHost>();

    private string SocketPath => Path.Combine(
        running.Service.Services.GetRequiredService<ServerConfiguration>().StateDirectory, "feed.sock");

    public async Task InitializeAsync()
    {
        string folder = await running.MakeFolderAsync();
        new Random(5).NextBytes(_bytes);
        await running.Client.WriteFileAsync(folder + "/records.bin", _bytes);
        DatasetService datasets = running.Service.Node.Engine.Datasets;
        await datasets.CreateAsync(
            _name, new DatasetSpec { Path = folder, Kind = DatasetKind.Fixed, RecordBytes = RecordBytes }, CancellationToken.None);
        await datasets.BuildAsync(_name, _ => { }, CancellationToken.None);
    }

    public async Task DisposeAsync() => await AssertAllGivenBackAsync();

    [Fact]
    public void A_client_gets_every_record_once_and_the_end()
    {
        using FeedSocketClient client = new(SocketPath);
        Assert.True(client.Greet().GetProperty("sharedMemory").GetBoolean());
        JsonElement opened = client.Open($$"""{"dataset":"{{_name}}","batch":7,"last":"pad","slabs":2}""");
        Assert.Equal(100, opened.GetProperty("passLength").GetInt64());
        Assert.Equal("dense", opened.GetProperty("layout").GetString());
        Assert.Equal("shuffle;part=all;seed=0", opened.GetProperty("order").GetString());
        Assert.Equal("fixed", opened.GetProperty("kind").GetString());
        List<long> seen = [];
        while (client.Next() is { } page)
        {
            for (int i = 0; i < page.Count; i++)
            {
                int at = (int)page.NumberAt(i) * RecordBytes;
                Assert.Equal(_bytes[at..(at + RecordBytes)], page.SampleAt(i));
            }

            seen.AddRange(page.Numbers());
            client.Release(page.Sequence);
        }

        Assert.Equal(Enumerable.Range(0, Records).Select(i => (long)i), seen.Order());
        Assert.InRange(client.SlabCount, 1, 2);
    }

    [Theory]
    [InlineData("""{"dataset":"NAME","batch":7,"bacth":1}""", "invalidArgument", "bacth")]
    [InlineData("""{"dataset":"NAME","batch":7,"order":"shufle;part=all;seed=0"}""", "invalidArgument", "shufle")]
    [InlineData("""{"dataset":"NAME","batch":7,"layout":"tight"}""", "invalidArgument", "tight")]
    [InlineData("""{"dataset":"NAME","batch":7,"pad":300}""", "invalidArgument", "300")]
    [InlineData("""{"dataset":"NAME","batch":7,"element":"float33"}""", "invalidArgument", "float33")]
    [InlineData("""{"dataset":"none","batch":7}""", "notFound", "none")]
    [InlineData("""{"batch":7}""", "invalidArgument", "dataset")]
    public void A_wrong_open_is_answered_with_what_is_wrong(string open, string code, string said)
    {
        using FeedSocketClient client = new(SocketPath);
        client.Greet();
        client.Send(3, open.Replace("NAME", _name, StringComparison.Ordinal));
        JsonElement fault = client.Expect(9);
        Assert.Equal(code, fault.GetProperty("code").GetString());
        Assert.Contains(said, fault.GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, client.Receive().Kind);
    }

    [Fact]
    public void Close_ends_a_feed_that_has_no_end_and_pings_are_answered()
    {
        using FeedSocketClient client = new(SocketPath);
        client.Greet();
        client.Open($$"""{"dataset":"{{_name}}","batch":10,"passes":0}""");
        client.Send(11, ReadOnlySpan<byte>.Empty);
        client.Send(10, ReadOnlySpan<byte>.Empty);
        List<byte> kinds = [];
        for (byte kind = 0; kind != 8; kinds.Add(kind))
        {
            kind = client.Receive().Kind;
            Assert.NotEqual(0, kind);
        }

        Assert.Single(kinds, (byte)12);
    }

    [Fact]
    public async Task A_client_that_dies_with_batches_in_its_hands_leaves_nothing()
    {
        for (int round = 0; round < 10; round++)
        {
            using FeedSocketClient client = new(SocketPath);
            client.Greet();
            client.Open($$"""{"dataset":"{{_name}}","batch":10,"passes":0,"slabs":4}""");
            for (int i = 0; i < round % 5; i++)
            {
                Assert.NotNull(client.Next());
            }
        }

        await AssertAllGivenBackAsync();
    }

    [Fact]
    public void Frames_that_are_none_end_their_connection_only()
    {
        Random random = new(11);
        for (int round = 0; round < 200; round++)
        {
            using FeedSocketClient client = new(SocketPath);
            bool isGreeted = random.Next(2) == 0;
            if (isGreeted)
            {
                client.Greet();
            }

            byte[] good = Encoding.UTF8.GetBytes($$"""{"dataset":"{{_name}}","batch":10}""");
            byte[] frame = new byte[12 + good.Length];
            "DLFD"u8.CopyTo(frame);
            (frame[4], frame[8], frame[9]) = ((byte)good.Length, 1, 3);
            good.CopyTo(frame.AsSpan(12));
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                frame[random.Next(frame.Length)] = (byte)random.Next(256);
            }

            client.Socket.Send(frame.AsSpan(0, random.Next(1, frame.Length + 1)));
            client.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
            while (client.Receive().Kind != 0)
            {
                // Whatever it says, it ends.
            }
        }

        A_client_gets_every_record_once_and_the_end();
    }

    private async Task AssertAllGivenBackAsync()
    {
        await Host.WhenOverAsync().WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Empty(Host.Service!.List());
        Assert.Equal(0, Host.Service.SlabBytes);
    }
}
