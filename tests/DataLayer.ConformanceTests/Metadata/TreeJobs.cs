using DataLayer.Core.Errors;
using DataLayer.Metadata;
using DataLayer.TestSupport.Trees;

namespace DataLayer.ConformanceTests.Metadata;

/// <summary>Jobs, their keys, and schedules, as rows.</summary>
public abstract class TreeJobs : TreeConformance
{
    [Fact]
    public async Task A_job_is_kept_as_a_whole_over_a_restart()
    {
        await using TreeFixture t = await OpenAsync();
        (JobRecord added, bool isNew) = await t.Tree.AddJobAsync(Job() with { Scopes = ["/a", "/b"] }, null, 10, default);
        JobRecord changed = added with
        {
            State = JobState.Running,
            Cursor = "{\"at\":1}",
            Progress = new JobProgress(1, 2, 3, 4, 5),
            Result = "{}",
            Failure = "none",
            Sequence = 7,
            StartedTime = 8,
            EndedTime = 9,
        };
        Assert.True(await t.Tree.SaveJobAsync(changed, durable: true, default));
        await t.ReopenAsync();
        JobRecord kept = (await t.Tree.GetJobAsync(added.Id, default))!;
        Assert.True(isNew);
        Assert.True(added.CreatedTime > 0);
        Assert.Equal(changed with { Scopes = [] }, kept with { Scopes = [] });
        Assert.Equal(["/a", "/b"], kept.Scopes);
        Assert.False(await t.Tree.SaveJobAsync(changed with { Id = 4711 }, durable: false, default));
    }

    [Fact]
    public async Task Open_jobs_are_listed_oldest_first_and_bounded()
    {
        await using TreeFixture t = await OpenAsync();
        JobRecord first = (await t.Tree.AddJobAsync(Job(), null, 2, default)).Job;
        JobRecord second = (await t.Tree.AddJobAsync(Job(), null, 2, default)).Job;
        await FailsAsync(ErrorCode.Overloaded, () => t.Tree.AddJobAsync(Job(), null, 2, default).AsTask());
        await t.Tree.SaveJobAsync(first with { State = JobState.Done, EndedTime = 1 }, durable: true, default);
        JobRecord third = (await t.Tree.AddJobAsync(Job(), null, 2, default)).Job;
        Assert.Equal([second.Id, third.Id], (await t.Tree.ListOpenJobsAsync(default)).Select(j => j.Id));
        Assert.Equal([third.Id, second.Id], (await t.Tree.ListJobsAsync(long.MaxValue, 2, default)).Select(j => j.Id));
        Assert.Equal([first.Id], (await t.Tree.ListJobsAsync(second.Id, 2, default)).Select(j => j.Id));
    }

    [Fact]
    public async Task Old_ended_jobs_go_and_open_ones_stay()
    {
        await using TreeFixture t = await OpenAsync();
        List<JobRecord> jobs = [];
        for (int i = 0; i < 5; i++)
        {
            JobRecord job = (await t.Tree.AddJobAsync(Job(), null, 10, default)).Job;
            jobs.Add(job);
            if (i > 0)
            {
                await t.Tree.SaveJobAsync(job with { State = JobState.Failed, EndedTime = i * 10 }, durable: true, default);
            }
        }

        Assert.Equal([jobs[1].Id, jobs[2].Id], (await t.Tree.RemoveOldJobsAsync(15, 2, default)).Select(j => j.Id).Order());
        Assert.Empty(await t.Tree.RemoveOldJobsAsync(15, 2, default));
        Assert.Equal([jobs[4].Id, jobs[3].Id, jobs[0].Id], (await t.Tree.ListJobsAsync(long.MaxValue, 9, default)).Select(j => j.Id));
    }

