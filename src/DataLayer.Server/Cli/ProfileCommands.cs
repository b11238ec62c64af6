using System.CommandLine;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verbs profile and history.</summary>
internal static class ProfileCommands
{
    private const int ShownFiles = 20;

    /// <summary>Makes the commands.</summary>
    public static IEnumerable<Command> Make(CommandFactory factory) =>
    [
        CommandFactory.Group(
            "profile", "What jobs read: recorded, and warmed again.",
            [
                Record(factory), Stop(factory), List(factory), ShowOne(factory), Merge(factory), Trim(factory),
                Replay(factory), Export(factory), Import(factory), Remove(factory),
            ]),
        History(factory),
    ];

    private static Argument<string> Name(string description = "The profile's name.") =>
        new("name") { Description = description };

    private static Command Record(CommandFactory factory)
    {
        Argument<string> name = Name();
        Option<string> path = new("--path")
        {
            Description = "The folder or file to record. Default: /.",
            DefaultValueFactory = _ => "/",
            HelpName = "PATH",
        };
        Option<string?> length = new("--for")
        {
            Description = "For how long, as 30m; without it until 'profile stop NAME'.",
            HelpName = "DURATION",
        };
        return factory.Make(
            "record", "Begins to record what is read.", [name, path, length],
            async (run, cancellationToken) =>
            {
                RecordProfileCommand command = new()
                {
                    Path = run.Arguments.GetValue(path)!,
                    Seconds = Duration("--for", run.Arguments.GetValue(length))?.TotalSeconds,
                };
                ProfileStatus begun = await run.Client.Admin.RecordProfileAsync(
                    run.Arguments.GetValue(name)!, command, cancellationToken);
                run.Write(
                    begun, ProtocolJson.Default.ProfileStatus,
                    p => run.Out.WriteLine($"recording {p.Name} below {p.Path}"
                        + (p.EndsAt is { } end ? $" until {Time(end)}" : $"; end it with 'profile stop {p.Name}'")));
                return ExitCode.Success;
            });
    }

    private static Command Stop(CommandFactory factory)
    {
        Argument<string> name = Name();
        return factory.Make(
            "stop", "Ends a recording and keeps the profile.", [name],
            async (run, cancellationToken) =>
            {
                Say(run, await run.Client.Admin.StopProfileAsync(run.Arguments.GetValue(name)!, cancellationToken));
                return ExitCode.Success;
            });
    }

    private static Command List(CommandFactory factory) => factory.Make(
        "list", "Shows the profiles, kept and being recorded.", [],
        async (run, cancellationToken) =>
        {
            Table table = Show.Columns("name", "state", "path", "#runs", "#files", "#blocks", "#size", "#length");
            foreach (ProfileStatus profile in await run.Client.Admin.ListProfilesAsync(cancellationToken))
            {
                run.Write(
                    profile, ProtocolJson.Default.ProfileStatus,
                    p => table.Row(
                        p.Name, p.Recording ? "recording" : p.Fault is null ? "kept" : "damaged", p.Path,
                        Show.Count(p.Runs), Show.Count(p.Files), Show.Count(p.Blocks), Show.Size(p.SizeBytes),
                        Show.Seconds(p.Seconds)));
            }

            run.Write(table);

            return ExitCode.Success;
        });

    private static Command ShowOne(CommandFactory factory)
    {
        Argument<string> name = Name();
        return factory.Make(
            "show", "Shows a profile and the files it reads first.", [name],
            async (run, cancellationToken) =>
            {
                ProfileDetail detail = await run.Client.Admin.GetProfileAsync(
                    run.Arguments.GetValue(name)!, 0, run.Json ? 10_000 : ShownFiles, cancellationToken);
                run.Write(detail, ProtocolJson.Default.ProfileDetail, d => ShowDetail(run.Out, d));
                return ExitCode.Success;
            });
    }

    private static Command Merge(CommandFactory factory)
    {
        Argument<string> name = Name("The result's name; it may be one of the others.");
        Argument<string[]> from = new("from")
        {
            Description = "The profiles to merge.",
            Arity = ArgumentArity.OneOrMore,
        };
        return factory.Make(
            "merge", "Merges the runs of profiles into one.", [name, from],
            async (run, cancellationToken) =>
            {
                Say(run, await run.Client.Admin.MergeProfilesAsync(
                    run.Arguments.GetValue(name)!, run.Arguments.GetValue(from)!, cancellationToken));
                return ExitCode.Success;
            });
    }

