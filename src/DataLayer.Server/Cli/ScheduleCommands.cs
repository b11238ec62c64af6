using System.CommandLine;
using System.Globalization;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verbs job schedule: add, list, remove.</summary>
internal static class ScheduleCommands
{
    /// <summary>Makes the commands.</summary>
    public static Command Make(CommandFactory factory) =>
        CommandFactory.Group(
            "schedule", "Warm-ups that the service makes at given times: add, list, remove.",
            [Add(factory), List(factory), Remove(factory)]);

    private static Command Add(CommandFactory factory)
    {
        Argument<string[]> paths = CommandFactory.Paths("What to warm.");
        Option<string> cron = new("--cron")
        {
            Description = "When: minute, hour, day of the month, month, weekday, as '30 6 * * mon-fri'.",
            Required = true,
            HelpName = "FIELDS",
        };
        Option<string> zone = new("--zone")
        {
            Description = "The time zone of these, as Europe/Berlin. Default: UTC.",
            DefaultValueFactory = _ => "UTC",
            HelpName = "ZONE",
        };
        Option<bool> memory = CommandFactory.Flag("--memory", "Fill the memory tier as well.");
        return factory.Make(
            "add", "Makes a schedule.", [paths, cron, zone, memory],
            async (run, cancellationToken) =>
            {
                ScheduleStatus added = await run.Client.Jobs.AddScheduleAsync(
                    new ScheduleCommand
                    {
                        Cron = run.Arguments.GetValue(cron)!,
                        Zone = run.Arguments.GetValue(zone)!,
                        Warm = new WarmJobCommand
                        {
                            Paths = run.Arguments.GetValue(paths)!,
                            IntoMemory = run.Arguments.GetValue(memory),
                        },
                    },
                    cancellationToken: cancellationToken);
                run.Write(
                    added, ProtocolJson.Default.ScheduleStatus,
                    s => run.Out.WriteLine(
                        $"schedule {s.Id.ToString(CultureInfo.InvariantCulture)}, due next at "
                        + Show.Time(s.NextTimeNanoseconds)));
                return ExitCode.Success;
            });
    }

    private static Command List(CommandFactory factory) =>
        factory.Make(
            "list", "Lists the schedules.", [],
            async (run, cancellationToken) =>
            {
                Table table = Show.Columns("#id", "cron", "zone", "next", "last", "#job", "what");
                foreach (ScheduleStatus schedule in await run.Client.Jobs.ListSchedulesAsync(cancellationToken))
                {
                    run.Write(
                        schedule, ProtocolJson.Default.ScheduleStatus,
                        s => table.Row(
                            s.Id.ToString(CultureInfo.InvariantCulture), s.Cron, s.Zone,
                            Show.Time(s.NextTimeNanoseconds), Show.Time(s.LastTimeNanoseconds),
                            s.LastJob.ToString(CultureInfo.InvariantCulture), s.Spec.GetRawText()));
                }

                run.Write(table);

                return ExitCode.Success;
            });

    private static Command Remove(CommandFactory factory)
    {
        Argument<long> id = new("id") { Description = "The schedule's number." };
        return factory.Make(
            "remove", "Removes a schedule; the jobs it made stay.", [id],
            async (run, cancellationToken) =>
            {
                await run.Client.Jobs.RemoveScheduleAsync(run.Arguments.GetValue(id), cancellationToken);
                return ExitCode.Success;
            });
    }
}
