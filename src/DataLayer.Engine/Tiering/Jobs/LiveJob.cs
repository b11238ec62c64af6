using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>
/// One open job in memory. Its record is replaced as a whole under the lock; writes to the store go one after the
/// other through <see cref="SaveGate"/> and always write the newest record.
/// </summary>
internal sealed class LiveJob(JobRecord job)
{
    private readonly Lock _lock = new();
    private JobRecord _job = job;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>One write to the store at a time.</summary>
    public SemaphoreSlim SaveGate { get; } = new(1, 1);

    /// <summary>Ends the run; null while none runs. Under the lock of the open jobs.</summary>
    public CancellationTokenSource? Stop { get; set; }

    /// <summary>The last run. It never fails.</summary>
    public Task Run { get; set; } = Task.CompletedTask;

    /// <summary>Ends when the store has the end of the job (or cannot take it): only then is the end told.</summary>
    public TaskCompletionSource Closed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The job now.</summary>
    public JobRecord Job
    {
        get
        {
            lock (_lock)
            {
                return _job;
            }
        }
    }

    /// <summary>Changes the job, and tells those who watch.</summary>
    public JobRecord Change(Func<JobRecord, JobRecord> change)
    {
        TaskCompletionSource changed;
        JobRecord next;
        lock (_lock)
        {
            next = change(_job) with { Sequence = _job.Sequence + 1 };
            _job = next;
            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.TrySetResult();
        return next;
    }

    /// <summary>The job, and a task that ends with its next change.</summary>
    public (JobRecord Job, Task Changed) Watch()
    {
        lock (_lock)
        {
            return (_job, _changed.Task);
        }
    }
}
