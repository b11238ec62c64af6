using System.CommandLine;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb headroom: add, change, list, remove.</summary>
internal static class HeadroomCommands
{
    /// <summary>Makes the command and those below it.</summary>
    public static Command Make(CommandFactory factory) =>
        CommandFactory.Group(
            "headroom",
            "Windows in which a share of memory and hot tier is kept for a folder: add, change, list, remove.",
            [
                new Editor("add", "Reserves a share in windows, refilled ahead.").Make(
                    factory, [],
                    (run, command, token) => run.Client.Jobs.AddHeadroomAsync(command, cancellationToken: token)),
                Change(factory), List(factory), Remove(factory),
            ]);

    private static Command Change(CommandFactory factory)
    {
        Argument<long> id = IdArgument();
        return new Editor("change", "Gives a headroom another name, share or window, as a whole.").Make(
            factory, [id],
            (run, command, token) => run.Client.Jobs.ReplaceHeadroomAsync(run.Arguments.GetValue(id), command, token));
    }

    private static Command List(CommandFactory factory) =>
        factory.Make(
            "list", "Lists the headrooms, with how each is doing.", [],
            async (run, cancellationToken) =>
            {
                Table table = Show.Columns(
                    "#id", "name", "folder", "pool", "#hot", "#memory", "opens", "closes", "phase", "#missing",
                    "message");
                foreach (HeadroomReport headroom in await run.Client.Jobs.ListHeadroomsAsync(cancellationToken))
                {
                    run.Write(headroom, ProtocolJson.Default.HeadroomReport, h => AddRow(table, h));
                }

                run.Write(table);

                return ExitCode.Success;
            });

    private static void AddRow(Table table, HeadroomReport h) => table.Row(
        h.Id.ToString(CultureInfo.InvariantCulture), h.Headroom.Name, h.Headroom.Path,
        h.Headroom.Pool ?? string.Empty,
        Part(h, h.PresentHotBytes, h.Headroom.HotBytes), Part(h, h.PresentMemoryBytes, h.Headroom.MemoryBytes),
        Show.Time(h.WindowStartTimeNanoseconds), Show.Time(h.WindowEndTimeNanoseconds), h.Phase,
        Show.Count(h.Course?.Missing ?? 0), h.Message ?? string.Empty);

    private static string Part(HeadroomReport headroom, long present, long reserved) =>
        headroom.InForce ? $"{Show.Size(present)} of {Show.Size(reserved)}" : Show.Size(reserved);

    private static Command Remove(CommandFactory factory)
    {
        Argument<long> id = IdArgument();
        return factory.Make(
            "remove", "Removes a headroom and gives back what it reserves.", [id],
            async (run, cancellationToken) =>
            {
                await run.Client.Jobs.RemoveHeadroomAsync(run.Arguments.GetValue(id), cancellationToken);
                return ExitCode.Success;
            });
    }

    private static Argument<long> IdArgument() => new("id") { Description = "The headroom's number." };

    /// <summary>A verb that takes all of a headroom.</summary>
    private sealed class Editor(string verb, string description)
    {
        private readonly Argument<string> _name = new("name") { Description = "Its name." };
        private readonly Option<string> _path = new("--path")
        {
            Description = "The folder whose files the share is for.",
            Required = true,
            HelpName = "PATH",
        };

        private readonly Option<string?> _hot = Text("--hot", "SIZE", "What others do not take of the hot tier.");
        private readonly Option<string?> _pool = Text(
            "--pool", "NAME", "The pool it is reserved in. Default: the service's default pool.");

        private readonly Option<string?> _memory = Text("--memory", "SIZE", "What others do not take of memory.");
        private readonly Option<string?> _lead = Text(
            "--lead", "DURATION", "How long before each window it is refilled. Default: 1h.");

        private readonly Option<string?> _days = Text("--days", "DAYS", "Weekdays of the window, as mon-fri.");
        private readonly Option<string?> _months = Text("--months", "MONTHS", "Its months, as 'jan, apr'.");
        private readonly Option<string?> _monthDays = Text(
            "--month-days", "DAYS", "Its days of the month, as 'first 2' or '1, 15'.");

