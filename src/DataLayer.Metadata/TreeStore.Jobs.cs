using DataLayer.Core.Errors;
using DataLayer.Metadata.Commit;

namespace DataLayer.Metadata;

/// <content>Jobs and schedules: what has to survive a restart of what the service does in the background.</content>
public sealed partial class TreeStore
{
    private const long KeyLifeNanoseconds = 86_400L * 1_000_000_000;
    private const int MaxKeys = 10_000;

    /// <summary>
    /// Adds a job: gives it a number and the time. With a key that led to a job before, that one is given and none is
    /// added. Keys are kept for a day, at most 10,000 of them.
    /// </summary>
    /// <param name="job">The job; its number, sequence and times are set here.</param>
    /// <param name="key">The caller's key, or null.</param>
    /// <param name="openLimit">How many jobs may be open (not ended), a count.</param>
    /// <param name="cancellationToken">Gives up while the change waits.</param>
    /// <returns>The job and whether it is new.</returns>
    /// <exception cref="DataLayerException">AlreadyExists: the key led to something else. Overloaded: too many are
    /// open.</exception>
    public ValueTask<(JobRecord Job, bool IsNew)> AddJobAsync(
        JobRecord job, IdempotencyKey? key, int openLimit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(job);
        CheckLimit(openLimit);
        return ChangeAsync(w => AddJob(w, job, key, openLimit), cancellationToken);
    }

    /// <summary>Writes a job back as a whole.</summary>
    /// <param name="job">The job.</param>
    /// <param name="durable">False where it may be older after a power cut (progress), but not after a crash.</param>
    /// <param name="cancellationToken">Gives up while the change waits.</param>
    /// <returns>False where the job is gone.</returns>
    public ValueTask<bool> SaveJobAsync(JobRecord job, bool durable, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(job);
        return ChangeAsync(w => w.Tables.Jobs.Save(job), cancellationToken, relaxed: !durable);
    }

    /// <summary>One job, or null.</summary>
    public ValueTask<JobRecord?> GetJobAsync(long id, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => t.Jobs.Find(id), cancellationToken);

    /// <summary>Jobs with a number below <paramref name="before"/>, newest first.</summary>
    public ValueTask<IReadOnlyList<JobRecord>> ListJobsAsync(
        long before, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<JobRecord>>(t => t.Jobs.List(before, limit), cancellationToken);
    }

    /// <summary>All jobs that have not ended, oldest first.</summary>
    public ValueTask<IReadOnlyList<JobRecord>> ListOpenJobsAsync(CancellationToken cancellationToken) =>
        _reads.RunAsync<IReadOnlyList<JobRecord>>(static t => t.Jobs.ListOpen(), cancellationToken);

    /// <summary>Forgets jobs that ended before a time, and those past the newest <paramref name="keep"/>.</summary>
    /// <returns>Those it forgot, at most 1,000.</returns>
    public ValueTask<IReadOnlyList<JobRecord>> RemoveOldJobsAsync(
        long endedBeforeNanoseconds, int keep, CancellationToken cancellationToken) =>
        ChangeAsync<IReadOnlyList<JobRecord>>(
            w => w.Tables.Jobs.RemoveOld(endedBeforeNanoseconds, keep), cancellationToken);

    /// <summary>Adds a schedule: gives it a number and the time. A key works as for jobs.</summary>
    /// <exception cref="DataLayerException">AlreadyExists: the key led to something else. Overloaded: too many
    /// schedules.</exception>
    public ValueTask<(JobSchedule Schedule, bool IsNew)> AddScheduleAsync(
        JobSchedule schedule, IdempotencyKey? key, int limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        CheckLimit(limit);
        return ChangeAsync(w => AddSchedule(w, schedule, key, limit), cancellationToken);
    }

    /// <summary>Writes a schedule back, if it is still there.</summary>
    public ValueTask<bool> SaveScheduleAsync(JobSchedule schedule, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        return ChangeAsync(
            w =>
            {
                bool known = w.Tables.Schedules.List().Exists(s => s.Id == schedule.Id);
                if (known)
                {
                    w.Tables.Schedules.Save(schedule);
                }

                return known;
            },
            cancellationToken);
    }

    /// <summary>All schedules by number.</summary>
    public ValueTask<IReadOnlyList<JobSchedule>> ListSchedulesAsync(CancellationToken cancellationToken) =>
        _reads.RunAsync<IReadOnlyList<JobSchedule>>(static t => t.Schedules.List(), cancellationToken);

    /// <summary>Removes a schedule; false where there is none.</summary>
    public ValueTask<bool> RemoveScheduleAsync(long id, CancellationToken cancellationToken) =>
        ChangeAsync(w => w.Tables.Schedules.Remove(id), cancellationToken);

    private static (JobRecord Job, bool IsNew) AddJob(
        TreeWriter w, JobRecord job, IdempotencyKey? key, int openLimit)
    {
        if (FindMade(w, job.Owner, "job:", key) is { } made && w.Tables.Jobs.Find(made) is { } known)
        {
            return (known, false);
        }

        if (w.Tables.Jobs.CountOfOpen() >= openLimit)
        {
            throw new DataLayerException(
                ErrorCode.Overloaded,
                $"{openLimit} jobs are open, the most there may be: wait for some to end, or cancel some.");
        }

        JobRecord added = job with { Id = w.Tables.Reserve("job", 1), Sequence = 1, CreatedTime = w.Now };
        w.Tables.Jobs.Add(added);
        Keep(w, job.Owner, "job:", key, added.Id);
        return (added, true);
    }

    private static (JobSchedule Schedule, bool IsNew) AddSchedule(
        TreeWriter w, JobSchedule schedule, IdempotencyKey? key, int limit)
    {
        List<JobSchedule> all = w.Tables.Schedules.List();
        if (FindMade(w, schedule.Owner, "schedule:", key) is { } made && all.Find(s => s.Id == made) is { } known)
        {
            return (known, false);
        }

        if (all.Count >= limit)
        {
            throw new DataLayerException(
                ErrorCode.Overloaded, $"There are {all.Count} schedules, the most there may be: remove some.");
        }

        JobSchedule added = schedule with { Id = w.Tables.Reserve("schedule", 1), CreatedTime = w.Now };
        w.Tables.Schedules.Save(added);
        Keep(w, schedule.Owner, "schedule:", key, added.Id);
        return (added, true);
    }

    private static long? FindMade(TreeWriter w, string owner, string space, IdempotencyKey? key)
    {
        if (key is null || w.Tables.Jobs.FindKey(owner, space + key.Key) is not { } found)
        {
            return null;
        }

        return found.Fingerprint == key.Fingerprint
            ? found.Made
            : throw new DataLayerException(
                ErrorCode.AlreadyExists,
                $"The idempotency key '{key.Key}' was used for another request: give each request its own.");
    }

    private static void Keep(TreeWriter w, string owner, string space, IdempotencyKey? key, long made)
    {
        if (key is not null)
        {
            w.Tables.Jobs.RemoveKey(owner, space + key.Key);
            w.Tables.Jobs.AddKey(
                owner, key with { Key = space + key.Key }, made, w.Now, w.Now - KeyLifeNanoseconds, MaxKeys);
        }
    }
}
