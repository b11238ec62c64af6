using DataLayer.Core.Errors;
using DataLayer.Csi.Grpc;
using Microsoft.Extensions.Logging;

namespace DataLayer.Csi.Controller;

/// <summary>
/// Work that goes on when the call that asked for it was given up: its end is awaited on dispose, its fault is logged.
/// </summary>
internal sealed partial class BackgroundWork(ILogger log) : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly HashSet<Task> _running = [];
    private readonly Lock _lock = new();

    /// <summary>Runs work that holds a lock to its end, and waits for it as long as the caller does.</summary>
    /// <param name="hold">Given up when the work has ended.</param>
    /// <param name="what">The work, for the log.</param>
    /// <param name="work">The work.</param>
    /// <param name="waiting">Ends the waiting, not the work.</param>
    public async Task<T> RunAsync<T>(
        IDisposable hold, string what, Func<CancellationToken, Task<T>> work, CancellationToken waiting)
    {
        Task<T> running = RunHoldingAsync(hold, work);
        Keep(running, what);
        return await running.WaitAsync(waiting).ConfigureAwait(false);
    }

    /// <summary>Starts work for which nobody waits.</summary>
    public void Start(string what, Func<CancellationToken, Task> work) =>
        Keep(Task.Run(() => work(_stop.Token), CancellationToken.None), what);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Task[] left;
        lock (_lock)
        {
            left = [.. _running];
        }

        await Task.WhenAll(left).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task<T> RunHoldingAsync<T>(IDisposable hold, Func<CancellationToken, Task<T>> work)
    {
        using (hold)
        {
            return await work(_stop.Token).ConfigureAwait(false);
        }
    }

    private void Keep(Task task, string what)
    {
        lock (_lock)
        {
            _running.Add(task);
        }

        _ = ForgetAsync(task, what);
    }

    private async Task ForgetAsync(Task task, string what)
    {
        await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            _running.Remove(task);
        }

        if (task.Exception?.InnerException is { } fault and not (RpcException or OperationCanceledException))
        {
            LogFault(log, what, fault is DataLayerException known ? known.Message : fault.ToString());
        }
    }

    [LoggerMessage(10, LogLevel.Warning, "{What} failed: {Fault}")]
    private static partial void LogFault(ILogger log, string what, string fault);
}
