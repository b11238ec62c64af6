using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Jobs;

/// <content>
/// Schedules make jobs. Each due time makes one job, also where the service is killed in between: the time is the
/// job's key. A time that passed while the service was away is made up for where it is at most an hour ago. While the
/// last job of a schedule is open, the schedule makes no other.
/// </content>
public sealed partial class JobService
{
    private static readonly TimeSpan _catchUp = TimeSpan.FromHours(1);
    private static readonly TimeSpan _longestSleep = TimeSpan.FromMinutes(1);
    private readonly CancellationTokenSource _schedulesStop = new();
    private TaskCompletionSource _schedulesChanged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _schedules = Task.CompletedTask;

    /// <summary>Adds a schedule.</summary>
    /// <param name="schedule">Times, zone, and what its jobs are; number and times are set here.</param>
    /// <param name="key">Makes asking twice make one schedule; or null.</param>
    /// <param name="cancellationToken">Gives up while it waits for the store.</param>
    /// <exception cref="DataLayerException">InvalidArgument: the times, the zone or the kind. Overloaded: too
    /// many.</exception>
    public async ValueTask<(JobSchedule Schedule, bool IsNew)> AddScheduleAsync(
        JobSchedule schedule, IdempotencyKey? key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        (CronSchedule cron, TimeZoneInfo zone) = Parse(schedule);
        if (!_runners.ContainsKey(schedule.Kind))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"There are no jobs of kind '{schedule.Kind}'.");
        }

        if (ScheduleTimes.NextAfter(cron, zone, _time.GetUtcNow()) is null)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, $"'{schedule.Cron}' is never due.");
        }

        (JobSchedule Schedule, bool IsNew) added = await _tree
            .AddScheduleAsync(schedule, key, _options.MaxSchedules, cancellationToken).ConfigureAwait(false);
        Volatile.Read(ref _schedulesChanged).TrySetResult();
        return added;
    }

    /// <summary>All schedules by number.</summary>
    public ValueTask<IReadOnlyList<JobSchedule>> ListSchedulesAsync(CancellationToken cancellationToken) =>
        _tree.ListSchedulesAsync(cancellationToken);

    /// <summary>Removes a schedule; the jobs it made stay.</summary>
    /// <returns>False where there is none.</returns>
    public ValueTask<bool> RemoveScheduleAsync(long id, CancellationToken cancellationToken) =>
        _tree.RemoveScheduleAsync(id, cancellationToken);

    /// <summary>When a schedule is due next; null for never.</summary>
    public DateTimeOffset? NextDue(JobSchedule schedule)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        (CronSchedule cron, TimeZoneInfo zone) = Parse(schedule);
        return ScheduleTimes.NextAfter(cron, zone, _time.GetUtcNow());
    }

    /// <summary>Makes the jobs that are due now. Called by the loop, and by tests with a clock of their own.</summary>
    /// <returns>When to look again.</returns>
    internal async Task<DateTimeOffset> RunDueAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = _time.GetUtcNow();
        DateTimeOffset next = now + _longestSleep;
        foreach (JobSchedule schedule in await _tree.ListSchedulesAsync(cancellationToken).ConfigureAwait(false))
        {
            DateTimeOffset? due = null;
            try
            {
                due = await MakeDueAsync(schedule, now, cancellationToken).ConfigureAwait(false);
            }
            catch (DataLayerException e) when (e.Code != ErrorCode.ShuttingDown)
            {
                JobLog.NotScheduled(_log, schedule.Id, e.Message);
            }

            next = due < next ? due.Value : next;
        }

        return next;
    }

    private static (CronSchedule Cron, TimeZoneInfo Zone) Parse(JobSchedule schedule)
    {
        CronSchedule cron = CronSchedule.TryParse(schedule.Cron, out string? fault)
            ?? throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"'{schedule.Cron}' {fault}: give minute, hour, day of the month, month and weekday, as "
                + "'30 6 * * mon-fri'.");
        TimeZoneInfo? zone = null;
        return !string.IsNullOrEmpty(schedule.Zone)
            && TimeZoneInfo.TryFindSystemTimeZoneById(schedule.Zone, out zone)
            ? (cron, zone)
            : throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"There is no time zone '{schedule.Zone}': give one as Europe/Berlin or UTC.");
    }

    private async ValueTask<DateTimeOffset?> MakeDueAsync(
        JobSchedule schedule, DateTimeOffset now, CancellationToken cancellationToken)
    {
        (CronSchedule cron, TimeZoneInfo zone) = Parse(schedule);
        DateTimeOffset since = UnixTime.ToTime(Math.Max(schedule.LastTime, schedule.CreatedTime));
        since = since < now - _catchUp ? now - _catchUp : since;
        if (ScheduleTimes.NextAfter(cron, zone, since) is not { } due)
        {
            return null;
        }

        if (due > now)
        {
            return due;
        }

        // Of several that passed, the last one stands for all.
        while (ScheduleTimes.NextAfter(cron, zone, due) is { } later && later <= now)
        {
            due = later;
        }

        long made = schedule.LastJob;
        if (Find(made) is { Job.HasEnded: false })
        {
            JobLog.NotScheduled(_log, schedule.Id, $"job {made}, which it made last, is still open");
        }
        else
        {
            string key = string.Create(
                CultureInfo.InvariantCulture, $"schedule {schedule.Id} at {due.UtcDateTime:yyyy-MM-ddTHH:mm}");
            (JobRecord job, _) = await AddAsync(
                schedule.Kind, schedule.Spec, schedule.Owner, schedule.Scopes, new IdempotencyKey(key, key),
                cancellationToken).ConfigureAwait(false);
            made = job.Id;
        }

        long dueTime = UnixTime.ToNanoseconds(due);
        await _tree.SaveScheduleAsync(schedule with { LastTime = dueTime, LastJob = made }, cancellationToken)
            .ConfigureAwait(false);
        return ScheduleTimes.NextAfter(cron, zone, now);
    }

    private void StartSchedules() => _schedules = Task.Run(LoopSchedulesAsync, CancellationToken.None);

    private async Task LoopSchedulesAsync()
    {
        CancellationToken stop = _schedulesStop.Token;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
                Volatile.Write(ref _schedulesChanged, changed);
                DateTimeOffset next = await RunDueAsync(stop).ConfigureAwait(false);
                TimeSpan sleep = next - _time.GetUtcNow();
                sleep = sleep < TimeSpan.FromMilliseconds(10) ? TimeSpan.FromMilliseconds(10) : sleep;
                await changed.Task.WaitAsync(sleep, _time, stop).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // Time to look again.
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                JobLog.NotScheduled(_log, 0, e.Message);
                await Task.Delay(_longestSleep, _time, stop)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task StopSchedulesAsync()
    {
        await _schedulesStop.CancelAsync().ConfigureAwait(false);
        await _schedules.ConfigureAwait(false);
        _schedulesStop.Dispose();
    }
}
