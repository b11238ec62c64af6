using System.CommandLine;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb plan: make, show, list, remove.</summary>
internal static class PlanCommands
{
    private const string ActivePolicy = "active";

    /// <summary>Makes the command and those below it.</summary>
    public static Command Make(CommandFactory factory)
    {
        Argument<string> path = CommandFactory.OptionalPath();
        Option<string> policy = new("--policy", "-p")
        {
            Description = "A policy file, '-' for standard input, or 'active' for the service's active policy.",
            HelpName = "FILE",
            DefaultValueFactory = _ => ActivePolicy,
        };
        Option<bool> check = CommandFactory.Flag(
            "--check", "For CI: exit 0 where nothing is to be moved, 20 where something is, 21 over --max-cost.");
        Option<double?> maxCost = new("--max-cost")
        {
            Description =
                "With --check: 21 where the moves cost more than this once, in the price table's currency; 0 below.",
            HelpName = "AMOUNT",
        };
        Command plan = factory.Make(
            "plan", "Plans what a policy would do below a path: moves by rule, what they cost and save.",
            [
                path, policy, check, maxCost, MakeShow(factory), MakeList(factory), MakeRemove(factory),
                PlanSimulation.Make(factory),
            ],
            async (run, cancellationToken) =>
            {
                if (run.Arguments.GetValue(maxCost) is not null && !run.Arguments.GetValue(check))
                {
                    throw new DataLayerException(ErrorCode.InvalidArgument, "--max-cost goes with --check.");
                }

                PlanCommand command = new()
                {
                    Path = run.Arguments.GetValue(path)!,
                    Policy = await ReadPolicyAsync(run, run.Arguments.GetValue(policy)!, cancellationToken),
                };
                PlanReport report = await ProgressBars.RunAsync<PlanProgressReport, PlanReport>(
                    run, $"planning {command.Path}",
                    async bar => await run.Client.Admin.MakePlanAsync(command, bar, cancellationToken),
                    static p => ($"{Show.Count(p.Files)} files, {Show.Count(p.Moves)} move", null));
                run.Write(report, ProtocolJson.Default.PlanReport, r => PlanTable.Write(run.Out, r));
                return run.Arguments.GetValue(check)
                    ? Judge(report, run.Arguments.GetValue(maxCost), run.Environment.Error)
                    : ExitCode.Success;
            });
        return plan;
    }

    /// <summary>What --check says of a plan.</summary>
    private static int Judge(PlanReport report, double? maxCost, TextWriter error)
    {
        if (report.Totals.Moves == 0)
        {
            return ExitCode.Success;
        }

        if (maxCost is not { } limit)
        {
            error.WriteLine($"datalayer: {Show.Count(report.Totals.Moves)} files would move");
            return ExitCode.MovesPending;
        }

        if (report.Totals.Once <= limit)
        {
            return ExitCode.Success;
        }

        error.WriteLine(
            $"datalayer: the moves cost {PlanTable.Money(report.Totals.Once)} {report.Currency} once, over the limit "
                + PlanTable.Money(limit));
        return ExitCode.OverCost;
    }

    private static Command MakeShow(CommandFactory factory)
    {
        Argument<long> id = Id();
        Option<int> moves = new("--moves", "-m")
        {
            Description = "Also the first N moves, heaviest first; 0 for none.",
            HelpName = "N",
        };
        return factory.Make(
            "show", "Shows a plan that was kept.", [id, moves],
            async (run, cancellationToken) =>
            {
                PlanReport report = await run.Client.Admin.GetPlanAsync(
                    run.Arguments.GetValue(id), cancellationToken);
                run.Write(report, ProtocolJson.Default.PlanReport, r => PlanTable.Write(run.Out, r));
                await ShowMovesAsync(run, report, run.Arguments.GetValue(moves), cancellationToken);
                return ExitCode.Success;
            });
    }

    private static async Task ShowMovesAsync(
        CommandRun run, PlanReport report, int count, CancellationToken cancellationToken)
    {
        long? after = 0;
        Table table = Show.Columns("move", "#bytes", "from", "to", "#once", "#a month", "path");
        while (count > 0 && after is { } from)
        {
            PlanMovePage page = await run.Client.Admin.ListPlanMovesAsync(
                report.Id, from, Math.Min(count, 1000), cancellationToken);
            foreach (PlanMoveReport move in page.Moves)
            {
                run.Write(
                    move, ProtocolJson.Default.PlanMoveReport,
                    m => table.Row(
                        string.Join('+', m.Kinds), Show.Size(m.SizeBytes), m.FromClass ?? "-", m.ToClass ?? "-",
                        PlanTable.Money(m.Once), PlanTable.Money(m.MonthlyChange), m.Path));
            }

            count -= page.Moves.Count;
            after = page.Next;
        }

        if (!run.Json && table.Rows.Count > 0)
        {
            run.Out.WriteLine();
            run.Out.Write(table);
        }
    }

    private static Command MakeList(CommandFactory factory) => factory.Make(
        "list", "Lists the plans kept, newest first.", [],
        async (run, cancellationToken) =>
        {
            Table table = Show.Columns(
                "#plan", "made", "path", "#moves", "#bytes", "#once", "#before", "#after", "stale");
            long? before = null;
            do
            {
                PlanPage page = await run.Client.Admin.ListPlansAsync(before, 50, cancellationToken);
                foreach (PlanReport plan in page.Plans)
                {
                    run.Write(plan, ProtocolJson.Default.PlanReport, p => PlanTable.AddRow(table, p));
                }

                before = page.Next;
            }
            while (before is not null);
            run.Write(table);

            return ExitCode.Success;
        });

    private static Command MakeRemove(CommandFactory factory)
    {
        Argument<long> id = Id();
        return factory.Make(
            "rm", "Forgets a plan.", [id],
            async (run, cancellationToken) =>
            {
                await run.Client.Admin.RemovePlanAsync(run.Arguments.GetValue(id), cancellationToken);
                return ExitCode.Success;
            });
    }

    private static Argument<long> Id() => new("id") { Description = "The plan's number." };

    private static async Task<string?> ReadPolicyAsync(
        CommandRun run, string file, CancellationToken cancellationToken)
    {
        if (file == ActivePolicy)
        {
            return null;
        }

        if (file == "-")
        {
            using StreamReader input = new(run.Environment.OpenInput());
            return await input.ReadToEndAsync(cancellationToken);
        }

        return File.Exists(file)
            ? await File.ReadAllTextAsync(file, cancellationToken)
            : throw new DataLayerException(ErrorCode.NotFound, $"There is no policy file '{file}'.");
    }
}
