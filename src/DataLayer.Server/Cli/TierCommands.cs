using System.CommandLine;
using DataLayer.Protocol.Http;
using DataLayer.Server.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verbs on attachments and tiers: attach, detach, refresh, warm, evict, flush.</summary>
internal static class TierCommands
{
    /// <summary>Makes the commands.</summary>
    public static IEnumerable<Command> Make(CommandFactory factory) =>
        [Attach(factory), Detach(factory), Refresh(factory), WarmCommand.Make(factory), Evict(factory), Flush(factory)];

    private static Command Attach(CommandFactory factory)
    {
        AttachArguments given = new();
        return factory.Make(
            "attach",
            "Binds a folder to a bucket prefix, without copying; goes on where a listing was interrupted.",
            given.Symbols,
            async (run, cancellationToken) =>
            {
                if (run.Arguments.GetValue(given.Source) is not { } source)
                {
                    return await ListAsync(run, cancellationToken);
                }

                AttachCommand command = given.ToCommand(run, source);
                ListingReport last = new();
                AttachmentStatus attachment = await ProgressBars.RunAsync<ListingReport, AttachmentStatus>(
                    run, $"listing {source}",
                    async bar =>
                        await run.Client.Admin.AttachAsync(
                            command, new Tee<ListingReport>(bar, r => last = r), cancellationToken),
                    DescribeListing);
                run.Write(
                    attachment, ProtocolJson.Default.AttachmentStatus,
                    a =>
                        run.Out.WriteLine(
                            $"attached {a.Source} at {a.Path}: {Show.Count(a.ObjectCount)} objects, "
                                + Show.Size(a.ObjectBytes)
                                + (last.Requests > 0 ? $", {Show.Count(last.Requests)} requests" : string.Empty)
                                + (
                                    last.Refused > 0
                                        ? $", {Show.Count(last.Refused)} objects have no place in a tree"
                                        : string.Empty)));
                return ExitCode.Success;
            }
        );
    }

    private static async Task<int> ListAsync(CommandRun run, CancellationToken cancellationToken)
    {
        IReadOnlyList<AttachmentStatus> attachments = await run.Client.Admin.ListAttachmentsAsync(cancellationToken);
        Table table = Show.Columns(
            "path", "source", "store", "mode", "freshness", "flush", "#objects", "#bytes", "listing");
        foreach (AttachmentStatus attachment in attachments)
        {
            run.Write(
                attachment, ProtocolJson.Default.AttachmentStatus,
                a =>
                    table.Row(
                        a.Path, a.Source, a.Store, WireWord.Of(a.Mode), WireWord.Of(a.Freshness), WireWord.Of(a.Flush),
                        Show.Count(a.ObjectCount), Show.Size(a.ObjectBytes),
                        a.ListingComplete ? "complete" : "interrupted"));
        }

        run.Write(table);

        return ExitCode.Success;
    }

    private static Command Detach(CommandFactory factory)
    {
        Argument<string> path = CommandFactory.Path("path", "The attachment's folder.");
        Option<bool> force = CommandFactory.Flag("--force", "Also with uploads due, which are then lost.");
        return factory.Make(
            "detach", "Removes an attachment and its names, never an object.", [path, force],
            async (run, cancellationToken) =>
            {
                await run.Client.Admin.DetachAsync(
                    run.Arguments.GetValue(path)!, run.Arguments.GetValue(force), cancellationToken);
                return ExitCode.Success;
            });
    }

    private static Command Refresh(CommandFactory factory)
    {
        Argument<string> path = CommandFactory.Path("path", "The attachment's folder.");
        return factory.Make(
            "refresh", "Lists an attachment's bucket again and takes over what changed.", [path],
            async (run, cancellationToken) =>
            {
                string folder = run.Arguments.GetValue(path)!;
                ListingReport report = await ProgressBars.RunAsync<ListingReport, ListingReport>(
                    run,
                    $"listing {folder}",
                    async bar => await run.Client.Admin.RefreshAsync(folder, bar, cancellationToken),
                    DescribeListing
                );
                run.Write(
                    report, ProtocolJson.Default.ListingReport,
                    r => run.Out.WriteLine($"{folder}: {DescribeListing(r).Text}"));
                return ExitCode.Success;
            });
    }

    private static Command Evict(CommandFactory factory)
    {
        Argument<string> path = CommandFactory.Path();
        Option<bool> hot = CommandFactory.Flag("--hot", "Hot copies too, of contents the bucket holds.");
        return factory.Make(
            "evict", "Drops copies below a path from memory.", [path, hot],
            async (run, cancellationToken) =>
            {
                EvictReport report = await run.Client.Admin.EvictAsync(
                    run.Arguments.GetValue(path)!, run.Arguments.GetValue(hot), cancellationToken);
                run.Write(
                    report, ProtocolJson.Default.EvictReport,
                    r =>
                        run.Out.WriteLine(
                            $"{Show.Count(r.Blocks)} blocks dropped from memory; "
                                + $"{Show.Count(r.ReleasedFiles)} files released, {Show.Size(r.ReleasedBytes)}; "
                                + $"{Show.Count(r.KeptFiles)} kept, since no object holds their content"));
                return ExitCode.Success;
            });
    }

    private static Command Flush(CommandFactory factory)
    {
        Argument<string> path = CommandFactory.OptionalPath();
        Option<bool> file = CommandFactory.Flag("--file", "fsync one file instead.");
        return factory.Make(
            "flush",
            "Waits until all uploads due below a path were verified.",
            [path, file],
            async (run, cancellationToken) =>
            {
                string target = run.Arguments.GetValue(path)!;
                if (run.Arguments.GetValue(file))
                {
                    await run.Client.FlushAsync(target, cancellationToken);
                }
                else
                {
                    await run.Client.Admin.FlushUploadsAsync(target, cancellationToken);
                }

                return ExitCode.Success;
            }
        );
    }

    private static (string Text, double? Part) DescribeListing(ListingReport report) =>
        (
            $"{Show.Count(report.Objects)} objects, {Show.Size(report.Bytes)}, {Show.Count(report.Requests)} requests"
                + (report.Refused > 0 ? $", {Show.Count(report.Refused)} refused" : string.Empty),
            report.Done ? 1 : null);

    private sealed class Tee<T>(IProgress<T>? first, Action<T> second) : IProgress<T>
    {
        public void Report(T value)
        {
            first?.Report(value);
            second(value);
        }
    }
}
