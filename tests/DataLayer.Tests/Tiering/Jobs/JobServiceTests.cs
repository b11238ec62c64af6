using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Metadata;
using DataLayer.Tests.Access;
using DataLayer.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Tiering.Jobs;

/// <summary>The life of jobs over a real store; restarts are a new service over the same file.</summary>
public sealed class JobServiceTests : IAsyncLifetime
{
    private readonly TempFolder _folder = new("jobs");
    private readonly SteppedClock _clock = new();
    private readonly RecordedLog _log = new();
    private StandInRunner _runner = new();
    private TreeStore _tree = null!;
    private JobService _jobs = null!;

    public async Task InitializeAsync() => await OpenAsync();

    public async Task DisposeAsync()
    {
        await CloseAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_job_runs_and_its_end_survives_a_restart()
    {
        JobRecord job = await AddAsync();
        _runner.Permit(3);

        JobRecord ended = await EndAsync(job.Id);
        await ReopenAsync();
        JobRecord kept = (await _jobs.GetAsync(job.Id, default))!;

        Assert.Equal(JobState.Done, ended.State);
        Assert.Equal("{\"steps\":3}", kept.Result);
        Assert.Equal((JobState.Done, 3, 30), (kept.State, kept.Progress.DoneObjects, kept.Progress.DoneBytes));
        Assert.True(kept.StartedTime > 0 && kept.EndedTime >= kept.StartedTime);
    }

    [Fact]
    public async Task A_paused_job_goes_on_where_it_was_also_after_a_restart()
    {
        JobRecord job = await AddAsync();
        _runner.Permit(1);
        Assert.Equal(1, (await _runner.NextStepAsync()).Step);

        JobRecord paused = await _jobs.PauseAsync(job.Id, default);
        await ReopenAsync();
        Assert.Equal(JobState.Paused, paused.State);
        Assert.Equal(JobState.Paused, (await _jobs.GetAsync(job.Id, default))!.State);
        Assert.False(_runner.AnyStarted);

        await _jobs.ResumeAsync(job.Id, default);
        _runner.Permit(2);
        Assert.Equal(2, (await _runner.NextStepAsync()).Step);
        Assert.Equal(JobState.Done, (await EndAsync(job.Id)).State);
    }

    [Fact]
    public async Task A_running_job_is_taken_up_again_after_a_restart_and_repeats_no_step()
    {
        JobRecord job = await AddAsync();
        _runner.Permit(2);
        await _runner.NextStepAsync();
        Assert.Equal(2, (await _runner.NextStepAsync()).Step);

        await ReopenAsync();
        Assert.Equal(job.Id, await _runner.NextStartAsync());
        _runner.Permit(1);

        Assert.Equal(3, (await _runner.NextStepAsync()).Step);
        Assert.Equal(JobState.Done, (await EndAsync(job.Id)).State);
    }

    [Fact]
    public async Task Cancelling_ends_a_running_a_queued_and_a_paused_job()
    {
        JobRecord running = await AddAsync();
        await _runner.NextStartAsync();
        JobRecord queued = await AddAsync();
        JobRecord paused = await AddAsync();
        await _jobs.PauseAsync(paused.Id, default);

        await _jobs.CancelAsync(running.Id, default);
        Assert.Equal(JobState.Cancelled, (await _jobs.CancelAsync(paused.Id, default)).State);
        await _jobs.CancelAsync(queued.Id, default);

        Assert.Equal(JobState.Cancelled, (await EndAsync(running.Id)).State);
        Assert.Equal(JobState.Cancelled, (await EndAsync(queued.Id)).State);
        Assert.Equal(JobState.Cancelled, (await _jobs.CancelAsync(running.Id, default)).State);
        await FailsAsync(ErrorCode.WrongState, async () => await _jobs.PauseAsync(running.Id, default));
        await FailsAsync(ErrorCode.WrongState, async () => await _jobs.ResumeAsync(running.Id, default));
        await FailsAsync(ErrorCode.NotFound, async () => await _jobs.CancelAsync(4711, default));
    }

    [Fact]
    public async Task A_bounded_number_runs_and_the_oldest_goes_first()
    {
        JobRecord first = await AddAsync();
        JobRecord second = await AddAsync();
        Assert.Equal(first.Id, await _runner.NextStartAsync());
        Assert.False(_runner.AnyStarted);

        _runner.Permit(3);
        await EndAsync(first.Id);

        Assert.Equal(second.Id, await _runner.NextStartAsync());
    }

    [Fact]
    public async Task More_open_jobs_than_the_bound_are_refused()
    {
        for (int i = 0; i < 5; i++)
        {
            await AddAsync();
        }

        await FailsAsync(ErrorCode.Overloaded, AddAsync);
        await FailsAsync(
            ErrorCode.InvalidArgument,
            async () => await _jobs.AddAsync("no such kind", "{}", "me", [], null, default));
    }

    [Fact]
    public async Task Asking_twice_with_one_key_makes_one_job_also_over_a_restart()
    {
        IdempotencyKey key = new("k1", "print");
        (JobRecord first, bool isNew) = await _jobs.AddAsync("count", "{}", "me", [], key, default);
        (JobRecord second, bool again) = await _jobs.AddAsync("count", "{}", "me", [], key, default);
        await ReopenAsync();
        (JobRecord third, _) = await _jobs.AddAsync("count", "{}", "me", [], key, default);
        (JobRecord other, bool otherNew) = await _jobs.AddAsync("count", "{}", "you", [], key, default);

        Assert.Equal((true, false, true), (isNew, again, otherNew));
        Assert.Equal((first.Id, first.Id), (second.Id, third.Id));
        Assert.NotEqual(first.Id, other.Id);
        await FailsAsync(
            ErrorCode.AlreadyExists,
            async () => await _jobs.AddAsync("count", "{}", "me", [], key with { Fingerprint = "other" }, default));
    }

    [Fact]
    public async Task A_fault_of_the_runner_fails_its_job_and_no_other()
    {
        JobRecord bad = await AddAsync();
        _runner.Fault = new DataLayerException(ErrorCode.NoSpace, "no space is left on the targets");
        _runner.Permit(1);
        JobRecord ended = await EndAsync(bad.Id);
        _runner.Fault = null;
        JobRecord good = await AddAsync();
        _runner.Permit(3);

        Assert.Equal((JobState.Failed, "no space is left on the targets"), (ended.State, ended.Failure));
        Assert.Equal(JobState.Done, (await EndAsync(good.Id)).State);
    }

    [Fact]
    public async Task Who_watches_sees_growing_sequences_over_a_restart()
    {
        JobRecord job = await AddAsync();
        _runner.Permit(1);
        await _runner.NextStepAsync();
        long seen = (await _jobs.GetAsync(job.Id, default))!.Sequence;

        await ReopenAsync();

        JobRecord next = (await _jobs.WaitAsync(job.Id, seen, default))!;
        Assert.True(next.Sequence > seen);
    }

    [Fact]
    public async Task Ended_jobs_past_the_newest_are_forgotten_with_what_they_had()
    {
        List<long> ids = [];
        for (int i = 0; i < 5; i++)
        {
            JobRecord job = await AddAsync();
            _runner.Permit(3);
            await EndAsync(job.Id);
            ids.Add(job.Id);
        }

        await ReopenAsync();
        IReadOnlyList<JobRecord> page = await _jobs.ListAsync(long.MaxValue, 10, default);

        Assert.Equal([ids[4], ids[3], ids[2]], page.Select(j => j.Id));
        Assert.Equal([ids[3]], (await _jobs.ListAsync(ids[4], 1, default)).Select(j => j.Id));
        Assert.Null(await _jobs.GetAsync(ids[0], default));
    }

    [Fact]
    public async Task A_schedule_makes_one_job_for_each_due_time_also_where_it_is_asked_twice()
    {
        (JobSchedule schedule, _) = await _jobs.AddScheduleAsync(
            new JobSchedule { Cron = "30 6 * * *", Zone = "Europe/Berlin", Kind = "count", Spec = "{}", Owner = "me" },
            null, default);
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 5, 30, 0, TimeSpan.Zero), _jobs.NextDue(schedule));

