using DataLayer.Core.Errors;

namespace DataLayer.Client;

/// <summary>The end of one call's time, joined with the caller's token.</summary>
internal readonly struct Deadline : IDisposable
{
    private readonly CancellationTokenSource _source;
    private readonly CancellationToken _caller;
    private readonly TimeSpan _timeout;

    public Deadline(TimeSpan timeout, CancellationToken caller)
    {
        _timeout = timeout;
        _caller = caller;
        _source = caller.CanBeCanceled
            ? CancellationTokenSource.CreateLinkedTokenSource(caller)
            : new CancellationTokenSource();
        _source.CancelAfter(timeout);
    }

    /// <summary>Cancelled when the time is over or the caller gives up.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>Whether the time ended the call, not the caller.</summary>
    public bool Expired => _source.IsCancellationRequested && !_caller.IsCancellationRequested;

    public DataLayerException ToException(string target) =>
        new(ErrorCode.TimedOut, $"The service did not answer '{target}' within {_timeout.TotalSeconds:0.###} s.");

    public void Dispose() => _source.Dispose();
}
