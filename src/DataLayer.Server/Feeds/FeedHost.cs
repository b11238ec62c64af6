using System.Collections.Concurrent;
using System.Net.Sockets;
using DataLayer.Core.Errors;
using DataLayer.Core.Interop;
using DataLayer.Engine.Feeds.Serving;
using DataLayer.Server.Access;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Feeds;

/// <summary>
/// Listens for feeds on <c>feed.sock</c> in the state folder as long as the node is open. The service's user, its group
/// and root may connect; who is neither the user nor root needs what any request of the API would.
/// </summary>
/// <remarks>
/// The state folder's lock makes this the only listener, so a socket that a killed service left is simply replaced. At
/// the stop every feed ends with an error that says so, before the node closes.
/// </remarks>
internal sealed partial class FeedHost(
    ServerConfiguration configuration, NodeHost node, Authenticator authenticator, IHostApplicationLifetime lifetime,
    TimeProvider time, ILoggerFactory logs) : IHostedService, IDisposable
{
    /// <summary>The socket's name in the state folder.</summary>
    public const string SocketName = "feed.sock";

    /// <summary>Connections that are no feeds yet, a count; more are closed at once.</summary>
    private const int MaxGreeting = 64;

    private readonly ILogger<FeedHost> _log = logs.CreateLogger<FeedHost>();
    private readonly ConcurrentDictionary<Task, bool> _sessions = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile FeedService? _service;
    private CancellationTokenRegistration _ended;
    private bool _stopped;
    private Task _running = Task.CompletedTask;

    /// <summary>Completes when feeds can connect, or never will.</summary>
    public Task Listening => _listening.Task;

    /// <summary>The feeds; null before the node is open.</summary>
    public FeedService? Service => _service;

    /// <summary>Completes when the connections that are there now are over, and their memory is given back.</summary>
    internal Task WhenOverAsync() => Task.WhenAll(_sessions.Keys);

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        // Before Kestrel waits for the requests in flight, of which feeds over its port are some.
        _ended = lifetime.ApplicationStopping.Register(_stopping.Cancel);
        _running = Task.Run(RunAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (!_stopped)
        {
            _stopped = true;
            await _stopping.CancelAsync();
        }

        await _running;
        await Task.WhenAll(_sessions.Keys);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ended.Dispose();
        _stopping.Dispose();
    }

    /// <summary>Serves a feed over a connection that is not the socket's; returns when it is over.</summary>
    /// <exception cref="DataLayerException">ShuttingDown: the node is not open.</exception>
    public Task ServeAsync(FeedWire wire, Caller caller)
    {
        FeedService service = _service ?? throw new DataLayerException(
            ErrorCode.ShuttingDown, $"The service takes no feeds now: {node.Why}.");
        return Track(RunSessionAsync(wire, service, token => token is null
            ? caller
            : throw new DataLayerException(
                ErrorCode.InvalidArgument,
                "Hello has a token, but the request for the upgrade has shown one: leave it out.")));
    }

    private async Task RunAsync()
    {
        try
        {
            await node.Opened.WaitAsync(_stopping.Token);
        }
        catch (Exception)
        {
            _listening.TrySetResult();
            return;
        }

        string path = Path.Combine(configuration.StateDirectory, SocketName);
        try
        {
            FeedService service = new(node.Engine, configuration.Feeds);
            _service = service;
            using Socket listener = UnixListener.Listen(
                path,
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite,
                "The feeds'", "Use a shorter stateDirectory.");
            _listening.TrySetResult();
            while (true)
            {
                Socket socket = await listener.AcceptAsync(_stopping.Token);
                if (_sessions.Count >= configuration.Feeds.MaxFeeds + MaxGreeting)
                {
                    socket.Dispose();
                    LogTooMany(_log, _sessions.Count);
                    continue;
                }

                _ = Track(GreetAsync(socket, service));
            }
        }
        catch (OperationCanceledException)
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException
            or DataLayerException or ArgumentException)
        {
            // Everything else of the service works without feeds on the socket.
            LogCannotListen(_log, path, e.Message);
        }
        finally
        {
            _listening.TrySetResult();
        }
    }

    private Task<bool> Track(Task session)
    {
        _sessions.TryAdd(session, true);
        return session.ContinueWith(
            done => _sessions.TryRemove(done, out _), CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private async Task GreetAsync(Socket socket, FeedService service)
    {
        // Away from the loop that accepts.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        SocketFeedWire wire = new(socket, time);
        uint user;
        try
        {
            (_, user, _) = DescriptorSocket.GetPeer(socket);
        }
        catch (SocketException)
        {
            await wire.DisposeAsync();
            return;
        }

        bool isOwner = user == 0 || user == DescriptorSocket.OwnUserId;
        await RunSessionAsync(wire, service, token => authenticator.Identify(token, isOwner));
    }

    private async Task RunSessionAsync(FeedWire wire, FeedService service, Func<string?, Caller> identify)
    {
        try
        {
            FeedSession session = new(wire, service, node.Engine.Datasets, time);
            if (await session.RunAsync(identify, authenticator.IsStillKnown, _stopping.Token) is { } fault)
            {
                LogEnded(_log, fault.Message);
            }
        }
        catch (Exception e)
        {
            LogBroken(_log, e);
        }
        finally
        {
            await wire.DisposeAsync();
        }
    }

    [LoggerMessage(120, LogLevel.Error, "No feed can connect here: the socket {Path} cannot be used: {Why}")]
    private static partial void LogCannotListen(ILogger log, string path, string why);

    [LoggerMessage(121, LogLevel.Information, "A feed ended: {Why}")]
    private static partial void LogEnded(ILogger log, string why);

    [LoggerMessage(122, LogLevel.Error, "A feed's connection failed")]
    private static partial void LogBroken(ILogger log, Exception fault);

    [LoggerMessage(123, LogLevel.Warning, "A connection for a feed was closed: {Count} are there already")]
    private static partial void LogTooMany(ILogger log, int count);
}