    private static Command Trim(CommandFactory factory)
    {
        Argument<string> name = Name();
        Option<string?> to = new("--to") { Description = "Keep the result under this name.", HelpName = "NAME" };
        Option<double> share = new("--min-share")
        {
            Description = "Only what was read in at least this share of the runs, 0 to 1.",
            HelpName = "SHARE",
        };
        Option<string?> time = new("--max-time")
        {
            Description = "Only what was first read within this time, as 10m.",
            HelpName = "DURATION",
        };
        Option<string?> size = new("--max-size")
        {
            Description = "At most so much, in order of time, as 100GiB.",
            HelpName = "SIZE",
        };
        return factory.Make(
            "trim", "Keeps a part of a profile.", [name, to, share, time, size],
            async (run, cancellationToken) =>
            {
                TrimProfileCommand command = new()
                {
                    MinShare = run.Arguments.GetValue(share),
                    MaxSeconds = Duration("--max-time", run.Arguments.GetValue(time))?.TotalSeconds,
                    MaxBytes = Size("--max-size", run.Arguments.GetValue(size)),
                    To = run.Arguments.GetValue(to),
                };
                Say(run, await run.Client.Admin.TrimProfileAsync(
                    run.Arguments.GetValue(name)!, command, cancellationToken));
                return ExitCode.Success;
            });
    }

    private static Command Replay(CommandFactory factory)
    {
        Argument<string> name = Name();
        Option<bool> dry = CommandFactory.Flag("--dry-run", "Only tell what would be fetched.");
        return factory.Make(
            "replay", "Makes exactly what the profile names hot, in its order.", [name, dry],
            async (run, cancellationToken) =>
            {
                string profile = run.Arguments.GetValue(name)!;
                ReplayReport report = await ProgressBars.RunAsync<ReplayReport, ReplayReport>(
                    run, $"replaying {profile}",
                    async bar => await run.Client.Admin.ReplayProfileAsync(
                        profile, run.Arguments.GetValue(dry), bar, cancellationToken),
                    r => ($"{Show.Count(r.Hot)} blocks hot, {Show.Size(r.FetchedBytes)} fetched", null));
                run.Write(report, ProtocolJson.Default.ReplayReport, r => ShowReplay(run.Out, r));
                return report.Failed == 0 ? ExitCode.Success : ExitCode.Failure;
            });
    }

    private static Command Export(CommandFactory factory)
    {
        Argument<string> name = Name();
        Argument<string> file = new("file") { Description = "Where to; - for standard output." };
        return factory.Make(
            "export", "Writes a profile to a file.", [name, file],
            async (run, cancellationToken) =>
            {
                byte[] bytes = await run.Client.Admin.ExportProfileAsync(
                    run.Arguments.GetValue(name)!, cancellationToken);
                string target = run.Arguments.GetValue(file)!;
                if (target == "-")
                {
                    await using Stream output = run.Environment.OpenOutput();
                    await output.WriteAsync(bytes, cancellationToken);
                }
                else
                {
                    await File.WriteAllBytesAsync(target, bytes, cancellationToken);
                }

                return ExitCode.Success;
            });
    }

    private static Command Import(CommandFactory factory)
    {
        Argument<string> name = Name();
        Argument<string> file = new("file") { Description = "The exported profile; - for standard input." };
        return factory.Make(
            "import", "Keeps an exported profile.", [name, file],
            async (run, cancellationToken) =>
            {
                string source = run.Arguments.GetValue(file)!;
                using MemoryStream bytes = new();
                await using (Stream input = source == "-" ? run.Environment.OpenInput() : File.OpenRead(source))
                {
                    await input.CopyToAsync(bytes, cancellationToken);
                }

                Say(run, await run.Client.Admin.ImportProfileAsync(
                    run.Arguments.GetValue(name)!, bytes.ToArray(), cancellationToken));
                return ExitCode.Success;
            });
    }

    private static Command Remove(CommandFactory factory)
    {
        Argument<string> name = Name();
        return factory.Make(
            "remove", "Forgets a profile.", [name],
            async (run, cancellationToken) =>
            {
                await run.Client.Admin.RemoveProfileAsync(run.Arguments.GetValue(name)!, cancellationToken);
                return ExitCode.Success;
            });
    }

