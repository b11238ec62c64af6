using System.Net;
using System.Net.Sockets;

namespace DataLayer.TestSupport.Postgres;

/// <summary>
/// Stands between a client and a PostgreSQL server and cuts a connection when the server answers with a chosen command tag: cut at COMMIT, the
/// transaction is committed and the client does not know; cut at RELEASE, the COMMIT was never sent. Armed for one cut at a time.
/// </summary>
public sealed class CommitCutter : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int _serverPort;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private byte[]? _tag;
    private int _cuts;

    /// <summary>Listens on a free port, in front of a server on loopback.</summary>
    public CommitCutter(int serverPort)
    {
        _serverPort = serverPort;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Where to connect to.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>How many connections were cut.</summary>
    public int CutCount => Volatile.Read(ref _cuts);

    /// <summary>Cuts the next connection that is answered with a tag.</summary>
    public void Arm(string tag) => Volatile.Write(ref _tag, [.. System.Text.Encoding.ASCII.GetBytes(tag), 0]);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        List<Task> relays = [];
        try
        {
            while (true)
            {
                relays.Add(RelayAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(relays);
        }
    }

    private async Task RelayAsync(TcpClient client)
    {
        using TcpClient server = new();
        using (client)
        {
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, _serverPort, _stop.Token);
                client.NoDelay = server.NoDelay = true;
                Task up = PumpAsync(client.GetStream(), server.GetStream(), watch: false);
                Task down = PumpAsync(server.GetStream(), client.GetStream(), watch: true);
                await Task.WhenAny(up, down);
            }
            catch (Exception error) when (error is IOException or SocketException or OperationCanceledException)
            {
                // Either end went away, which the other is told by the end of its stream.
            }
        }
    }

    private async Task PumpAsync(NetworkStream from, NetworkStream to, bool watch)
    {
        byte[] buffer = new byte[64 << 10];
        try
        {
            while (await from.ReadAsync(buffer, _stop.Token) is > 0 and int read)
            {
                if (watch && Volatile.Read(ref _tag) is { } tag && buffer.AsSpan(0, read).IndexOf(tag) >= 0
                    && Interlocked.CompareExchange(ref _tag, null, tag) == tag)
                {
                    Interlocked.Increment(ref _cuts);
                    return;
                }

                await to.WriteAsync(buffer.AsMemory(0, read), _stop.Token);
            }
        }
        catch (Exception error) when (error is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // As above.
        }
    }
}
