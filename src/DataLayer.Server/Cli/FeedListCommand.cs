using System.CommandLine;
using System.Globalization;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb feed list: the feeds that are open.</summary>
internal static class FeedListCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Make(CommandFactory factory) => factory.Make(
        "list", "Lists the feeds that are open: who reads what, and how far it is.", [],
        async (run, cancellationToken) =>
        {
            Table table = Show.Columns(
                "dataset", "client", "rank", "#cursor", "#batches", "#ahead", "#held", "#slabs", "#wait");
            foreach (FeedStatus feed in await run.Client.Datasets.ListFeedsAsync(cancellationToken))
            {
                run.Write(
                    feed, ProtocolJson.Default.FeedStatus,
                    f => table.Row(
                        f.Dataset, f.Client, string.Create(CultureInfo.InvariantCulture, $"{f.Rank} of {f.World}"),
                        Show.Count(f.Cursor), Show.Count(f.Batches), Show.Count(f.Queued), Show.Count(f.Leased),
                        Show.Size(f.SlabBytes), Show.Seconds(f.WaitSeconds)));
            }

            if (!run.Json)
            {
                run.Out.Write(table);
            }

            return ExitCode.Success;
        });
}
