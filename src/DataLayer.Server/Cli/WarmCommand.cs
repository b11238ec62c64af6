using System.CommandLine;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>
/// Verb warm. One path without further options is done while the command waits, as it always was; all else is a job of
/// the service, which the command follows.
/// </summary>
internal static class WarmCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Make(CommandFactory factory)
    {
        Argument<string[]> paths = new("path")
        {
            Description = "Paths in the tree, from '/'.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        paths.Validators.Add(result =>
        {
            foreach (System.CommandLine.Parsing.Token token in result.Tokens.Where(t => !t.Value.StartsWith('/')))
            {
                result.AddError($"'{token.Value}' is neither a path from '/' nor an option of this command.");
            }
        });
        Option<bool> memory = CommandFactory.Flag("--memory", "Fill the memory tier as well.");
        Option<bool> check = CommandFactory.Flag("--check", "Only look whether all is there; 1 where it is not.");
        Option<bool> evict = CommandFactory.Flag("--evict", "Drop from memory and the hot tier what objects hold.");
        Option<bool> noVerify = CommandFactory.Flag("--no-verify", "Do not compare with checksums at the end.");
        Option<bool> detach = CommandFactory.Flag("--detach", "Print the job's number and leave it to the service.");
        Option<string?> list = new("--list")
        {
            Description =
                "A file with one path a line, or JSON with path, size and etag (a manifest); '-' is standard input.",
            HelpName = "FILE",
        };
        Option<string?> profile = new("--profile")
        {
            Description = "A kept profile instead of paths: exactly what was read, in its order.",
            HelpName = "NAME",
        };
        Option<bool> learned = CommandFactory.Flag(
            "--learned", "Of the paths, only what their last uses read and what was written since.");
        return factory.Make(
            "warm", "Brings everything below paths into the hot tier, verified.",
            [paths, memory, check, evict, list, profile, learned, noVerify, detach],
            (run, cancellationToken) => RunAsync(
                run,
                new WarmJobCommand
                {
                    Paths = run.Arguments.GetValue(paths)!,
                    Profile = run.Arguments.GetValue(profile),
                    Learned = run.Arguments.GetValue(learned),
                    Mode = ModeOf(run.Arguments.GetValue(check), run.Arguments.GetValue(evict)),
                    IntoMemory = run.Arguments.GetValue(memory),
                    Verify = !run.Arguments.GetValue(noVerify),
                },
                run.Arguments.GetValue(list), run.Arguments.GetValue(detach), cancellationToken));
    }

    private static string ModeOf(bool checks, bool evicts) => (checks, evicts) switch
    {
        (true, true) => throw new DataLayerException(
            ErrorCode.InvalidArgument, "Give at most one of --check and --evict."),
        (true, _) => "check",
        (_, true) => "evict",
        _ => "warm",
    };

    private static async Task<int> RunAsync(
        CommandRun run, WarmJobCommand command, string? list, bool detach, CancellationToken cancellationToken)
    {
        bool hasPaths = command.Paths.Count > 0;
        int sources = (hasPaths ? 1 : 0) + (list is null ? 0 : 1) + (command.Profile is null ? 0 : 1);
        if (sources != 1 || (command.Learned && !hasPaths))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                "Give paths, --list or --profile, and only one of them; --learned goes with paths.");
        }

        bool isPlain = command.Paths.Count == 1 && command is { Learned: false, Mode: "warm", Verify: true } && !detach;
        if (isPlain)
        {
            return await WarmNowAsync(run, command.Paths[0], command.IntoMemory, cancellationToken);
        }

        JobStatus job = list is null
            ? await run.Client.Jobs.WarmAsync(command, cancellationToken: cancellationToken)
            : await run.Client.Jobs.WarmListAsync(
                await ReadAsync(run, list, cancellationToken), command.Mode, command.IntoMemory, command.Verify,
                cancellationToken: cancellationToken);
        if (detach)
        {
            run.Write(job, ProtocolJson.Default.JobStatus, j => run.Out.WriteLine($"job {j.Id}"));
            return ExitCode.Success;
        }

        return await FollowOrCancelAsync(run, job, cancellationToken);
    }

    private static async Task<int> FollowOrCancelAsync(
        CommandRun run, JobStatus job, CancellationToken cancellationToken)
    {
        try
        {
            return await JobCommands.FollowAsync(run, job, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            await run.Client.Jobs.CancelAsync(job.Id, CancellationToken.None);
            throw;
        }
    }

    private static async Task<ReadOnlyMemory<byte>> ReadAsync(
        CommandRun run, string file, CancellationToken cancellationToken)
    {
        if (file != "-")
        {
            return await File.ReadAllBytesAsync(file, cancellationToken);
        }

        await using Stream input = run.Environment.OpenInput();
        using MemoryStream all = new();
        await input.CopyToAsync(all, cancellationToken);
        return all.ToArray();
    }

    private static async Task<int> WarmNowAsync(
        CommandRun run, string folder, bool memory, CancellationToken cancellationToken)
    {
        WarmReport report = await ProgressBars.RunAsync<WarmReport, WarmReport>(
            run, $"warming {folder}",
            async bar => await run.Client.Admin.WarmAsync(folder, memory, bar, cancellationToken),
            r =>
                (
                    $"{Show.Count(r.FilesDone)} of {Show.Count(r.Files)} files, {Show.Size(r.BytesDone)}",
                    r.Bytes > 0 ? (double)r.BytesDone / r.Bytes : null));
        run.Write(
            report, ProtocolJson.Default.WarmReport,
            r =>
                run.Out.WriteLine(
                    $"{Show.Count(r.FilesDone)} of {Show.Count(r.Files)} files resident, "
                        + $"{Show.Size(r.BytesDone)} of {Show.Size(r.Bytes)}; "
                        + $"{Show.Count(r.AlreadyHot)} were before, {Show.Count(r.Failed)} failed"
                        + (r.FirstError is null ? string.Empty : $": {r.FirstError}")));
        return report.Failed == 0 ? ExitCode.Success : ExitCode.Failure;
    }
}
