using System.CommandLine;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Keeper;
using DataLayer.Keeper.Mounts;
using DataLayer.Protocol.Http;
using DataLayer.Server.Mounts;

namespace DataLayer.Server.Cli;

/// <summary>Verbs mount, umount, mount status.</summary>
internal static class MountCommands
{
    /// <summary>Makes the commands.</summary>
    public static IEnumerable<Command> Make(CommandFactory factory) => [Mount(factory), Unmount(factory)];

    private static Command Mount(CommandFactory factory)
    {
        MountArguments given = new();
        return factory.Make(
            "mount",
            "Mounts a folder of the tree, and keeps the mount while services come and go. Ctrl-C unmounts.",
            [.. given.Symbols, MountStatusCommand.Make(factory)],
            (run, cancellationToken) => GuardAsync(run, async () =>
            {
                MountKeeperOptions options = given.ToOptions(run);
                string log = given.LogFile(run);
                options = options with { StateFolder = await FindServiceAsync(run, options, cancellationToken) };
                if (given.IsDaemon(run))
                {
                    return await MountDaemon.StartAsync(run, options, log, cancellationToken);
                }

                using MountLog lines = MountLog.Open(log, run.Environment);
                return await KeepAsync(run, options, lines, given.IsDetached(run), cancellationToken);
            }));
    }

    /// <summary>The state folder of the running service, which must hold the path and take keepers.</summary>
    private static async Task<string> FindServiceAsync(
        CommandRun run, MountKeeperOptions options, CancellationToken cancellationToken)
    {
        MountList list = await run.Client.Admin.ListMountsAsync(cancellationToken);
        if (list.Unavailable is { } why)
        {
            throw new DataLayerException(ErrorCode.ShuttingDown, $"The service takes no mounts now: {why}");
        }

        if (!Directory.Exists(list.StateFolder))
        {
            throw new DataLayerException(
                ErrorCode.NotFound,
                $"The service's state folder '{list.StateFolder}' cannot be reached here. Mount on the service's "
                + "machine, as its user or as root; a container needs the folder at the same path.");
        }

        FileStatus status = await run.Client.StatAsync(
            options.TreePath, followLast: true, cancellationToken: cancellationToken);
        return status.Kind == FileKind.Directory
            ? list.StateFolder
            : throw new DataLayerException(
                ErrorCode.NotADirectory,
                $"'{options.TreePath}' is not a folder of the tree: only folders are mounted.");
    }

    private static async Task<int> KeepAsync(
        CommandRun run, MountKeeperOptions options, MountLog log, bool detached, CancellationToken cancellationToken)
    {
        if (detached)
        {
            KeeperProcess.LeaveSession();
        }

        KeeperProcess.StaySmall();
        await using MountKeeper keeper = await MountKeeper.StartAsync(
            options, log, run.Environment.Time, cancellationToken);
        run.Environment.Out.WriteLine($"mounted {options.TreePath} at {keeper.MountPoint}");
        run.Environment.Out.Flush();
        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task asked = Task.Delay(Timeout.InfiniteTimeSpan, run.Environment.Time, ended.Token);
        if (await Task.WhenAny(keeper.Ended, asked) == asked)
        {
            await UnmountOrDetachAsync(keeper, log);
        }

        await ended.CancelAsync();
        return await keeper.Ended == KeeperEnd.Unmounted ? ExitCode.Success : ExitCode.Unreachable;
    }

    /// <summary>At Ctrl-C: whoever still uses the mount goes on until done; a second Ctrl-C ends that too.</summary>
    private static async Task UnmountOrDetachAsync(MountKeeper keeper, MountLog log)
    {
        try
        {
            await keeper.UnmountAsync(UnmountMode.Normal, CancellationToken.None);
        }
        catch (DataLayerException e) when (e.Code is ErrorCode.Overloaded or ErrorCode.TimedOut)
        {
            log.Say($"{e.Message} It is detached now and goes with its last user; Ctrl-C again ends it at once.");
            await keeper.UnmountAsync(UnmountMode.Lazy, CancellationToken.None);
        }
    }

    private static Command Unmount(CommandFactory factory)
    {
        Argument<string> at = new("dir") { Description = "Where it is mounted." };
        Option<bool> lazy = CommandFactory.Flag(
            "--lazy", "Takes the name away at once; who uses the mount goes on until done.", "-l");
        Option<bool> force = CommandFactory.Flag(
            "--force", "Ends it at once: who uses it gets ENOTCONN; what the service has not taken is lost.", "-f");
        return factory.Make(
            "umount", "Unmounts. Works also where keeper or service are gone.", [at, lazy, force],
            (run, cancellationToken) => GuardAsync(run, async () =>
            {
                UnmountMode mode = run.Arguments.GetValue(force) ? UnmountMode.Force
                    : run.Arguments.GetValue(lazy) ? UnmountMode.Lazy
                    : UnmountMode.Normal;
                TimeProvider time = run.Environment.Time;
                MountEntry entry = await Unmounting.FindAsync(run.Arguments.GetValue(at)!, time, cancellationToken);
                await Unmounting.RunAsync(entry, mode, time, cancellationToken);
                return ExitCode.Success;
            }));
    }

    /// <summary>
    /// The faults of mounting name their own remedy: the general one of their code, which is about the API, is left
    /// out. A mount in use is a conflict, not a service out of reach.
    /// </summary>
    private static async Task<int> GuardAsync(CommandRun run, Func<Task<int>> action)
    {
        try
        {
            return await action();
        }
        catch (DataLayerException e) when (!run.Json && !ExitCode.IsServiceUnreachable(e))
        {
            run.Environment.Error.WriteLine($"datalayer: {e.Message}");
            return e.Code == ErrorCode.Overloaded ? ExitCode.Conflict : ExitCode.From(e);
        }
    }
}
