using System.CommandLine;
using System.Globalization;
using DataLayer.Protocol.Http;
using Spectre.Console;

namespace DataLayer.Server.Cli;

/// <summary>Verb locality.</summary>
internal static class LocalityCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Make(CommandFactory factory)
    {
        Argument<string> path = new("path") { Description = "A folder, or one file." };
        Option<int> files = new("--files")
        {
            Description = "How many files each node looks at. Default: 100000.",
            DefaultValueFactory = _ => 100_000,
            HelpName = "N",
        };
        Option<bool> affinity = new("--affinity")
        {
            Description = "Print a node affinity for a Kubernetes pod that prefers the nodes where most of it is near.",
        };
        return factory.Make(
            "locality", "How much of a folder each node has in memory and hot tier.", [path, files, affinity],
            async (run, cancellationToken) =>
            {
                LocalityReport report = await run.Client.Admin.GetLocalityAsync(
                    run.Arguments.GetValue(path)!, run.Arguments.GetValue(files), cancellationToken);
                if (run.Arguments.GetValue(affinity))
                {
                    run.Environment.Out.Write(AffinityOf(report));
                    return ExitCode.Success;
                }

                Table table = Show.Columns("node", "zone", "#near", "#memory", "#hot", "#of", "#files", "note");
                foreach (NodeLocality one in report.Nodes)
                {
                    run.Write(one, ProtocolJson.Default.NodeLocality, n => AddRow(table, n));
                }

                run.Write(table);
                return ExitCode.Success;
            });
    }

    /// <summary>
    /// The affinity of a pod: a preference for each node that has a hundredth or more, as strong as its share.
    /// </summary>
    internal static string AffinityOf(LocalityReport report)
    {
        NodeLocality[] near =
        [
            .. report.Nodes.Where(n => WeightOf(n) > 0).OrderByDescending(n => n.Share)
                .ThenBy(n => n.Node, StringComparer.Ordinal),
        ];
        if (near.Length == 0)
        {
            return $"# no node has any of {report.Path} near\naffinity: {{}}\n";
        }

        System.Text.StringBuilder text = new();
        text.Append("affinity:\n  nodeAffinity:\n    preferredDuringSchedulingIgnoredDuringExecution:\n");
        foreach (NodeLocality one in near)
        {
            text.Append(CultureInfo.InvariantCulture, $"      - weight: {WeightOf(one)}\n");
            text.Append("        preference:\n          matchExpressions:\n");
            text.Append("            - {key: kubernetes.io/hostname, operator: In, values: [\"")
                .Append(one.Node).Append("\"]}\n");
        }

        return text.ToString();
    }

    private static int WeightOf(NodeLocality node) => (int)Math.Round(node.Share * 100);

    private static void AddRow(Table table, NodeLocality n)
    {
        if (n.Failure is { } failure)
        {
            table.Row(n.Node, n.Zone ?? "-", "?", "?", "?", "?", "?", failure);
            return;
        }

        table.Row(
            n.Node, n.Zone ?? "-", n.Share.ToString("P1", CultureInfo.InvariantCulture), Show.Size(n.MemoryBytes),
            Show.Size(n.HotBytes), Show.Size(n.SizeBytes), Show.Count(n.Files),
            (n.IsSelf, n.IsWhole) switch
            {
                (true, true) => "asked",
                (true, false) => "asked; the first files only",
                (false, false) => "the first files only",
                _ => string.Empty,
            });
    }
}
