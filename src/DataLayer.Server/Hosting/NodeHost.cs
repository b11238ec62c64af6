using DataLayer.Core.Errors;
using DataLayer.Engine.Files;
using DataLayer.Engine.Peers;
using DataLayer.Engine.Tiering.Automation;
using DataLayer.Engine.Tiering.Headrooms;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Server.Configuration;
using DataLayer.Storage.Stripes;

namespace DataLayer.Server.Hosting;

/// <summary>
/// Opens the node behind the listening service, and closes it after the last request. Until it is open every request
/// that needs it is
/// told to come back (503), and <c>/readyz</c> says so: replaying a long journal does not look like a dead process.
/// </summary>
internal sealed partial class NodeHost(
    ServerConfiguration configuration, TimeProvider time, ILoggerFactory logs, IPeerDirectory? peers = null)
    : IHostedService,
        IAsyncDisposable
{
    private readonly ILogger<NodeHost> _log = logs.CreateLogger<NodeHost>();
    private readonly CancellationTokenSource _stopping = new();
    private volatile StorageNode? _node;
    private volatile string _why = "the service is starting";
    private Task<StorageNode>? _opening;
    private bool _disposed;

    /// <summary>Completes when the node is open; fails as the opening failed.</summary>
    public Task Opened => _opening ?? Task.FromException(new InvalidOperationException("The host was not started."));

    /// <summary>The open node, or null.</summary>
    public StorageNode? Node => _node;

    /// <summary>Why there is no node.</summary>
    public string Why => _why;

    /// <summary>The engine.</summary>
    /// <exception cref="DataLayerException">ShuttingDown: the node is not open.</exception>
    public FileEngine Engine => (_node ?? throw NotOpen()).Engine;

    /// <summary>The open node.</summary>
    /// <exception cref="DataLayerException">ShuttingDown: the node is not open.</exception>
    public StorageNode Open => _node ?? throw NotOpen();

    /// <summary>The jobs.</summary>
    /// <exception cref="DataLayerException">ShuttingDown: the node is not open.</exception>
    public JobService Jobs => Open.Jobs ?? throw NotOpen();

    /// <summary>Automatic tiering.</summary>
    /// <exception cref="DataLayerException">ShuttingDown: the node is not open.</exception>
    public AutoTiering Auto => Open.Auto ?? throw NotOpen();

    /// <summary>Headrooms.</summary>
    /// <exception cref="DataLayerException">ShuttingDown: the node is not open.</exception>
    public HeadroomService Headrooms => Open.Headrooms ?? throw NotOpen();

    /// <summary>The hot tier.</summary>
    /// <exception cref="DataLayerException">ShuttingDown: the node is not open.</exception>
    public HotTier Hot => (_node ?? throw NotOpen()).Hot;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        _opening = Task.Run(OpenAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _why = "the service is stopping";
        await _stopping.CancelAsync();
        if (_opening is not null)
        {
            await ((Task)_opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        StorageNode? node = Interlocked.Exchange(ref _node, null);
        if (node is not null)
        {
            LogClosing(_log);
            await node.DisposeAsync();
            LogClosed(_log);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // The container knows the host twice: as itself and as a hosted service.
        if (!_disposed)
        {
            _disposed = true;
            await StopAsync(CancellationToken.None);
            _stopping.Dispose();
        }
    }

    private async Task<StorageNode> OpenAsync()
    {
        try
        {
            StorageNode node = await StorageNode.OpenAsync(configuration, time, logs, _stopping.Token, peers);
            try
            {
                if (!configuration.Tree.IsReader)
                {
                    await node.Costs.StartAsync(_stopping.Token);
                    await node.OpenJobsAsync(configuration, time, logs, _stopping.Token);
                }
            }
            catch
            {
                await node.DisposeAsync();
                throw;
            }

            _node = node;
            LogOpened(_log, configuration.StateDirectory);
            return node;
        }
        catch (Exception e)
        {
            _why = $"the node cannot be opened: {e.Message}";
            LogFailed(_log, e, configuration.StateDirectory);
            throw;
        }
    }

    private DataLayerException NotOpen() => _node is not null
        ? new(
            ErrorCode.ReadOnly,
            "This node only reads the tree: jobs, headrooms and automatic moves are the writing node's, which "
                + "'datalayer node list' names.")
        : new(ErrorCode.ShuttingDown, $"The service does not take requests now: {_why}.");

    [LoggerMessage(10, LogLevel.Information, "Node opened over {StateDirectory}")]
    private static partial void LogOpened(ILogger log, string stateDirectory);

    [LoggerMessage(11, LogLevel.Critical, "The node over {StateDirectory} cannot be opened")]
    private static partial void LogFailed(ILogger log, Exception fault, string stateDirectory);

    [LoggerMessage(12, LogLevel.Information, "Closing the node")]
    private static partial void LogClosing(ILogger log);

    [LoggerMessage(13, LogLevel.Information, "Node closed")]
    private static partial void LogClosed(ILogger log);
}
