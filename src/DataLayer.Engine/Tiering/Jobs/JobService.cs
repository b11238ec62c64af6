using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using Microsoft.Extensions.Logging;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>
/// Long work as resources: jobs wait in a queue, a bounded number of them runs, and all of it survives a restart. A
/// change of state is durable before it is acknowledged; progress is kept so that a crash loses little of it.
/// </summary>
/// <remarks>
/// Life of a job: queued → running → done | failed; from queued or running → paused → queued; from queued or paused →
/// cancelled; from running → cancelling → cancelled. After a restart running ones are queued again with the cursor
/// their runner saved last, cancelling ones are cancelled.
/// <para>
/// The open jobs are held in memory and are the truth; the store follows. Lock order: the lock of the open jobs, then
/// that of a <see cref="LiveJob"/>; nothing is awaited under either.
/// </para>
/// Life of the service: <see cref="OpenAsync"/> → use → <see cref="DisposeAsync"/>, which ends the runs at their next
/// step and awaits them; their jobs go on at the next start.
/// </remarks>
public sealed partial class JobService : IAsyncDisposable
{
    /// <summary>Numbers left out at a restart, since progress that was shown may not have been stored.</summary>
    private const long SequenceGap = 1 << 20;

    private readonly TreeStore _tree;
    private readonly Dictionary<string, IJobRunner> _runners = new(StringComparer.Ordinal);
    private readonly JobServiceOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<JobService> _log;
    private readonly Lock _lock = new();
    private readonly SortedDictionary<long, LiveJob> _open = [];
    private int _running;
    private bool _stopping;

    private JobService(
        TreeStore tree, IReadOnlyList<IJobRunner> runners, JobServiceOptions options, TimeProvider time,
        ILogger<JobService> log)
    {
        _tree = tree;
        _options = options;
        _time = time;
        _log = log;
        foreach (IJobRunner runner in runners)
        {
            _runners.Add(runner.Kind, runner);
        }
    }

    /// <summary>Takes up the jobs of the store and starts to run them.</summary>
    /// <param name="tree">The store; not owned.</param>
    /// <param name="runners">One for each kind.</param>
    /// <param name="options">Bounds.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">The log.</param>
    /// <param name="cancellationToken">Gives up opening.</param>
    public static async Task<JobService> OpenAsync(
        TreeStore tree, IReadOnlyList<IJobRunner> runners, JobServiceOptions options, TimeProvider time,
        ILogger<JobService> log, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tree);
        ArgumentNullException.ThrowIfNull(runners);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        JobService service = new(tree, runners, options, time, log);
        foreach (JobRecord stored in await tree.ListOpenJobsAsync(cancellationToken).ConfigureAwait(false))
        {
            JobRecord job = stored with
            {
                Sequence = stored.Sequence + SequenceGap,
                State = stored.State switch
                {
                    JobState.Running => JobState.Queued,
                    JobState.Cancelling => JobState.Cancelled,
                    _ => stored.State,
                },
                EndedTime = stored.State == JobState.Cancelling ? service.Now() : 0,
            };
            await tree.SaveJobAsync(job, durable: true, cancellationToken).ConfigureAwait(false);
            if (!job.HasEnded)
            {
                service._open.Add(job.Id, new LiveJob(job));
            }
        }

