using System.CommandLine;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Metadata;
using DataLayer.Metadata.Transfer;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Cli;

/// <summary>Verb metadata: migrate, dump, load. They work on the databases themselves, while no service runs.</summary>
internal static class MetadataCommands
{
    /// <summary>Makes the commands.</summary>
    public static Command Make(CommandFactory factory) => CommandFactory.Group(
        "metadata", "The tree's database: migrate, dump, load.",
        [MakeMigrate(factory), MakeDump(factory), MakeLoad(factory)]);

    private static Command MakeMigrate(CommandFactory factory)
    {
        Option<string> from = Required("--from", "The configuration whose tree is copied.");
        Option<string> to = Required("--to", "The configuration whose empty database it is copied to.");
        return factory.Make(
            "migrate", "Copies the tree to the empty database of another configuration, and compares.", [from, to],
            async (run, cancellationToken) =>
            {
                ServerConfiguration source = ConfigCommands.Load(run.Arguments.GetValue(from), run.Environment);
                ServerConfiguration target = ConfigCommands.Load(run.Arguments.GetValue(to), run.Environment);
                using StateLock first = StateLock.Acquire(source.StateDirectory);
                using StateLock? second = target.StateDirectory == source.StateDirectory
                    ? null : StateLock.Acquire(target.StateDirectory);
                IReadOnlyList<TableTransfer> done = await TreeTransfer.MigrateAsync(
                    source.Tree, target.Tree, run.Environment.Time, table => Tell(run, table), cancellationToken);
                return await FinishAsync(run, target.Tree, done, cancellationToken);
            });
    }

    private static Command MakeDump(CommandFactory factory)
    {
        Argument<string> file = new("file") { Description = "The file to write; - is standard output." };
        Option<string?> config = ConfigCommands.FileOption();
        return factory.Make(
            "dump", "Writes the tree to a file.", [file, config],
            async (run, cancellationToken) =>
            {
                ServerConfiguration source = ConfigCommands.Load(run.Arguments.GetValue(config), run.Environment);
                string path = run.Arguments.GetValue(file)!;
                using StateLock held = StateLock.Acquire(source.StateDirectory);
                IReadOnlyList<TableTransfer> done = path == "-"
                    ? await DumpAsync(run, source.Tree, null, cancellationToken)
                    : await DumpFileAsync(run, source.Tree, path, cancellationToken);
                if (path != "-")
                {
                    Sum(run, done, []);
                }

                return ExitCode.Success;
            });
    }

    private static Command MakeLoad(CommandFactory factory)
    {
        Argument<string> file = new("file") { Description = "The dump; - is standard input." };
        Option<string?> config = ConfigCommands.FileOption();
        return factory.Make(
            "load", "Reads a dump into an empty database, and compares.", [file, config],
            async (run, cancellationToken) =>
            {
                ServerConfiguration target = ConfigCommands.Load(run.Arguments.GetValue(config), run.Environment);
                string path = run.Arguments.GetValue(file)!;
                using StateLock held = StateLock.Acquire(target.StateDirectory);
                await using Stream stream = path == "-" ? Console.OpenStandardInput() : Open(path);
                await using BufferedStream buffered = new(stream, 1 << 20);
                IReadOnlyList<TableTransfer> done = await TreeTransfer.LoadAsync(
                    buffered, target.Tree, run.Environment.Time, table => Tell(run, table), cancellationToken);
                return await FinishAsync(run, target.Tree, done, cancellationToken);
            });
    }

    private static async Task<int> FinishAsync(
        CommandRun run, TreeStoreOptions tree, IReadOnlyList<TableTransfer> done, CancellationToken cancellationToken)
    {
        IReadOnlyList<TreeProblem> problems = await TreeTransfer.CheckAsync(
            tree, run.Environment.Time, cancellationToken);
        Sum(run, done, problems);
        return problems.Count == 0 ? ExitCode.Success : ExitCode.Damaged;
    }

    private static async Task<IReadOnlyList<TableTransfer>> DumpFileAsync(
        CommandRun run, TreeStoreOptions tree, string path, CancellationToken cancellationToken)
    {
        if (File.Exists(path))
        {
            throw new DataLayerException(
                ErrorCode.AlreadyExists, $"The file '{path}' is there already. Remove it, or give another name.");
        }

        try
        {
            return await DumpAsync(run, tree, path, cancellationToken);
        }
        catch
        {
            // What a failed dump left is none.
            File.Delete(path);
            throw;
        }
    }

    private static async Task<IReadOnlyList<TableTransfer>> DumpAsync(
        CommandRun run, TreeStoreOptions tree, string? path, CancellationToken cancellationToken)
    {
        try
        {
            await using Stream stream = path is null ? Console.OpenStandardOutput() : new FileStream(
                path, new FileStreamOptions
                {
                    Mode = FileMode.CreateNew,
                    Access = FileAccess.Write,
                    UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                });
            await using BufferedStream buffered = new(stream, 1 << 20);
            return await TreeTransfer.DumpAsync(
                tree, buffered, run.Environment.Time, path is null ? null : table => Tell(run, table),
                cancellationToken);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                ErrorCode.TargetFailed, $"The dump '{path ?? "-"}' cannot be written: {error.Message}", error);
        }
    }

    private static FileStream Open(string path)
    {
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                ErrorCode.NotFound, $"The dump '{path}' cannot be read: {error.Message}", error);
        }
    }

    private static void Tell(CommandRun run, TableTransfer table)
    {
        if (!run.Json && table.RowCount > 0)
        {
            run.Environment.Out.WriteLine($"{table.Table}: {Show.Count(table.RowCount)} rows");
        }
    }

    private static void Sum(
        CommandRun run, IReadOnlyList<TableTransfer> done, IReadOnlyList<TreeProblem> problems)
    {
        if (run.Json)
        {
            JsonArray tables = [.. done.Select(t => (JsonNode)new JsonObject
            {
                ["table"] = t.Table,
                ["rows"] = t.RowCount,
                ["sha256"] = t.Sha256,
            })];
            JsonArray found = [.. problems.Select(p => (JsonNode)$"{p.Kind} {p.Inode}: {p.Message}")];
            run.Environment.Out.WriteLine(new JsonObject { ["tables"] = tables, ["problems"] = found }.ToJsonString());
            return;
        }

        foreach (TreeProblem problem in problems)
        {
            run.Environment.Out.WriteLine($"{problem.Kind} {problem.Inode}: {problem.Message}");
        }

        run.Environment.Out.WriteLine(
            $"{Show.Count(done.Sum(t => t.RowCount))} rows in {done.Count} tables; "
                + (problems.Count == 0 ? "sound." : $"{problems.Count} problems: run 'datalayer fsck --repair'."));
    }

    private static Option<string> Required(string name, string description) =>
        new(name) { Description = description, HelpName = "FILE", Required = true };
}
