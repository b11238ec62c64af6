using System.CommandLine;
using System.Globalization;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verbs on files and folders: ls, stat, cat, put, get, rm, mv, mkdir, du.</summary>
internal static class FileCommands
{
    /// <summary>Makes the commands.</summary>
    public static IEnumerable<Command> Make(CommandFactory factory) =>
        [
            List(factory),
            Stat(factory),
            Cat(factory),
            Put(factory),
            Get(factory),
            Remove(factory),
            Move(factory),
            MakeDirectory(factory),
            Usage(factory),
        ];

    private static Command List(CommandFactory factory)
    {
        Argument<string> path = CommandFactory.OptionalPath();
        Option<bool> longForm = CommandFactory.Flag("--long", "Mode, links, size, tier and time.", "-l");
        Option<bool> recursive = CommandFactory.Flag("--recursive", "Folders below as well.", "-R");
        return factory.Make(
            "ls",
            "Lists a folder.",
            [path, longForm, recursive],
            async (run, cancellationToken) =>
            {
                string start = run.Arguments.GetValue(path)!;
                FileStatus top = await run.Client.StatAsync(start, cancellationToken: cancellationToken);
                bool isLong = run.Arguments.GetValue(longForm);
                if (top.Kind != FileKind.Directory)
                {
                    WriteEntry(run, start, top, isLong);
                    return ExitCode.Success;
                }

                bool below = run.Arguments.GetValue(recursive);
                Stack<string> folders = new([start]);
                while (folders.TryPop(out string? folder))
                {
                    await foreach (
                        FileStatus entry in run.Client.ListAsync(folder, cancellationToken: cancellationToken))
                    {
                        string full = TreePath.Combine(folder, entry.Name);
                        WriteEntry(run, below ? full : entry.Name, entry, isLong);
                        if (below && entry.Kind == FileKind.Directory)
                        {
                            folders.Push(full);
                        }
                    }
                }

                return ExitCode.Success;
            }
        );
    }

