using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using DataLayer.Client;
using DataLayer.Engine.Feeds;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Configuration;
using DataLayer.Tests.Access;
using DataLayer.Tests.Feeds;
using Microsoft.Extensions.DependencyInjection;

namespace DataLayer.Tests.Server;

/// <summary>Who may open a feed: by token on the socket, and over an upgraded connection of the API's port.</summary>
public sealed class FeedAccessTests(GuardedService guarded) : IClassFixture<GuardedService>
{
    private string SocketPath => Path.Combine(
        guarded.Service.Services.GetRequiredService<ServerConfiguration>().StateDirectory, "feed.sock");

    [Fact]
    public async Task A_token_reaches_the_datasets_of_its_scope_only()
    {
        await MakeAsync("inside", GuardedService.Inside);
        await MakeAsync("outside", GuardedService.Outside);
        Assert.Null(Try("reader", "inside"));
        Assert.Null(Try("reader", "outside"));
        Assert.Null(Try("scoped reader", "inside"));
        Assert.Equal("notFound", Try("scoped reader", "outside"));
        Assert.Equal("notAuthenticated", Try("expired", "inside"));
        Assert.Equal("notAuthenticated", Try("wrong", "inside"));
        Assert.Null(Try(null, "inside")); // The service's own user.
        UnixFileMode mode = File.GetUnixFileMode(SocketPath);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite, mode);
    }

    [Fact]
    public async Task An_upgraded_connection_carries_the_batches()
    {
        await MakeAsync("upgraded", GuardedService.Inside);
        using (TcpClient refused = await UpgradeAsync(null))
        {
            Assert.StartsWith("HTTP/1.1 401", await ReadHeadAsync(refused.GetStream()), StringComparison.Ordinal);
        }

        using TcpClient connection = await UpgradeAsync("scoped reader");
        NetworkStream stream = connection.GetStream();
        string head = await ReadHeadAsync(stream);
        Assert.StartsWith("HTTP/1.1 101", head, StringComparison.Ordinal);
        Assert.Contains("upgrade: datalayer-feed", head, StringComparison.OrdinalIgnoreCase);
        await SendAsync(stream, 1, "{\"client\":\"test/1\"}");
        Assert.False(JsonDocument.Parse((await ReceiveAsync(stream)).Payload).RootElement.GetProperty("sharedMemory").GetBoolean());
        await SendAsync(stream, 3, """{"dataset":"upgraded","batch":2,"order":"sequential;part=all;seed=0"}""");
        Assert.Equal(4, (await ReceiveAsync(stream)).Kind);
        for (int i = 0; i < 4; i++)
        {
            (byte kind, byte[] payload) = await ReceiveAsync(stream);
            Assert.Equal((6, uint.MaxValue), (kind, BitConverter.ToUInt32(payload)));
            FeedPage page = new(payload.AsSpan(16));
            Assert.Equal(payload.Length - 16, BitConverter.ToInt64(payload, 8));
            Assert.Equal([2L * i, (2L * i) + 1], page.Numbers());
            Assert.Equal(Bytes((2 * i) + 1), page.SampleAt(1));
            if (i == 0)
            {
                using HttpClient http = guarded.OpenHttp("scoped reader");
                string list = await http.GetStringAsync(new Uri(ApiRoutes.Feeds, UriKind.Relative));
                JsonElement feed = Assert.Single(
                    JsonDocument.Parse(list).RootElement.EnumerateArray(), f => f.GetProperty("dataset").GetString() == "upgraded");
                Assert.Equal("test/1", feed.GetProperty("client").GetString());
            }

            byte[] release = new byte[8];
            release[0] = (byte)i;
            await SendAsync(stream, 7, release);
        }

        Assert.Equal(8, (await ReceiveAsync(stream)).Kind);
    }

    [Fact]
    public async Task A_feed_ends_when_its_token_is_revoked()
    {
        await MakeAsync("revoked", GuardedService.Inside);
        string token = guarded.Add("for a while", TokenRole.Reader, [GuardedService.Inside], null);
        using FeedSocketClient client = new(SocketPath);
        client.Send(1, $"{{\"token\":\"{token}\"}}");
        Assert.Equal(2, client.Receive().Kind);
        client.Send(3, """{"dataset":"revoked","batch":2,"passes":0}""");
        Assert.Equal(4, client.Receive().Kind);

        TokenFile.Change(guarded.TokenFilePath, tokens => [.. tokens.Where(t => t.Id != token[3..15])]);

        // Nothing is released, so only so many batches come before it.
        byte kind;
        byte[] payload;
        do
        {
            (kind, payload) = client.Receive();
        }
        while (kind is 5 or 6);
        Assert.Equal(9, kind);
        Assert.Equal("notAuthenticated", JsonDocument.Parse(payload).RootElement.GetProperty("code").GetString());
    }

    private static byte[] Bytes(int number) => [.. Enumerable.Range(0, 16).Select(i => (byte)(number + i))];

    private string? Try(string? holder, string dataset)
    {
        using FeedSocketClient client = new(SocketPath);
        client.Send(1, holder is null ? "{}" : $"{{\"token\":\"{guarded.Tokens[holder]}\"}}");
        (byte kind, byte[] payload) = client.Receive();
        if (kind == 2)
        {
            client.Send(3, $$"""{"dataset":"{{dataset}}","batch":2}""");
            (kind, payload) = client.Receive();
        }

        return kind == 9 ? JsonDocument.Parse(payload).RootElement.GetProperty("code").GetString() : null;
    }

    private async Task MakeAsync(string name, string folder)
    {
        using DataLayerClient owner = guarded.Open("admin");
        await owner.WriteFileAsync($"{folder}/{name}.bin", Enumerable.Range(0, 8).SelectMany(Bytes).ToArray());
        DatasetService datasets = guarded.Service.Node.Engine.Datasets;
        await datasets.CreateAsync(
            name, new DatasetSpec { Path = $"{folder}/{name}.bin", Kind = DatasetKind.Fixed, RecordBytes = 16 }, CancellationToken.None);
        await datasets.BuildAsync(name, _ => { }, CancellationToken.None);
    }

    private async Task<TcpClient> UpgradeAsync(string? holder)
    {
        TcpClient connection = new() { ReceiveTimeout = 30_000, SendTimeout = 30_000 };
        Uri url = guarded.Service.Url!;
        await connection.ConnectAsync(url.Host, url.Port);
        string token = holder is null ? string.Empty : $"Authorization: Bearer {guarded.Tokens[holder]}\r\n";
        await connection.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"GET {ApiRoutes.Feeds}/connect HTTP/1.1\r\nHost: {url.Authority}\r\nConnection: Upgrade\r\nUpgrade: datalayer-feed\r\n{token}\r\n"));
        return connection;
    }

    private static async Task<string> ReadHeadAsync(NetworkStream stream)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(30));
        StringBuilder head = new();
        byte[] one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await stream.ReadExactlyAsync(one, limit.Token);
            head.Append((char)one[0]);
        }

        return head.ToString();
    }

    private static Task SendAsync(NetworkStream stream, byte kind, string json) => SendAsync(stream, kind, Encoding.UTF8.GetBytes(json));

    private static async Task SendAsync(NetworkStream stream, byte kind, byte[] payload)
    {
        byte[] frame = [.. "DLFD"u8, .. BitConverter.GetBytes(payload.Length), 1, kind, 0, 0, .. payload];
        await stream.WriteAsync(frame);
    }

    private static async Task<(byte Kind, byte[] Payload)> ReceiveAsync(NetworkStream stream)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(30));
        byte[] header = new byte[12];
        await stream.ReadExactlyAsync(header, limit.Token);
        byte[] payload = new byte[BitConverter.ToInt32(header, 4)];
        await stream.ReadExactlyAsync(payload, limit.Token);
        return (header[9], payload);
    }
}
