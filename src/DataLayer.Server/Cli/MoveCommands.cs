using System.CommandLine;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verbs apply and undo, and the list of a job's moves.</summary>
internal static class MoveCommands
{
    /// <summary>Makes the commands.</summary>
    public static IEnumerable<Command> Make(CommandFactory factory)
    {
        yield return One(
            factory, "apply", "Carries out a plan's moves as a job, and follows it.",
            new Argument<long>("plan") { Description = "The plan's number." },
            (run, id, command, t) => run.Client.Jobs.ApplyAsync(id, command, cancellationToken: t));
        yield return One(
            factory, "undo", "Brings the files that a job moved back to where they were.",
            new Argument<long>("job") { Description = "The number of the job that applied a plan." },
            (run, id, command, t) => run.Client.Jobs.UndoAsync(id, command, cancellationToken: t));
    }

    /// <summary>Makes <c>job moves</c>.</summary>
    public static Command MakeList(CommandFactory factory)
    {
        Argument<long> id = new("id") { Description = "The job's number." };
        Option<string?> state = new("--state")
        {
            Description = "Only those that are started, done, skipped or failed.",
            HelpName = "STATE",
        };
        state.AcceptOnlyFromAmong("started", "done", "skipped", "failed");
        return factory.Make(
            "moves", "Lists what became of each file of a job that applied or undid.", [id, state],
            async (run, cancellationToken) =>
            {
                Table table = Show.Columns("#move", "state", "done", "#bytes", "from", "to", "#cost", "path", "reason");
                string? wanted = run.Arguments.GetValue(state);
                for (long? from = 0; from is { } at;)
                {
                    MovePage page = await run.Client.Jobs.ListMovesAsync(
                        run.Arguments.GetValue(id), at, 1000, cancellationToken);
                    foreach (MoveReport move in page.Moves.Where(m => wanted is null || m.State == wanted))
                    {
                        run.Write(move, ProtocolJson.Default.MoveReport, m => AddRow(table, m));
                    }

                    from = page.Next;
                }

                run.Write(table);

                return ExitCode.Success;
            });
    }

    private static void AddRow(Table table, MoveReport move) => table.Row(
        move.Number.ToString(CultureInfo.InvariantCulture), move.State, string.Join('+', move.Done),
        Show.Size(move.SizeBytes), move.FromClass ?? "-", move.ToClass ?? "-", PlanTable.Money(move.Cost), move.Path,
        move.Reason ?? string.Empty);

    private static long ParseRate(string text) =>
        ByteSize.TryParse(text, out long bytes)
            ? bytes
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"--rate '{text}' is no size: give bytes a second, as 200MiB.");

    private static Command One(
        CommandFactory factory, string name, string description, Argument<long> id,
        Func<CommandRun, long, MoveCommand, CancellationToken, ValueTask<JobStatus>> call)
    {
        Option<string?> rate = new("--rate")
        {
            Description = "Bytes a second that may pass between the tiers, as 200MiB.",
            HelpName = "SIZE",
        };
        Option<string?> window = new("--window")
        {
            Description = "The part of each day in which moves may begin, as 22:00-06:00.",
            HelpName = "FROM-TO",
        };
        Option<string> zone = new("--zone")
        {
            Description = "The window's time zone. Default: UTC.",
            HelpName = "ZONE",
            DefaultValueFactory = _ => "UTC",
        };
        Option<long?> requests = new("--max-requests")
        {
            Description = "Requests that may be billed; then it stops and says what remains.",
            HelpName = "N",
        };
        Option<double?> cost = new("--max-cost")
        {
            Description = "What may be spent, in the price table's currency; then it stops and says what remains.",
            HelpName = "AMOUNT",
        };
        Option<int> parallelism = new("--parallel")
        {
            Description = "Moves side by side, 1 to 64. Default: 4.",
            HelpName = "N",
            DefaultValueFactory = _ => 4,
        };
        Option<bool> content = CommandFactory.Flag(
            "--verify-content", "Read each object and compare its bytes before its hot copy goes.");
        Option<bool> detach = CommandFactory.Flag("--detach", "Print the job's number and leave it to the service.");
        return factory.Make(
            name, description, [id, rate, window, zone, requests, cost, parallelism, content, detach],
            async (run, cancellationToken) =>
            {
                MoveCommand command = new()
                {
                    BytesPerSecond = run.Arguments.GetValue(rate) is { } size ? ParseRate(size) : null,
                    Window = run.Arguments.GetValue(window),
                    Zone = run.Arguments.GetValue(zone)!,
                    MaxRequests = run.Arguments.GetValue(requests),
                    MaxCost = run.Arguments.GetValue(cost),
                    Parallelism = run.Arguments.GetValue(parallelism),
                    Verify = run.Arguments.GetValue(content) ? "content" : "checksum",
                };
                JobStatus job = await call(run, run.Arguments.GetValue(id), command, cancellationToken);
                if (run.Arguments.GetValue(detach))
                {
                    run.Write(job, ProtocolJson.Default.JobStatus, j => run.Out.WriteLine($"job {j.Id}"));
                    return ExitCode.Success;
                }

                return await JobCommands.FollowAsync(run, job, cancellationToken);
            });
    }
}
