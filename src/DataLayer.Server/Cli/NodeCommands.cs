using System.CommandLine;
using System.Globalization;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb node: list.</summary>
internal static class NodeCommands
{
    /// <summary>Makes the command and those below it.</summary>
    public static Command Make(CommandFactory factory) =>
        CommandFactory.Group("node", "The services of one tree.", [List(factory)]);

    private static Command List(CommandFactory factory) =>
        factory.Make(
            "list", "Lists the nodes that use the tree or did within the last day.", [],
            async (run, cancellationToken) =>
            {
                Table table = Show.Columns(
                    "name", "role", "live", "#heartbeat", "zone", "endpoint", "#epoch", "id", string.Empty);
                foreach (NodeReport node in await run.Client.Admin.ListNodesAsync(cancellationToken))
                {
                    run.Write(node, ProtocolJson.Default.NodeReport, n => AddRow(table, n));
                }

                run.Write(table);
                return ExitCode.Success;
            });

    private static void AddRow(Table table, NodeReport n) => table.Row(
        n.Name, n.Role, n.Live ? "yes" : "no",
        n.HeartbeatAgeSeconds.ToString("N1", CultureInfo.InvariantCulture) + " s", n.Zone ?? "-", n.Endpoint ?? "-",
        n.Epoch.ToString(CultureInfo.InvariantCulture), n.Id, n.Self ? "this one" : string.Empty);
}