    [Fact]
    public async Task A_key_leads_to_the_same_job_for_its_owner_until_the_job_is_gone()
    {
        await using TreeFixture t = await OpenAsync();
        IdempotencyKey key = new("k", "print");
        JobRecord first = (await t.Tree.AddJobAsync(Job(), key, 10, default)).Job;
        await t.ReopenAsync();
        (JobRecord again, bool isNew) = await t.Tree.AddJobAsync(Job(), key, 1, default);
        Assert.Equal((first.Id, false), (again.Id, isNew));
        Assert.True((await t.Tree.AddJobAsync(Job() with { Owner = "other" }, key, 10, default)).IsNew);
        await FailsAsync(
            ErrorCode.AlreadyExists, () => t.Tree.AddJobAsync(Job(), key with { Fingerprint = "else" }, 10, default).AsTask());
        await t.Tree.SaveJobAsync(first with { State = JobState.Done, EndedTime = 1 }, durable: true, default);
        await t.Tree.RemoveOldJobsAsync(2, 10, default);
        Assert.True((await t.Tree.AddJobAsync(Job(), key, 10, default)).IsNew);
    }

    [Fact]
    public async Task Schedules_are_kept_changed_bounded_and_removed()
    {
        await using TreeFixture t = await OpenAsync();
        JobSchedule asked = new() { Cron = "* * * * *", Zone = "UTC", Kind = "warm", Spec = "{}", Owner = "me", Scopes = ["/a"] };
        IdempotencyKey key = new("k", "print");
        JobSchedule added = (await t.Tree.AddScheduleAsync(asked, key, 1, default)).Schedule;
        Assert.Equal(added.Id, (await t.Tree.AddScheduleAsync(asked, key, 1, default)).Schedule.Id);
        await FailsAsync(ErrorCode.Overloaded, () => t.Tree.AddScheduleAsync(asked, null, 1, default).AsTask());
        Assert.True(await t.Tree.SaveScheduleAsync(added with { LastTime = 5, LastJob = 6 }, default));
        await t.ReopenAsync();
        JobSchedule kept = Assert.Single(await t.Tree.ListSchedulesAsync(default));
        Assert.Equal((5, 6, "* * * * *", "/a"), (kept.LastTime, kept.LastJob, kept.Cron, kept.Scopes[0]));
        Assert.True(await t.Tree.RemoveScheduleAsync(added.Id, default));
        Assert.False(await t.Tree.RemoveScheduleAsync(added.Id, default));
        Assert.False(await t.Tree.SaveScheduleAsync(added, default));
    }

    [Fact]
    public async Task Headrooms_are_kept_changed_by_version_bounded_and_removed()
    {
        await using TreeFixture t = await OpenAsync();
        HeadroomRecord asked = new() { Name = "open", Spec = "{}", Owner = "me" };
        IdempotencyKey key = new("k", "print");
        (HeadroomRecord added, bool isNew) = await t.Tree.AddHeadroomAsync(asked, key, 2, default);
        Assert.True(isNew && added is { Version: 1, CreatedTime: > 0, State: null });
        Assert.Equal((added, false), await t.Tree.AddHeadroomAsync(asked, key, 2, default));
        await FailsAsync(ErrorCode.AlreadyExists, () => t.Tree.AddHeadroomAsync(asked, null, 2, default).AsTask());
        HeadroomRecord other = (await t.Tree.AddHeadroomAsync(asked with { Name = "close" }, null, 2, default)).Headroom;
        await FailsAsync(
            ErrorCode.Overloaded, () => t.Tree.AddHeadroomAsync(asked with { Name = "third" }, null, 2, default).AsTask());
        HeadroomRecord? saved = await t.Tree.SaveHeadroomAsync(added with { State = "{\"a\":1}", Spec = "{\"b\":2}" }, default);
        Assert.Equal(2, saved?.Version);
        Assert.Null(await t.Tree.SaveHeadroomAsync(added, default));
        await FailsAsync(
            ErrorCode.AlreadyExists, () => t.Tree.SaveHeadroomAsync(other with { Name = "open" }, default).AsTask());
        await t.ReopenAsync();
        Assert.Equal([saved!, other], await t.Tree.ListHeadroomsAsync(default));
        Assert.True(await t.Tree.RemoveHeadroomAsync(added.Id, default));
        Assert.False(await t.Tree.RemoveHeadroomAsync(added.Id, default));
        Assert.Null(await t.Tree.SaveHeadroomAsync(saved!, default));
    }

    private static JobRecord Job() => new() { Kind = "warm", Spec = "{\"paths\":[\"/ä\"]}", Owner = "me" };
}
