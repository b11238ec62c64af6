using System.Collections.Concurrent;
using System.Net.Sockets;
using DataLayer.Core.Errors;
using DataLayer.Keeper;
using DataLayer.Keeper.Channel;
using DataLayer.Protocol.Http;
using DataLayer.Protocol.Keeper;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Mounts;

/// <summary>
/// Listens for keepers on <c>keeper.sock</c> in the state folder as long as the node is open, and serves the mounts
/// they
/// bring. Only the service's own user and root may connect.
/// </summary>
/// <remarks>
/// The state folder's lock makes this the only listener, so a socket that a killed service left is simply replaced. At
/// the stop every mount ends what it has in flight, before the node closes; keepers then wait for the next service.
/// </remarks>
internal sealed partial class MountHost(
    ServerConfiguration configuration, NodeHost node, MountStarter starter, TimeProvider time, ILoggerFactory logs)
    : IHostedService, IDisposable
{
    /// <summary>How often the mounts of the service before are looked at that have not ended yet.</summary>
    private static readonly TimeSpan _keptInterval = TimeSpan.FromSeconds(30);

    /// <summary>How long a keeper may take to say what it brings.</summary>
    private static readonly TimeSpan _helloTimeout = TimeSpan.FromSeconds(10);

    private readonly ILogger<MountHost> _log = logs.CreateLogger<MountHost>();
    private readonly ConcurrentDictionary<string, MountSession> _sessions = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<Task, bool> _greeting = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string? _unavailable = "the service is starting";
    private bool _stopped;
    private Task _running = Task.CompletedTask;
    private Task _releasing = Task.CompletedTask;

    /// <summary>Completes when keepers can connect, or never will; <see cref="List"/> then says why.</summary>
    public Task Listening => _listening.Task;

    /// <summary>What is mounted, and where keepers connect.</summary>
    public MountList List() => new()
    {
        StateFolder = configuration.StateDirectory,
        Unavailable = _unavailable,
        Mounts =
        [
            .. _sessions.Values
                .Select(session => session.Describe())
                .OfType<MountReport>()
                .OrderBy(report => report.MountPoint, StringComparer.Ordinal),
        ],
    };

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _running = Task.Run(RunAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _unavailable = "the service is stopping";
        if (!_stopped)
        {
            _stopped = true;
            await _stopping.CancelAsync();
        }

        await _running;
        await _releasing;
        await Task.WhenAll(_sessions.Values.Select(session => session.StopAsync()));
        await Task.WhenAll(_greeting.Keys);
    }

    /// <inheritdoc/>
    public void Dispose() => _stopping.Dispose();

    private async Task RunAsync()
    {
        try
        {
            await node.Opened.WaitAsync(_stopping.Token);
        }
        catch (Exception e)
        {
            _unavailable = e is OperationCanceledException ? "the service is stopping" : node.Why;
            _listening.TrySetResult();
            return;
        }

        string path = Path.Combine(configuration.StateDirectory, MountKeeperOptions.SocketName);
        try
        {
            using Socket listener = UnixListener.Listen(
                path, UnixFileMode.UserRead | UnixFileMode.UserWrite, "The keeper's",
                "Use a shorter stateDirectory to mount.");
            _releasing = Task.Run(ReleaseOrphansAsync, CancellationToken.None);
            _unavailable = null;
            _listening.TrySetResult();
            while (true)
            {
                Socket socket = await listener.AcceptAsync(_stopping.Token);
                Task greeting = GreetAsync(new KeeperChannel(socket, time));
                _greeting.TryAdd(greeting, true);
                _ = greeting.ContinueWith(
                    done => _greeting.TryRemove(done, out _), CancellationToken.None,
                    TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }
        }
        catch (OperationCanceledException)
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException
            or DataLayerException or ArgumentException)
        {
            // Everything else of the service works without mounts.
            _unavailable = e.Message;
            LogCannotListen(_log, path, e.Message);
            _listening.TrySetResult();
        }
    }

    /// <summary>
    /// Lets the files without names go that were kept for mounts of the service before, when the last of these ended.
    /// </summary>
    private async Task ReleaseOrphansAsync()
    {
        if (node.Node is not { KeptMounts.Count: > 0 } open)
        {
            return;
        }

        using PeriodicTimer timer = new(_keptInterval, time);
        try
        {
            while (open.KeptMounts.Any(Keeper.Mounts.MountRecord.IsAlive))
            {
                await timer.WaitForNextTickAsync(_stopping.Token);
            }

            await open.Engine.Nodes.ReleaseKeptOrphansAsync();
        }
        catch (OperationCanceledException)
        {
            // The next service does it.
        }
        catch (DataLayerException e)
        {
            LogOrphans(_log, e.Message);
        }
    }

    private async Task GreetAsync(KeeperChannel channel)
    {
        MountSession session = new(channel, starter, time, _log);
        try
        {
            (int process, uint user) = channel.GetPeer();
            if (user != 0 && user != KeeperChannel.OwnUserId)
            {
                LogStranger(_log, process, user);
                await session.DisposeAsync();
                return;
            }

            using CancellationTokenSource limit = new(_helloTimeout, time);
            using CancellationTokenSource either =
                CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stopping.Token);
            KeeperHello hello = await session.ReceiveHelloAsync(either.Token);

            // A keeper that comes again has lost the connection before this service noticed.
            if (_sessions.TryRemove(hello.MountId, out MountSession? former))
            {
                await former.StopAsync();
            }

            _stopping.Token.ThrowIfCancellationRequested();
            _sessions[hello.MountId] = session;
            session.Start();
            await session.Over;
            _sessions.TryRemove(new KeyValuePair<string, MountSession>(hello.MountId, session));
            await session.DisposeAsync();
        }
        catch (DataLayerException e)
        {
            LogBadHello(_log, e.Message);
            await session.RefuseAsync(e, CancellationToken.None);
            await session.DisposeAsync();
        }
        catch (OperationCanceledException)
        {
            await session.DisposeAsync();
        }
        catch (Exception e)
        {
            LogBroken(_log, e);
            await session.DisposeAsync();
        }
    }

    [LoggerMessage(20, LogLevel.Error, "Nothing can be mounted: the keeper's socket {Path} cannot be used: {Why}")]
    private static partial void LogCannotListen(ILogger log, string path, string why);

    [LoggerMessage(21, LogLevel.Warning,
        "Process {ProcessId} of user {UserId} tried to use the keeper's socket; only this service's user and root may")]
    private static partial void LogStranger(ILogger log, int processId, uint userId);

    [LoggerMessage(22, LogLevel.Warning, "A keeper is refused: {Why}")]
    private static partial void LogBadHello(ILogger log, string why);

    [LoggerMessage(24, LogLevel.Warning, "Files without names that a mount had open stay until the next start: {Why}")]
    private static partial void LogOrphans(ILogger log, string why);

    [LoggerMessage(23, LogLevel.Error, "A keeper's connection failed")]
    private static partial void LogBroken(ILogger log, Exception fault);
}
