using System.CommandLine;
using System.Globalization;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb job: list, show, watch, pause, resume, cancel, moves, schedule.</summary>
internal static class JobCommands
{
    /// <summary>Makes the commands.</summary>
    public static Command Make(CommandFactory factory) =>
        CommandFactory.Group(
            "job", "Long work of the service: list, show, watch, pause, resume, cancel, moves, schedule.",
            [
                List(factory),
                One(factory, "show", "Shows one job.", (run, id, t) => run.Client.Jobs.GetAsync(id, t)),
                Watch(factory),
                One(
                    factory, "pause", "Pauses a job; it has stopped when this ends.",
                    (run, id, t) => run.Client.Jobs.PauseAsync(id, t)),
                One(
                    factory, "resume", "Lets a paused job go on.", (run, id, t) => run.Client.Jobs.ResumeAsync(id, t)),
                One(
                    factory, "cancel", "Cancels a job at its next step; what it did stays.",
                    (run, id, t) => run.Client.Jobs.CancelAsync(id, t)),
                MoveCommands.MakeList(factory),
                ScheduleCommands.Make(factory),
            ]);

    /// <summary>Follows a job to its end, with a bar, and prints what came of it.</summary>
    /// <returns>0 where it is done, else 1.</returns>
    public static async Task<int> FollowAsync(CommandRun run, JobStatus job, CancellationToken cancellationToken)
    {
        JobStatus last = await WatchAsync(run, job, $"job {job.Id}", Describe, cancellationToken);
        run.Write(last, ProtocolJson.Default.JobStatus, j => Print(run.Out, j));
        return last.State == "done" ? ExitCode.Success : ExitCode.Failure;
    }

    /// <summary>Follows a job to its end, with a bar.</summary>
    /// <returns>Its last state.</returns>
    public static Task<JobStatus> WatchAsync(
        CommandRun run, JobStatus job, string title, Func<JobStatus, (string Text, double? Part)> describe,
        CancellationToken cancellationToken) =>
        ProgressBars.RunAsync<JobStatus, JobStatus>(
            run, title,
            async bar =>
            {
                JobStatus seen = job;
                await foreach (JobStatus now in run.Client.Jobs.WatchAsync(job.Id, cancellationToken))
                {
                    seen = now;
                    bar?.Report(now);
                }

                return seen;
            },
            describe);

    private static Command List(CommandFactory factory)
    {
        Option<int> limit = new("--limit")
        {
            Description = "At most so many, the newest. Default: 50.",
            DefaultValueFactory = _ => 50,
            HelpName = "N",
        };
        return factory.Make(
            "list", "Lists jobs, the newest first.", [limit],
            async (run, cancellationToken) =>
            {
                Table table = Show.Columns("#id", "kind", "state", "#files", "#of", "#bytes", "#failed", "owner");
                string? cursor = null;
                int left = run.Arguments.GetValue(limit);
                do
                {
                    JobPage page = await run.Client.Jobs.ListAsync(
                        cursor, Math.Clamp(left, 1, 1000), cancellationToken);
                    foreach (JobStatus job in page.Jobs.Take(left))
                    {
                        run.Write(
                            job, ProtocolJson.Default.JobStatus,
                            j => table.Row(
                                Number(j.Id), j.Kind, j.State, Show.Count(j.DoneObjects), Show.Count(j.TotalObjects),
                                Show.Size(j.DoneBytes), Show.Count(j.FailedObjects), j.Owner));
                    }

                    left -= page.Jobs.Count;
                    cursor = page.Next;
                }
                while (cursor is not null && left > 0);
                run.Write(table);

                return ExitCode.Success;
            });
    }

    private static Command Watch(CommandFactory factory)
    {
        Argument<long> id = Id();
        return factory.Make(
            "watch", "Follows a job to its end; Ctrl-C stops watching, not the job.", [id],
            async (run, cancellationToken) =>
                await FollowAsync(
                    run, await run.Client.Jobs.GetAsync(run.Arguments.GetValue(id), cancellationToken),
                    cancellationToken));
    }

    private static Command One(
        CommandFactory factory, string name, string description,
        Func<CommandRun, long, CancellationToken, ValueTask<JobStatus>> call)
    {
        Argument<long> id = Id();
        return factory.Make(
            name, description, [id],
            async (run, cancellationToken) =>
            {
                JobStatus job = await call(run, run.Arguments.GetValue(id), cancellationToken);
                run.Write(job, ProtocolJson.Default.JobStatus, j => Print(run.Out, j));
                return ExitCode.Success;
            });
    }

    private static Argument<long> Id() => new("id") { Description = "The job's number." };

    private static (string Text, double? Part) Describe(JobStatus job) =>
        (
            $"{job.State}: {Show.Count(job.DoneObjects)} of {Show.Count(job.TotalObjects)} files, "
                + Show.Size(job.DoneBytes)
                + (job.EtaSeconds is { } eta ? $", {Show.Seconds(eta)} left" : string.Empty),
            job.TotalObjects > 0 ? (double)job.DoneObjects / job.TotalObjects : null);

    private static void Print(IAnsiConsole console, JobStatus job)
    {
        Show.Properties(
            console,
            [
                ("job", $"{Number(job.Id)} ({job.Kind})"),
                ("state", job.State),
                ("files", $"{Show.Count(job.DoneObjects)} of {Show.Count(job.TotalObjects)}"),
                ("bytes", $"{Show.Size(job.DoneBytes)} of {Show.Size(job.TotalBytes)}"),
                ("owner", job.Owner),
                ("created", Show.Time(job.CreatedTimeNanoseconds)),
                ("started", Show.Time(job.StartedTimeNanoseconds)),
                ("ended", Show.Time(job.EndedTimeNanoseconds)),
                .. JsonRows.Of("detail", job.Detail),
                ("failure", job.Failure),
                .. JsonRows.Of("result", job.Result),
            ]);
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
