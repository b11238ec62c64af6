using System.CommandLine;
using DataLayer.Core.Errors;
using DataLayer.Keeper.Mounts;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb mount status: the mounts of this machine, and which way each takes and why.</summary>
internal static class MountStatusCommand
{
    private const string FileSystemType = "fuse.datalayer";

    /// <summary>Makes the command.</summary>
    public static Command Make(CommandFactory factory) => factory.Make(
        "status", "Lists the mounts, which way each kind of access takes on them, and why.", [],
        async (run, cancellationToken) =>
        {
            IReadOnlyList<MountEntry> entries = [.. MountTable.Read().Where(e => e.FileSystemType == FileSystemType)];
            MountList? list = null;
            try
            {
                list = await run.Client.Admin.ListMountsAsync(cancellationToken);
            }
            catch (DataLayerException e) when (ExitCode.IsServiceUnreachable(e) && entries.Count > 0)
            {
                run.Environment.Error.WriteLine($"datalayer: no service answers at {run.Server}");
            }

            foreach (MountStatus status in Merge(entries, list?.Mounts ?? [], MountRecord.IsAlive))
            {
                run.Write(status, ProtocolJson.Default.MountStatus, s => ShowOne(run.Out, s));
            }

            return ExitCode.Success;
        });

    /// <summary>What the kernel's table and the service say, put together by the mounts' ids.</summary>
    internal static IReadOnlyList<MountStatus> Merge(
        IReadOnlyList<MountEntry> entries, IReadOnlyList<MountReport> reports, Func<string, bool> isAlive)
    {
        Dictionary<string, MountReport> served = reports.ToDictionary(r => r.MountId, StringComparer.Ordinal);
        List<MountStatus> all = [];
        foreach (MountEntry entry in entries)
        {
            bool isServed = served.Remove(Path.GetFileName(entry.Source), out MountReport? report);
            all.Add(new MountStatus
            {
                MountPoint = entry.MountPoint,
                TreePath = report?.TreePath ?? MountRecord.TryRead(entry.Source)?.TreePath,
                State = isServed ? MountState.Served : isAlive(entry.Source) ? MountState.Waiting : MountState.Dead,
                Report = report,
            });
        }

        all.AddRange(served.Values.Select(report => new MountStatus
        {
            MountPoint = report.MountPoint,
            TreePath = report.TreePath,
            State = MountState.Elsewhere,
            Report = report,
        }));
        return all;
    }

    private static void ShowOne(IAnsiConsole console, MountStatus status)
    {
        MountReport? report = status.Report;
        List<(string, string?)> lines =
        [
            ("mount", status.MountPoint),
            ("path", status.TreePath),
            ("state", status.State switch
            {
                MountState.Served => report is null ? "served" : $"served for {Show.Seconds(report.ServedSeconds)}",
                MountState.Waiting => "waiting for its service: start it with 'datalayer serve'",
                MountState.Dead => "dead: detach it with 'datalayer umount --lazy', and mount again",
                _ => "served, but not in this machine's table of mounts",
            }),
        ];
        if (report is not null)
        {
            string profile = report.Profile.ToString().ToLowerInvariant();
            lines.Add(("profile", report.ReadOnly ? profile + ", read-only" : profile));
            lines.Add(("protocol", report.Protocol));
            lines.Add(("keeper", $"process {report.KeeperProcessId}; takeovers {Show.Count(report.TakeoverCount)}"));
            lines.Add(("read", $"{Show.Size(report.ReadBytes)}; written {Show.Size(report.WrittenBytes)}"));
            lines.Add(("requests", $"{Show.Count(report.Requests.Values.Sum())}; {report.InFlight} in flight"));
            lines.AddRange(report.Paths.Select(p => (p.Access, (string?)$"{p.Path} ({p.Why})")));
        }

        Show.Properties(console, lines);
        console.WriteLine();
    }
}
