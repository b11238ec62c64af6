using System.CommandLine;
using System.Globalization;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb pack: list, repack, unpack, index.</summary>
internal static class PackCommands
{
    /// <summary>Makes the command and those below it.</summary>
    public static Command Make(CommandFactory factory)
    {
        Option<double?> share = new("--dead-share")
        {
            Description = "From which share of dead bytes on, 0.01 to 1. Default: tiering.repackShare.",
            HelpName = "SHARE",
        };
        return CommandFactory.Group(
            "pack", "Tar objects that hold small cold files: list, repack, unpack, index.",
            [
                List(factory),
                Act(factory, "repack", "Writes packs anew of which much is dead; deletes those nobody needs.", share),
                Act(factory, "unpack", "Gives packed files objects of their own again.", null),
                Act(factory, "index", "Makes the indexes beside the packs again, each from its tar.", null),
            ]);
    }

    private static Command List(CommandFactory factory) => factory.Make(
        "list", "Lists the packs, with what of each is still needed.", [],
        async (run, cancellationToken) =>
        {
            Table table = Show.Columns("#pack", "state", "#size", "#files", "#live", "#dead", "at", "key");
            for (long? after = 0; after is { } at;)
            {
                PackPage page = await run.Client.Jobs.ListPacksAsync(at, 1000, cancellationToken);
                foreach (PackStatus pack in page.Packs)
                {
                    run.Write(pack, ProtocolJson.Default.PackStatus, p => AddRow(table, p));
                }

                after = page.Next;
            }

            run.Write(table);

            return ExitCode.Success;
        });

    private static void AddRow(Table table, PackStatus pack) => table.Row(
        pack.Id.ToString(CultureInfo.InvariantCulture), pack.State, Show.Size(pack.SizeBytes),
        Show.Count(pack.Members), Show.Count(pack.LiveMembers),
        pack.DeadShare.ToString("P0", CultureInfo.InvariantCulture), pack.Attachment ?? "-", pack.Key);

    private static Command Act(CommandFactory factory, string action, string description, Option<double?>? share)
    {
        Argument<string> path = CommandFactory.OptionalPath();
        Option<bool> detach = CommandFactory.Flag("--detach", "Print the job's number and leave it to the service.");
        return factory.Make(
            action, description, share is null ? [path, detach] : [path, share, detach],
            async (run, cancellationToken) =>
            {
                PackCommand command = new()
                {
                    Action = action,
                    Path = run.Arguments.GetValue(path)!,
                    DeadShare = share is null ? null : run.Arguments.GetValue(share),
                };
                JobStatus job = await run.Client.Jobs.PackAsync(command, cancellationToken: cancellationToken);
                if (run.Arguments.GetValue(detach))
                {
                    run.Write(job, ProtocolJson.Default.JobStatus, j => run.Out.WriteLine($"job {j.Id}"));
                    return ExitCode.Success;
                }

                return await JobCommands.FollowAsync(run, job, cancellationToken);
            });
    }
}
