using System.CommandLine;
using DataLayer.Engine.Files;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.Server.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verbs of upkeep: fsck, scrub, target, version.</summary>
internal static class UpkeepCommands
{
    /// <summary>Makes the commands.</summary>
    public static IEnumerable<Command> Make(CommandFactory factory) =>
        [Check(factory), Scrub(factory), Target(factory), Version(factory)];

    private static Command Check(CommandFactory factory)
    {
        Option<bool> repair = CommandFactory.Flag("--repair", "Repair what can be repaired.");
        Option<string?> config = new("--config")
        {
            Description = "Check offline with this configuration; no service may run.",
            HelpName = "FILE",
        };
        return factory.Make(
            "fsck",
            "Checks the tree against the tiers.",
            [repair, config],
            async (run, cancellationToken) =>
            {
                bool repairs = run.Arguments.GetValue(repair);
                CheckStatus report;
                if (run.Arguments.GetValue(config) is { } file)
                {
                    ServerConfiguration configuration = ConfigCommands.Load(file, run.Environment);
                    await using StorageNode node = await StorageNode.OpenAsync(
                        configuration, run.Environment.Time, NullLoggerFactory.Instance, cancellationToken);
                    CheckReport found = await node.Engine.FsckAsync(repairs, cancellationToken);
                    report = WireReports.ToStatus(found);
                }
                else
                {
                    report = await run.Client.Admin.CheckAsync(repairs, cancellationToken);
                }

                run.Write(report, ProtocolJson.Default.CheckStatus, r => ShowCheck(run.Out, r));
                return report.Clean || report.Repaired == report.Problems.Count ? ExitCode.Success : ExitCode.Damaged;
            }
        );
    }

    private static void ShowCheck(IAnsiConsole console, CheckStatus report)
    {
        if (report.Problems.Count > 0)
        {
            Table table = Show.Columns("#inode", "kind", "problem");
            foreach (ProblemFound problem in report.Problems)
            {
                table.Row(problem.Inode == 0 ? "-" : Show.Count(problem.Inode), problem.Kind, problem.Message);
            }

            console.Write(table);
        }

        console.WriteLine(
            $"{Show.Count(report.Inodes)} inodes, {Show.Count(report.Contents)} contents checked: "
                + (
                    report.Clean
                        ? "clean"
                        : $"{Show.Count(report.Problems.Count)} problems, {Show.Count(report.Repaired)} repaired"));
    }

    private static Command Scrub(CommandFactory factory)
    {
        Argument<string> path = CommandFactory.OptionalPath();
        return factory.Make(
            "scrub", "Reads and checks every hot copy below a path, and repairs.", [path],
            async (run, cancellationToken) =>
            {
                string folder = run.Arguments.GetValue(path)!;
                ScrubStatus report = await ProgressBars.RunAsync<ScrubStatus, ScrubStatus>(
                    run, $"scrubbing {folder}",
                    async bar => await run.Client.Admin.ScrubAsync(folder, bar, cancellationToken),
                    r =>
                        (
                            $"{Show.Count(r.Files)} files, {Show.Count(r.CheckedChunks)} chunks, "
                        + $"{Show.Count(r.RepairedChunks)} repaired",
                            null));
                run.Write(
                    report, ProtocolJson.Default.ScrubStatus,
                    r =>
                        run.Out.WriteLine(
                            $"{Show.Count(r.Files)} files, {Show.Count(r.CheckedChunks)} chunks checked; "
                            + $"{Show.Count(r.RepairedChunks)} repaired from copies, "
                                + $"{Show.Count(r.RepairedFromObjects)} from objects; "
                            + $"{Show.Count(r.BadFiles)} files stay bad"
                        ));
                return report.BadFiles == 0 ? ExitCode.Success : ExitCode.Damaged;
            });
    }

    private static Command Target(CommandFactory factory)
    {
        return CommandFactory.Group(
            "target", "The targets of the hot tier.", [ListTargets(factory), AddTarget(factory), DrainTarget(factory)]);
    }

    private static Command ListTargets(CommandFactory factory)
    {
        return factory.Make(
            "list",
            "Shows the targets.",
            [],
            async (run, cancellationToken) =>
            {
                Table table = Show.Columns(
                    "#target", "pool", "state", "#size", "#free", "#used", "location", "fault");
                foreach (TargetReport target in await run.Client.Admin.ListTargetsAsync(cancellationToken))
                {
                    run.Write(
                        target, ProtocolJson.Default.TargetReport,
                        t =>
                            table.Row(
                                Show.Count(t.Target), t.Pool, t.State, Show.Size(t.CapacityBytes),
                                Show.Size(t.FreeBytes), Show.Size(t.UsedBytes), t.Location, t.Fault ?? "-"));
                }

                run.Write(table);

                return ExitCode.Success;
            }
        );
    }

    private static Command AddTarget(CommandFactory factory)
    {
        Argument<string> directory = new("directory")
        {
            Description = "The folder, on the service's machine; or rados://POOL/NAMESPACE?conf=FILE&id=NAME.",
        };
        Option<string> pool = new("--pool") { Description = "The pool.", DefaultValueFactory = _ => "default" };
        return factory.Make(
            "add", "Adds a folder or a RADOS pool to a pool while the service runs.", [directory, pool],
            async (run, cancellationToken) =>
            {
                string place = run.Arguments.GetValue(directory)!;
                TargetReport added = await run.Client.Admin.AddTargetAsync(
                    run.Arguments.GetValue(pool)!,
                    place.StartsWith("rados://", StringComparison.Ordinal) ? place : Path.GetFullPath(place),
                    cancellationToken);
                run.Write(
                    added, ProtocolJson.Default.TargetReport,
                    t => run.Out.WriteLine($"target {t.Target} added to pool {t.Pool}: {t.Location}"));
                return ExitCode.Success;
            });
    }

    private static Command DrainTarget(CommandFactory factory)
    {
        Argument<int> number = new("target") { Description = "The target's number." };
        return factory.Make(
            "drain", "Moves a target's data to the others of its pool.", [number],
            async (run, cancellationToken) =>
            {
                int target = run.Arguments.GetValue(number);
                DrainStatus moved = await ProgressBars.RunAsync<DrainStatus, DrainStatus>(
                    run, $"draining target {target}",
                    async bar => await run.Client.Admin.DrainTargetAsync(target, bar, cancellationToken),
                    r => (Show.Size(r.MovedBytes), null));
                run.Write(
                    moved, ProtocolJson.Default.DrainStatus,
                    r => run.Out.WriteLine($"target {r.Target} drained: {Show.Size(r.MovedBytes)} moved"));
                return ExitCode.Success;
            });
    }

    private static Command Version(CommandFactory factory)
    {
        Option<bool> service = CommandFactory.Flag("--service", "The running service's version instead.");
        return factory.Make(
            "version", "Prints the program's version.", [service],
            async (run, cancellationToken) =>
            {
                VersionReport version = run.Arguments.GetValue(service)
                    ? await run.Client.Admin.GetVersionAsync(cancellationToken)
                    : ProgramVersion.Report();
                run.Write(
                    version, ProtocolJson.Default.VersionReport,
                    v => run.Out.WriteLine($"{v.Program} {v.Version} (API {v.Api}, {v.Runtime})"));
                return ExitCode.Success;
            });
    }
}
