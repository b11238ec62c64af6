namespace DataLayer.Metadata.Commit;

/// <summary>
/// One caller's change on its way through the writer: queued → taken → done. A caller may give it up while it is
/// queued; once taken, its outcome is awaited, so a caller never wonders whether a cancelled change happened.
/// </summary>
internal abstract class PendingChange
{
    private const int Queued = 0;
    private const int Taken = 1;
    private const int GivenUp = 2;

    private int _state;

    /// <summary>Whether the commit need not wait for the disk.</summary>
    public bool IsRelaxed { get; init; }

    /// <summary>
    /// When its caller's patience with a database that does not answer ends, a time stamp of the stopwatch.
    /// </summary>
    public long Deadline { get; init; }

    /// <summary>Whether the caller has been answered.</summary>
    public abstract bool IsAnswered { get; }

    /// <summary>Takes the change for a batch.</summary>
    /// <returns>False if its caller has given it up.</returns>
    public bool TryTake() => Interlocked.CompareExchange(ref _state, Taken, Queued) == Queued;

    /// <summary>Gives the change up.</summary>
    /// <returns>False if the writer has taken it.</returns>
    protected bool TryGiveUp() => Interlocked.CompareExchange(ref _state, GivenUp, Queued) == Queued;

    /// <summary>Does the work and keeps the result. May run more than once: the last run counts.</summary>
    public abstract void Run(TreeWriter writer);

    /// <summary>Hands the result to the caller: the change is durable.</summary>
    public abstract void Complete();

    /// <summary>Hands an error to the caller: the change did not happen.</summary>
    public abstract void Fail(Exception error);
}

/// <summary>A change with a result.</summary>
internal sealed class PendingChange<T>(Func<TreeWriter, T> change) : PendingChange
{
    private readonly TaskCompletionSource<T> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T? _result;

    /// <summary>Completes when the change is durable, or failed.</summary>
    public Task<T> Task => _completion.Task;

    /// <inheritdoc/>
    public override bool IsAnswered => _completion.Task.IsCompleted;

    /// <inheritdoc/>
    public override void Run(TreeWriter writer) => _result = change(writer);

    /// <inheritdoc/>
    public override void Complete() => _completion.TrySetResult(_result!);

    /// <inheritdoc/>
    public override void Fail(Exception error) => _completion.TrySetException(error);

    /// <summary>Cancels the change if it still waits.</summary>
    public void Cancel(CancellationToken cancellationToken)
    {
        if (TryGiveUp())
        {
            _completion.TrySetCanceled(cancellationToken);
        }
    }
}