        private readonly Option<string?> _from = Text("--from", "TIME", "When it opens, as 08:30.");
        private readonly Option<string?> _to = Text("--to", "TIME", "When it closes.");
        private readonly Option<string?> _cron = Text(
            "--cron", "FIELDS", "When it opens, as '30 8 * * mon-fri', instead of days and times; with --for.");

        private readonly Option<string?> _for = Text("--for", "DURATION", "How long it is open after each.");
        private readonly Option<string?> _zone = Text("--zone", "ZONE", "The time zone of these. Default: UTC.");
        private readonly Option<string?> _calendar = Text(
            "--calendar", "NAME", "A calendar of the active policy: only on its open days.");

        private readonly Option<string[]> _refill = new("--refill")
        {
            Description = "What is brought before each window; several times for several. Default: the whole folder.",
            HelpName = "PATH",
        };

        private readonly Option<string?> _refillList = Text(
            "--refill-list", "FILE", "The same, a path a line.");

        private readonly Option<string?> _profile = Text(
            "--refill-profile", "NAME", "A kept profile whose blocks are brought instead.");

        public Command Make(
            CommandFactory factory, Argument[] before,
            Func<CommandRun, HeadroomCommand, CancellationToken, ValueTask<HeadroomReport>> send) =>
            factory.Make(
                verb, description,
                [
                    .. before, _name, _path, _hot, _pool, _memory, _lead, _days, _months, _monthDays, _from, _to,
                    _cron, _for, _zone, _calendar, _refill, _refillList, _profile,
                ],
                async (run, cancellationToken) =>
                {
                    HeadroomReport report = await send(run, Read(run), cancellationToken);
                    run.Write(
                        report, ProtocolJson.Default.HeadroomReport,
                        h => run.Out.WriteLine(
                            $"headroom {h.Id.ToString(CultureInfo.InvariantCulture)}, opens next at "
                            + Show.Time(h.WindowStartTimeNanoseconds)));
                    return ExitCode.Success;
                });

        private static Option<string?> Text(string name, string help, string description) =>
            new(name) { Description = description, HelpName = help };

        private HeadroomCommand Read(CommandRun run)
        {
            List<string> refill = [.. run.Arguments.GetValue(_refill) ?? []];
            if (run.Arguments.GetValue(_refillList) is { } file)
            {
                refill.AddRange(File.ReadLines(file).Where(static line => line.Length > 0));
            }

            return new HeadroomCommand
            {
                Name = run.Arguments.GetValue(_name)!,
                Path = run.Arguments.GetValue(_path)!,
                HotBytes = Size(run, _hot),
                Pool = run.Arguments.GetValue(_pool),
                MemoryBytes = Size(run, _memory),
                LeadSeconds = Lead(run),
                Refill = refill.Count > 0 ? refill : null,
                RefillProfile = run.Arguments.GetValue(_profile),
                Window = new HeadroomWindowTimes
                {
                    Days = run.Arguments.GetValue(_days),
                    Months = run.Arguments.GetValue(_months),
                    MonthDays = run.Arguments.GetValue(_monthDays),
                    From = run.Arguments.GetValue(_from),
                    To = run.Arguments.GetValue(_to),
                    Cron = run.Arguments.GetValue(_cron),
                    For = run.Arguments.GetValue(_for),
                    TimeZone = run.Arguments.GetValue(_zone),
                    Calendar = run.Arguments.GetValue(_calendar),
                },
            };
        }

        private static long Size(CommandRun run, Option<string?> option) =>
            run.Arguments.GetValue(option) is not { } text ? 0
            : UnitText.TryParseSize(text, out long bytes) ? bytes
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"{option.Name} is '{text}', which is no size: write 100GiB.");

        private double Lead(CommandRun run) =>
            run.Arguments.GetValue(_lead) is not { } text ? TimeSpan.FromHours(1).TotalSeconds
            : UnitText.TryParseDuration(text, out TimeSpan lead) ? lead.TotalSeconds
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"--lead is '{text}', which is no duration: write 1h.");
    }
}