    private static void WriteEntry(CommandRun run, string name, FileStatus entry, bool isLong)
    {
        if (run.Json)
        {
            run.WriteJson(entry with { Name = name }, ProtocolJson.Default.FileStatus);
            return;
        }

        string shown = entry.Kind == FileKind.Directory ? name + "/" : name;
        if (!isLong)
        {
            run.Environment.Out.WriteLine(shown);
            return;
        }

        string tier = entry.Kind == FileKind.Regular ? entry.State.ToString().ToLowerInvariant() : "-";
        string link = entry.LinkTarget is null ? string.Empty : " -> " + entry.LinkTarget;
        run.Environment.Out.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Show.Mode(entry)} {entry.LinkCount,3} {entry.UserId,5} {entry.GroupId,5} {entry.SizeBytes,14} "
                    + $"{tier,-11} "
                    + $"{Show.Time(entry.ModifyTimeNanoseconds)} {shown}{link}"));
    }

    private static Command Stat(CommandFactory factory)
    {
        Argument<string> path = CommandFactory.Path();
        return factory.Make(
            "stat", "Shows a path's attributes, tier, residency, object and heat.", [path],
            async (run, cancellationToken) =>
            {
                FileDetail detail = await run.Client.DescribeAsync(run.Arguments.GetValue(path)!, cancellationToken);
                run.Write(detail, ProtocolJson.Default.FileDetail, d => ShowDetail(run.Out, d));
                return ExitCode.Success;
            });
    }

    private static void ShowDetail(IAnsiConsole console, FileDetail detail)
    {
        FileStatus status = detail.Status;
        bool isFile = status.Kind == FileKind.Regular;
        Show.Properties(
            console,
            [
                ("path", detail.Path),
                ("kind", status.Kind.ToString().ToLowerInvariant()),
                ("size", $"{Show.Count(status.SizeBytes)} bytes"),
                (
                    "mode",
                    $"{Show.Mode(status)} ({Convert.ToString(status.Mode, 8)}), "
                    + $"owner {status.UserId}:{status.GroupId}, links {status.LinkCount}"
                ),
                ("inode", $"{status.Inode}, generation {status.Generation}, version {status.Version}"),
                ("entity tag", status.EntityTag),
                ("link target", status.LinkTarget),
                ("modified", Show.Time(status.ModifyTimeNanoseconds)),
                ("changed", Show.Time(status.ChangeTimeNanoseconds)),
                ("tier", isFile ? $"{detail.Tier} (state {status.State.ToString().ToLowerInvariant()})" : null),
                (
                    "residency",
                    isFile
                        ? $"{detail.HotBlocks} of {detail.BlockCount} blocks hot, {detail.MemoryBlocks} in memory"
                        : null),
                ("placement", detail.Placement),
                (
                    "object",
                    detail.Object is { } o ? $"{o.Store} {o.Key} ({Show.Count(o.SizeBytes)} bytes, ETag {o.ETag})"
                    : isFile ? "none"
                    : null),
                ("upload", detail.UploadPending ? "due" : null),
                ("heat", isFile ? detail.Heat.ToString("0.###", CultureInfo.InvariantCulture) : null),
            ]);
    }

    private static Command Cat(CommandFactory factory)
    {
        Argument<string[]> paths = CommandFactory.Paths("Files.");
        Option<long> offset = new("--offset") { Description = "First byte.", HelpName = "BYTES" };
        Option<long?> length = new("--length")
        {
            Description = "How many bytes; all to the end by default.",
            HelpName = "BYTES",
        };
        return factory.Make(
            "cat",
            "Writes files to standard output.",
            [paths, offset, length],
            async (run, cancellationToken) =>
            {
                long start = run.Arguments.GetValue(offset);
                long? count = run.Arguments.GetValue(length);
                if (start < 0 || count < 0)
                {
                    throw new DataLayerException(
                        ErrorCode.InvalidArgument, $"--offset {start} and --length {count} must be 0 or more.");
                }

                Stream output = run.Environment.OpenOutput();
                await using (output)
                {
                    foreach (string path in run.Arguments.GetValue(paths)!)
                    {
                        await run.Client.DownloadAsync(
                            path, output, start, count, cancellationToken: cancellationToken);
                    }
                }

                return ExitCode.Success;
            }
        );
    }

    private static Command Put(CommandFactory factory)
    {
        Argument<string> source = new("file") { Description = "A local file, or - for standard input." };
        Argument<string> path = CommandFactory.Path();
        Option<bool> parents = CommandFactory.Flag("--parents", "Make missing folders.", "-p");
        Option<bool> noReplace = CommandFactory.Flag("--no-replace", "Fail if the path is taken.", "-n");
        Option<string?> ifMatch = new("--if-match")
        {
            Description = "The entity tag the file must have.",
            HelpName = "TAG",
        };
        return factory.Make(
            "put",
            "Writes a local file, or standard input, into the tree.",
            [source, path, parents, noReplace, ifMatch],
            async (run, cancellationToken) =>
            {
                string file = run.Arguments.GetValue(source)!;
                string target = run.Arguments.GetValue(path)!;
                WriteOptions options = new()
                {
                    MakeParents = run.Arguments.GetValue(parents),
                    IfAbsent = run.Arguments.GetValue(noReplace),
                    IfMatch = run.Arguments.GetValue(ifMatch)?.Trim('"'),
                };
                Stream input = file == "-" ? run.Environment.OpenInput() : File.OpenRead(file);
                await using (input)
                {
                    long length = input.CanSeek ? input.Length : 0;
                    await ProgressBars.RunAsync<long, WriteOutcome>(
                        run, target,
                        async progress =>
                        {
                            Stream counted = progress is null ? input : new CountingStream(input, progress);
                            return await run.Client.WriteFileAsync(target, counted, options, cancellationToken);
                        },
                        bytes => (Show.Size(bytes), length > 0 ? (double)bytes / length : null));
                }

                if (run.Json)
                {
                    run.WriteJson(
                        await run.Client.StatAsync(target, cancellationToken: cancellationToken),
                        ProtocolJson.Default.FileStatus);
                }

                return ExitCode.Success;
            }
        );
    }

    private static Command Get(CommandFactory factory)
    {
        Argument<string> path = CommandFactory.Path();
        Argument<string> target = new("file") { Description = "The local file to write, or - for standard output." };
        return factory.Make(
            "get",
            "Copies a file out of the tree.",
            [path, target],
            async (run, cancellationToken) =>
            {
                string source = run.Arguments.GetValue(path)!;
                string file = run.Arguments.GetValue(target)!;
                FileStatus status = await run.Client.StatAsync(source, cancellationToken: cancellationToken);
                file = Directory.Exists(file) ? Path.Combine(file, TreePath.NameOf(source)) : file;
                Stream output = file == "-" ? run.Environment.OpenOutput() : File.Create(file);
                await using (output)
                {
                    await ProgressBars.RunAsync<long, long>(
                        run, source,
                        async progress =>
                            await run.Client.DownloadAsync(
                                source, output, progress: progress, cancellationToken: cancellationToken),
                        bytes => (Show.Size(bytes), status.SizeBytes > 0 ? (double)bytes / status.SizeBytes : null));
                }

                return ExitCode.Success;
            }
        );
    }

    private static Command Remove(CommandFactory factory)
    {
        Argument<string[]> paths = CommandFactory.Paths("What to remove.");
        Option<bool> recursive = CommandFactory.Flag("--recursive", "Folders with all that is in them.", "-r");
        Option<bool> force = CommandFactory.Flag("--force", "A path that is not there is no error.", "-f");
        return factory.Make(
            "rm",
            "Removes files, links and folders.",
            [paths, recursive, force],
            async (run, cancellationToken) =>
            {
                foreach (string path in run.Arguments.GetValue(paths)!)
                {
                    try
                    {
                        await run.Client.DeleteAsync(
                            path, run.Arguments.GetValue(recursive), cancellationToken: cancellationToken);
                    }
                    catch (DataLayerException e) when (e.Code == ErrorCode.NotFound && run.Arguments.GetValue(force))
                    {
                        _ = e;
                    }
                }

                return ExitCode.Success;
            }
        );
    }

    private static Command Move(CommandFactory factory)
    {
        Argument<string> from = CommandFactory.Path("from", "The path now.");
        Argument<string> to = CommandFactory.Path("to", "The path then; into it where it is a folder.");
        Option<bool> noReplace = CommandFactory.Flag("--no-replace", "Fail if the new path is taken.", "-n");
        Option<bool> exchange = CommandFactory.Flag("--exchange", "Exchange the two names.");
        return factory.Make(
            "mv",
            "Renames, as one transaction.",
            [from, to, noReplace, exchange],
            async (run, cancellationToken) =>
            {
                string source = run.Arguments.GetValue(from)!;
                string target = run.Arguments.GetValue(to)!;
                bool swaps = run.Arguments.GetValue(exchange);
                if (
                    !swaps && await run.Client.TryStatAsync(target, cancellationToken) is { Kind: FileKind.Directory }
                )
                {
                    target = TreePath.Combine(target, TreePath.NameOf(source));
                }

                RenameFlags flags = run.Arguments.GetValue(noReplace) ? RenameFlags.NoReplace : RenameFlags.None;
                await run.Client.RenameAsync(
                    source, target, swaps ? flags | RenameFlags.Exchange : flags, cancellationToken);
                return ExitCode.Success;
            }
        );
    }

    private static Command MakeDirectory(CommandFactory factory)
    {
        Argument<string[]> paths = CommandFactory.Paths("The folders.");
        Option<bool> parents = CommandFactory.Flag(
            "--parents", "Parents as well; an existing folder is no error.", "-p");
        return factory.Make(
            "mkdir",
            "Makes folders.",
            [paths, parents],
            async (run, cancellationToken) =>
            {
                foreach (string path in run.Arguments.GetValue(paths)!)
                {
                    await run.Client.MakeDirectoryAsync(
                        path, run.Arguments.GetValue(parents), cancellationToken: cancellationToken);
                }

                return ExitCode.Success;
            }
        );
    }

    private static Command Usage(CommandFactory factory)
    {
        Argument<string[]> paths = CommandFactory.OptionalPaths();
        return factory.Make(
            "du",
            "Counts files, folders, bytes, and bytes in the hot tier.",
            [paths],
            async (run, cancellationToken) =>
            {
                Table table = Show.Columns("#files", "#folders", "#size", "#hot", "path");
                foreach (string path in run.Arguments.GetValue(paths)!)
                {
                    UsageReport usage = await run.Client.Admin.GetUsageAsync(path, cancellationToken);
                    run.Write(
                        usage, ProtocolJson.Default.UsageReport,
                        u =>
                            table.Row(
                                Show.Count(u.FileCount), Show.Count(u.FolderCount), Show.Size(u.SizeBytes),
                                Show.Size(u.ResidentBytes), u.Path));
                }

                run.Write(table);

                return ExitCode.Success;
            }
        );
    }
}