    private static Command History(CommandFactory factory)
    {
        Argument<string> path = CommandFactory.OptionalPath();
        Option<string> level = new("--by")
        {
            Description = "minute, hour or day. Default: hour.",
            DefaultValueFactory = _ => "hour",
            HelpName = "LEVEL",
        };
        Option<string?> last = new("--last")
        {
            Description = "Only so far back, as 7d. Default: all that is kept.",
            HelpName = "DURATION",
        };
        return factory.Make(
            "history", "Shows what was read below a folder, by time.", [path, level, last],
            async (run, cancellationToken) =>
            {
                TimeSpan? back = Duration("--last", run.Arguments.GetValue(last));
                DateTimeOffset? from = run.Environment.Time.GetUtcNow() - back;
                HistoryReport report = await run.Client.Admin.GetHistoryAsync(
                    run.Arguments.GetValue(path)!, run.Arguments.GetValue(level)!, from, until: null,
                    cancellationToken);
                run.Write(report, ProtocolJson.Default.HistoryReport, r => ShowHistory(run.Out, r));
                return ExitCode.Success;
            });
    }

    private static void Say(CommandRun run, ProfileStatus profile) => run.Write(
        profile, ProtocolJson.Default.ProfileStatus,
        p => run.Out.WriteLine(
            $"{p.Name}: {Show.Count(p.Files)} files, {Show.Count(p.Blocks)} blocks, {Show.Size(p.SizeBytes)} of "
            + $"{Show.Count(p.Runs)} runs"
            + (p.Missed == 0 ? string.Empty : $"; {Show.Count(p.Missed)} reads missed")));

    private static void ShowDetail(IAnsiConsole console, ProfileDetail detail)
    {
        ProfileStatus p = detail.Profile;
        Show.Properties(console,
        [
            ("path", p.Path),
            ("recorded", Time(p.RecordedAt)),
            ("length", Show.Seconds(p.Seconds)),
            ("runs", Show.Count(p.Runs)),
            ("files", Show.Count(p.Files)),
            ("blocks", $"{Show.Count(p.Blocks)}, {Show.Size(p.SizeBytes)}"),
            ("missed", p.Missed == 0 ? null : Show.Count(p.Missed)),
        ]);
        Table table = Show.Columns("#first", "#blocks", "#size", "path");
        foreach (ProfileFileStatus file in detail.Files)
        {
            table.Row(Show.Seconds(file.FirstSeconds), Show.Count(file.Blocks), Show.Size(file.SizeBytes), file.Path);
        }

        console.WriteLine();
        console.Write(table);
        if (detail.Next is { } shown)
        {
            console.WriteLine($"and {Show.Count(p.Files - shown)} more files");
        }
    }

    private static void ShowReplay(IAnsiConsole console, ReplayReport r)
    {
        console.WriteLine(
            $"{Show.Count(r.Blocks)} blocks, {Show.Size(r.SizeBytes)}: {Show.Count(r.AlreadyHot)} were hot, "
            + (r.DryRun ? $"{Show.Size(r.FetchedBytes)} would be fetched"
                : $"{Show.Size(r.FetchedBytes)} fetched, {Show.Count(r.Failed)} failed"));
        if (r.MovedFiles > 0)
        {
            console.WriteLine($"{Show.Count(r.MovedFiles)} files were found under another name");
        }

        if (r.VanishedFiles + r.VanishedBlocks > 0)
        {
            console.WriteLine(
                $"{Show.Count(r.VanishedFiles)} files are gone, and {Show.Count(r.VanishedBlocks)} blocks of files "
                + "that are shorter now");
            foreach (string path in r.Vanished)
            {
                console.WriteLine($"  {path}");
            }
        }

        if (r.FirstError is { } error)
        {
            console.WriteLine(error);
        }
    }

    private static void ShowHistory(IAnsiConsole console, HistoryReport report)
    {
        Table table = Show.Columns("from", "#opens", "#reads", "#memory", "#hot", "#cold", "#waited");
        foreach (HistoryRow row in report.Rows)
        {
            table.Row(
                Time(row.Start), Show.Count(row.Opens), Show.Count(row.Reads), Show.Size(row.MemoryBytes),
                Show.Size(row.HotBytes), Show.Size(row.ColdBytes),
                Show.Seconds((row.HotWaitNanoseconds + row.ColdWaitNanoseconds) / 1e9));
        }

        console.Write(table);
    }

    private static string Time(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);

    private static TimeSpan? Duration(string option, string? text) =>
        text is null ? null
        : UnitText.TryParseDuration(text, out TimeSpan duration) ? duration
        : throw new DataLayerException(ErrorCode.InvalidArgument, $"{option} '{text}' is not a duration, as 30m.");

    private static long? Size(string option, string? text) =>
        text is null ? null
        : UnitText.TryParseSize(text, out long size) ? size
        : throw new DataLayerException(ErrorCode.InvalidArgument, $"{option} '{text}' is not a size, as 1GiB.");
}
