using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace DataLayer.TestSupport.Relay;

/// <summary>
/// A relay on loopback in front of an HTTP/1.1 server: adds latency to the first byte of each answer (loopback has none) and
/// breaks requests in chosen ways. Bodies stream through; throughput is not limited.
/// </summary>
/// <remarks>Follows HTTP framing request by request (Content-Length, chunked, 100-continue); no pipelining, no upgrade.</remarks>
public sealed class LatencyRelay : IAsyncDisposable
{
    private readonly IPEndPoint _upstream;
    private readonly LatencyRelayOptions _options;
    private readonly Lock _lock = new();
    private readonly Random _random;
    private readonly HashSet<Socket> _sockets = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _connections = [];
    private Socket? _listener;
    private Task _acceptLoop = Task.CompletedTask;
    private int _requests;
    private volatile Func<RelayRequest, RelayFault> _fault = _ => RelayFault.None;

    private LatencyRelay(IPEndPoint upstream, LatencyRelayOptions options)
    {
        (_upstream, _options) = (upstream, options);
        _random = new Random(options.Seed);
        Port = FreePort.Next();
        BringUp();
    }

    /// <summary>The port on loopback.</summary>
    public int Port { get; }

    /// <summary>The relay's URL, to be used in place of the server's.</summary>
    public Uri Endpoint => new($"{(_options.Certificate is null ? "http" : "https")}://127.0.0.1:{Port.ToString(CultureInfo.InvariantCulture)}");

    /// <summary>Requests seen so far, broken ones too.</summary>
    public int RequestCount => Volatile.Read(ref _requests);

    /// <summary>Chooses what goes wrong with a request; called once for each, possibly from many threads. May be replaced any time.</summary>
    public Func<RelayRequest, RelayFault> Fault
    {
        get => _fault;
        set => _fault = value;
    }

    /// <summary>Starts a relay in front of a server.</summary>
    public static LatencyRelay Start(IPEndPoint upstream, LatencyRelayOptions? options = null) => new(upstream, options ?? new());

    /// <summary>Starts a relay that adds no latency.</summary>
    public static LatencyRelay StartWithoutLatency(IPEndPoint upstream, int seed = 1) =>
        new(upstream, new() { MinimumLatency = TimeSpan.Zero, MaximumLatency = TimeSpan.Zero, Seed = seed });

    /// <summary>The server is down: connections are reset, new ones refused. <see cref="BringUp"/> ends it.</summary>
    public void TakeDown()
    {
        lock (_lock)
        {
            _listener?.Dispose();
            _listener = null;
            foreach (Socket socket in _sockets)
            {
                Reset(socket);
            }

            _sockets.Clear();
        }
    }

    /// <summary>The server accepts connections again, at the same port.</summary>
    public void BringUp()
    {
        Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, Port));
        listener.Listen(1024);
        lock (_lock)
        {
            _listener = listener;
            _acceptLoop = AcceptAsync(listener);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        TakeDown();
        await _acceptLoop;
        Task[] connections;
        lock (_lock)
        {
            connections = [.. _connections];
        }

        await Task.WhenAll(connections);
        _stop.Dispose();
    }

    private static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It is gone already.
        }

        socket.Dispose();
    }

    private async Task AcceptAsync(Socket listener)
    {
        try
        {
            while (true)
            {
                Socket socket = await listener.AcceptAsync(_stop.Token);
                lock (_lock)
                {
                    _sockets.Add(socket);
                    _connections.RemoveAll(task => task.IsCompleted);
                    _connections.Add(ServeAsync(socket));
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The listener was closed.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        await Task.Yield();
        Socket? server = null;
        bool resets = true;
        try
        {
            client.NoDelay = true;
            await using Stream clientStream = await OpenClientStreamAsync(client);
            RelayReader fromClient = new(clientStream);
            RelayReader? fromServer = null;
            while (await fromClient.ReadHeadAsync(_stop.Token) is { } head)
            {
                RelayRequest request = Parse(head);
                RelayFault fault = _fault(request);
                if (fault.Kind == RelayFaultKind.ResetBefore)
                {
                    return;
                }

                if (fault.Kind == RelayFaultKind.HangBefore)
                {
                    await Task.Delay(Timeout.Infinite, _stop.Token);
                }

                if (fault.Kind == RelayFaultKind.Answer)
                {
                    await AnswerAsync(fromClient, head, fault);
                    continue;
                }

                if (fromServer is null)
                {
                    server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                    await server.ConnectAsync(_upstream, _stop.Token);
                    fromServer = new RelayReader(new NetworkStream(server));
                }

                if (!await new RelayExchange(fromClient, fromServer, request, fault, NextDelay(), NextFlip(), _stop.Token).RunAsync())
                {
                    resets = fault.Kind == RelayFaultKind.ResetAfter;
                    return;
                }
            }

            resets = false;
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException
            or System.Security.Authentication.AuthenticationException)
        {
            // One side is gone; the other learns it by the reset below.
        }
        finally
        {
            server?.Dispose();
            lock (_lock)
            {
                _sockets.Remove(client);
            }

            if (resets)
            {
                Reset(client);
            }

            // Otherwise an orderly end: what was written still arrives.
            client.Dispose();
        }
    }

    private async Task<Stream> OpenClientStreamAsync(Socket client)
    {
        NetworkStream plain = new(client);
        if (_options.Certificate is null)
        {
            return plain;
        }

        SslStream tls = new(plain);
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _options.Certificate }, _stop.Token);
        return tls;
    }

    private RelayRequest Parse(string head)
    {
        string[] parts = head[..head.IndexOf('\r', StringComparison.Ordinal)].Split(' ');
        return new RelayRequest(Interlocked.Increment(ref _requests) - 1, parts[0], parts[1], head);
    }

    private async Task AnswerAsync(RelayReader client, string head, RelayFault fault)
    {
        bool expects = head.Contains("100-continue", StringComparison.OrdinalIgnoreCase);
        if (!expects)
        {
            await client.CopyBodyAsync(RelayFraming.OfRequest(head), Stream.Null, RelayTamper.None, _stop.Token);
        }

        string body = head.StartsWith("HEAD ", StringComparison.Ordinal)
            ? ""
            : $"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{fault.S3Code}</Code><Message>made up</Message></Error>";
        string answer = string.Create(CultureInfo.InvariantCulture,
            $"HTTP/1.1 {fault.Status} Made-Up\r\nContent-Type: application/xml\r\nContent-Length: {body.Length}\r\n{(expects ? "Connection: close\r\n" : "")}\r\n{body}");
        await client.Stream.WriteAsync(Encoding.ASCII.GetBytes(answer), _stop.Token);
        if (expects)
        {
            // Wait for the client to read the answer and close; a reset now would lose it.
            await client.DrainAsync(_stop.Token);
        }
    }

    private TimeSpan NextDelay()
    {
        lock (_lock)
        {
            return _options.MinimumLatency + (_random.NextDouble() * (_options.MaximumLatency - _options.MinimumLatency));
        }
    }

    private ulong NextFlip()
    {
        lock (_lock)
        {
            return (ulong)_random.NextInt64();
        }
    }
}
