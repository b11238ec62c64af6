using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Engine.Tiering.Simulation;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Cli;

/// <summary>Verb plan simulate: a policy against a trace, billed day by day. Needs no service.</summary>
internal static class PlanSimulation
{
    private const double DefaultMoveShare = 0.05;

    /// <summary>Makes the command.</summary>
    public static Command Make(CommandFactory factory)
    {
        Option<string> trace = new("--trace")
        {
            Description = "The trace, 'SECONDS ACTION BYTES PATH [DATASET [TENANT]]' a line; - for standard input.",
            Required = true,
            HelpName = "FILE",
        };
        Option<string> policy = new("--policy", "-p")
        {
            Description = "The policy file.",
            Required = true,
            HelpName = "FILE",
        };
        Option<string> prices = new("--prices")
        {
            Description = "A price table: its name or a file.",
            DefaultValueFactory = _ => TieringSection.DefaultTable,
            HelpName = "TABLE",
        };
        Option<string?> capacity = new("--capacity")
        {
            Description =
                "What the hot tier holds, as 2TiB. Default: all files of the trace at their peak, and a tenth.",
            HelpName = "SIZE",
        };
        Option<string?> moves = new("--moves-per-day")
        {
            Description = "The most bytes that plans move a day, as 100GiB. Default: 5 % of the capacity.",
            HelpName = "SIZE",
        };
        return factory.Make(
            "simulate", "Replays a trace of accesses against a policy and bills it day by day.",
            [trace, policy, prices, capacity, moves],
            async (run, cancellationToken) =>
            {
                CompiledPolicy compiled = PlanDesk.ParsePolicy(
                    await File.ReadAllTextAsync(run.Arguments.GetValue(policy)!, cancellationToken)).Compiled;
                PriceTableResult table = PriceTableReader.Load(run.Arguments.GetValue(prices)!);
                TierPricing pricing = new(
                    table.Table
                    ?? throw new DataLayerException(
                        ErrorCode.InvalidArgument, string.Join('\n', table.Problems)), new TransferShape());
                string file = run.Arguments.GetValue(trace)!;
                using StreamReader reader = new(file == "-" ? run.Environment.OpenInput() : File.OpenRead(file));
                AccessTrace accesses = AccessTraceReader.Read(reader, file);
                long bytes = SizeOf("--capacity", run.Arguments.GetValue(capacity))
                    ?? accesses.FindPeakBytes() / 10 * 11;
                SimulationOptions options = new()
                {
                    HotCapacityBytes = Math.Max(1, bytes),
                    MoveBytesPerPlan = SizeOf("--moves-per-day", run.Arguments.GetValue(moves))
                        ?? (long)(bytes * DefaultMoveShare),
                    PolicyHash = compiled.Hash,
                };
                SimulationResult result = await Task.Run(
                    () => TieringSimulator.Run(accesses, At(compiled), pricing, options), cancellationToken);
                Write(run, accesses, result, pricing.Table.Currency);
                return ExitCode.Success;
            });
    }

    private static PolicyAt At(CompiledPolicy policy)
    {
        IReadOnlySet<int> marks = new HashSet<int>();
        return (now, fill) =>
        {
            marks = PolicyMarks.Next(policy, fill, marks);
            return PolicyAtMoment.Make(policy, now, fill, marks);
        };
    }

    private static void Write(CommandRun run, AccessTrace trace, SimulationResult result, string currency)
    {
        if (run.Json)
        {
            foreach (SimulatedDay day in result.Days)
            {
                run.Environment.Out.WriteLine(JsonSerializer.SerializeToNode(day, SimulationJson.Default.SimulatedDay)!
                    .ToJsonString());
            }

            run.Environment.Out.WriteLine(ToJson(trace, result, currency).ToJsonString());
            return;
        }

        Show.Properties(
            run.Out,
            [
                ("trace", $"{Show.Count(trace.Files.Count)} files, {Show.Count(trace.Events.Count)} accesses, "
                    + $"{result.Days.Count} days"),
                ("capacity", Show.Size(result.HotCapacityBytes)),
                ("billed", $"{PlanTable.Money(result.Billed)} {currency}"),
                ("all hot", $"{PlanTable.Money(result.AllHotCost)} {currency}"),
                ("saved", Percent(result.SavedShare)),
                ("served hot", Percent(result.ServedHotShare) + " of the bytes read"),
                ("churn", $"{Percent(result.WorstChurn)} of the capacity on the worst day, "
                    + $"{Percent(result.MeanChurn)} on average"),
                ("plans' error", $"{Percent(result.PlanError)} in all, {Percent(result.MeanPlanError)} day by day"),
            ]);
    }

    private static JsonObject ToJson(AccessTrace trace, SimulationResult result, string currency) =>
        new()
        {
            ["files"] = trace.Files.Count,
            ["accesses"] = trace.Events.Count,
            ["days"] = result.Days.Count,
            ["capacityBytes"] = result.HotCapacityBytes,
            ["currency"] = currency,
            ["billed"] = result.Billed,
            ["allHot"] = result.AllHotCost,
            ["savedShare"] = result.SavedShare,
            ["servedHotShare"] = result.ServedHotShare,
            ["worstChurn"] = result.WorstChurn,
            ["meanChurn"] = result.MeanChurn,
            ["planError"] = result.PlanError,
            ["planErrorDayByDay"] = result.MeanPlanError,
        };

    private static long? SizeOf(string option, string? text) =>
        text is null ? null
        : UnitText.TryParseSize(text, out long bytes) && bytes > 0 ? bytes
        : throw new DataLayerException(ErrorCode.InvalidArgument, $"{option} '{text}' is not a size, as 2TiB.");

    private static string Percent(double share) => (100 * share).ToString("0.00", CultureInfo.InvariantCulture) + " %";
}