        await service.ForgetOldAsync(cancellationToken).ConfigureAwait(false);
        service.Pump();
        service.StartSchedules();
        return service;
    }

    /// <summary>Adds a job to the queue.</summary>
    /// <param name="kind">Which runner it is for.</param>
    /// <param name="spec">What it shall do, in the runner's words.</param>
    /// <param name="owner">Who asks.</param>
    /// <param name="scopes">The folders it is confined to; empty for none.</param>
    /// <param name="key">Makes asking twice make one job; or null.</param>
    /// <param name="cancellationToken">Gives up while it waits for the store.</param>
    /// <returns>The job and whether it is new.</returns>
    /// <exception cref="DataLayerException">InvalidArgument: no such kind. AlreadyExists: the key was used for
    /// something else. Overloaded: too many are open.</exception>
    public async ValueTask<(JobRecord Job, bool IsNew)> AddAsync(
        string kind, string spec, string owner, IReadOnlyList<string> scopes, IdempotencyKey? key,
        CancellationToken cancellationToken)
    {
        if (!_runners.ContainsKey(kind))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"There are no jobs of kind '{kind}': known are {string.Join(", ", _runners.Keys)}.");
        }

        JobRecord asked = new() { Kind = kind, Spec = spec, Owner = owner, Scopes = scopes };
        (JobRecord job, bool isNew) = await _tree
            .AddJobAsync(asked, key, _options.MaxOpen, cancellationToken).ConfigureAwait(false);
        if (isNew)
        {
            lock (_lock)
            {
                _open.Add(job.Id, new LiveJob(job));
            }

            Pump();
        }

        return (Find(job.Id)?.Job ?? job, isNew);
    }

    /// <summary>A job as it is now; null where there is none, or it was forgotten.</summary>
    public async ValueTask<JobRecord?> GetAsync(long id, CancellationToken cancellationToken)
    {
        if (Find(id) is not { } live)
        {
            return await _tree.GetJobAsync(id, cancellationToken).ConfigureAwait(false);
        }

        JobRecord job = live.Job;
        if (job.HasEnded)
        {
            await live.Closed.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        return job;
    }

    /// <summary>Jobs with a smaller number, newest first, as they are now.</summary>
    public async ValueTask<IReadOnlyList<JobRecord>> ListAsync(
        long before, int limit, CancellationToken cancellationToken)
    {
        IReadOnlyList<JobRecord> stored = await _tree.ListJobsAsync(before, limit, cancellationToken)
            .ConfigureAwait(false);
        JobRecord[] jobs = new JobRecord[stored.Count];
        for (int i = 0; i < jobs.Length; i++)
        {
            jobs[i] = await GetAsync(stored[i].Id, cancellationToken).ConfigureAwait(false) ?? stored[i];
        }

        return jobs;
    }

    /// <summary>Waits until a job is newer than what the caller knows; at once where it is.</summary>
    /// <param name="id">The job.</param>
    /// <param name="known">The sequence the caller knows; -1 for none.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <returns>The job as it is now; null where there is none.</returns>
    public async ValueTask<JobRecord?> WaitAsync(long id, long known, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (Find(id) is not { } live)
            {
                return await _tree.GetJobAsync(id, cancellationToken).ConfigureAwait(false);
            }

            (JobRecord job, Task changed) = live.Watch();
            if (job.HasEnded)
            {
                await live.Closed.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
                return job;
            }

            if (job.Sequence != known)
            {
                return job;
            }

            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Pauses a job; its run has ended when this returns. No effect on one that is paused.</summary>
    /// <exception cref="DataLayerException">NotFound; WrongState: it ended, or is being cancelled.</exception>
    public async ValueTask<JobRecord> PauseAsync(long id, CancellationToken cancellationToken)
    {
        LiveJob live = await FindOpenAsync(id, "paused", cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            if (live.Job.State is not (JobState.Queued or JobState.Running or JobState.Paused))
            {
                throw Wrong(live.Job, "paused");
            }

            if (live.Job.State != JobState.Paused)
            {
                live.Change(static j => j with { State = JobState.Paused });
                live.Stop?.Cancel();
            }
        }

        await SaveAsync(live, durable: true).ConfigureAwait(false);
        await live.Run.WaitAsync(cancellationToken).ConfigureAwait(false);
        return live.Job;
    }

    /// <summary>Puts a paused job back into the queue. No effect on one that is queued or runs.</summary>
    /// <exception cref="DataLayerException">NotFound; WrongState: it ended, or is being cancelled.</exception>
    public async ValueTask<JobRecord> ResumeAsync(long id, CancellationToken cancellationToken)
    {
        LiveJob live = await FindOpenAsync(id, "resumed", cancellationToken).ConfigureAwait(false);
        await live.Run.WaitAsync(cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            if (live.Job.State is not (JobState.Queued or JobState.Running or JobState.Paused))
            {
                throw Wrong(live.Job, "resumed");
            }

            if (live.Job.State == JobState.Paused)
            {
                live.Change(static j => j with { State = JobState.Queued });
            }
        }

        await SaveAsync(live, durable: true).ConfigureAwait(false);
        Pump();
        return live.Job;
    }

    /// <summary>
    /// Cancels a job: at once where it does not run, else at its next step. What it did stays. No effect on one that is
    /// cancelled already.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound; WrongState: it ended in another way.</exception>
    public async ValueTask<JobRecord> CancelAsync(long id, CancellationToken cancellationToken)
    {
        if (Find(id) is not { } live)
        {
            JobRecord ended = await _tree.GetJobAsync(id, cancellationToken).ConfigureAwait(false)
                ?? throw NotFound(id);
            return ended.State == JobState.Cancelled ? ended : throw Wrong(ended, "cancelled");
        }

        bool atOnce;
        lock (_lock)
        {
            atOnce = live.Stop is null;
            if (live.Job.HasEnded)
            {
                return live.Job.State == JobState.Cancelled ? live.Job : throw Wrong(live.Job, "cancelled");
            }

            if (atOnce)
            {
                long now = Now();
                live.Change(j => j with { State = JobState.Cancelled, EndedTime = now });
            }
            else if (live.Job.State != JobState.Cancelling)
            {
                live.Change(static j => j with { State = JobState.Cancelling });
                live.Stop?.Cancel();
            }
        }

        await SaveAsync(live, durable: true).ConfigureAwait(false);
        if (atOnce)
        {
            await CloseAsync(live).ConfigureAwait(false);
        }

        return live.Job;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        List<LiveJob> all;
        lock (_lock)
        {
            _stopping = true;
            all = [.. _open.Values];
            foreach (LiveJob live in all)
            {
                live.Stop?.Cancel();
            }
        }

        await StopSchedulesAsync().ConfigureAwait(false);
        foreach (LiveJob live in all)
        {
            await live.Run.ConfigureAwait(false);
        }
    }

    private static DataLayerException NotFound(long id) =>
        new(ErrorCode.NotFound, $"There is no job {id}: it was never made, or ended long ago and was forgotten.");

    private static DataLayerException Wrong(JobRecord job, string wanted)
    {
        string state = job.State.ToString();
        return new(
            ErrorCode.WrongState,
            $"Job {job.Id} cannot be {wanted}: it is {char.ToLowerInvariant(state[0])}{state[1..]}.");
    }

    private long Now() => UnixTime.ToNanoseconds(_time.GetUtcNow());

    private LiveJob? Find(long id)
    {
        lock (_lock)
        {
            return _open.GetValueOrDefault(id);
        }
    }

    private async ValueTask<LiveJob> FindOpenAsync(long id, string wanted, CancellationToken cancellationToken)
    {
        if (Find(id) is { } live)
        {
            return live;
        }

        JobRecord ended = await _tree.GetJobAsync(id, cancellationToken).ConfigureAwait(false) ?? throw NotFound(id);
        throw Wrong(ended, wanted);
    }
}