        _clock.Advance(new TimeSpan(5, 29, 59));
        await _jobs.RunDueAsync(default);
        Assert.Empty(await _jobs.ListAsync(long.MaxValue, 10, default));

        _clock.Advance(TimeSpan.FromSeconds(1));
        await _jobs.RunDueAsync(default);
        await _jobs.RunDueAsync(default);
        JobRecord made = Assert.Single(await _jobs.ListAsync(long.MaxValue, 10, default));
        _runner.Permit(3);
        await EndAsync(made.Id);

        // Away over the next due time, back an hour and a bit late: not made up for; the time after is.
        _clock.Advance(new TimeSpan(1, 1, 1, 0));
        await _jobs.RunDueAsync(default);
        Assert.Single(await _jobs.ListAsync(long.MaxValue, 10, default));
        _clock.Advance(TimeSpan.FromDays(1) - TimeSpan.FromMinutes(31));
        await _jobs.RunDueAsync(default);
        Assert.True((await _jobs.ListAsync(long.MaxValue, 10, default)).Count == 2, string.Join("\n", _log.Lines));
    }

    [Theory]
    [InlineData("61 * * * *", "UTC", "kind")]
    [InlineData("* * * *", "UTC", "count")]
    [InlineData("0 0 30 2 *", "UTC", "count")]
    [InlineData("0 0 * * *", "Mars/Olympus", "count")]
    [InlineData("0 0 * * *", "UTC", "no such kind")]
    public async Task A_schedule_that_makes_no_sense_is_refused(string cron, string zone, string kind) =>
        await FailsAsync(
            ErrorCode.InvalidArgument,
            async () => await _jobs.AddScheduleAsync(
                new JobSchedule { Cron = cron, Zone = zone, Kind = kind, Spec = "{}", Owner = "me" }, null, default));

    private async Task<JobRecord> AddAsync() =>
        (await _jobs.AddAsync("count", "{}", "me", [], null, default)).Job;

    private async Task<JobRecord> EndAsync(long id)
    {
        long known = -1;
        while (true)
        {
            JobRecord job = (await _jobs.WaitAsync(id, known, default))!;
            if (job.HasEnded)
            {
                return job;
            }

            known = job.Sequence;
        }
    }

    private async Task OpenAsync()
    {
        TreeStoreOptions options = new() { DatabasePath = _folder.Combine("tree.db") };
        _tree = await TreeStore.OpenAsync(options, _clock, NullLogger<TreeStore>.Instance, default);
        JobServiceOptions bounds = new() { MaxRunning = 1, MaxOpen = 5, KeepEnded = 3 };
        _jobs = await JobService.OpenAsync(_tree, [_runner], bounds, _clock, _log.Of<JobService>(), default);
    }

    private async Task CloseAsync()
    {
        await _jobs.DisposeAsync();
        await _tree.DisposeAsync();
    }

    private async Task ReopenAsync()
    {
        await CloseAsync();
        _runner = new StandInRunner();
        await OpenAsync();
    }

    private static async Task FailsAsync(ErrorCode code, Func<Task> act) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<DataLayerException>(act)).Code);
}
