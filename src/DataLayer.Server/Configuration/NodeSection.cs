using System.Security.Cryptography;
using System.Text;
using DataLayer.Core.Cluster;
using DataLayer.Metadata;
using DataLayer.Metadata.Nodes;
using DataLayer.Storage.Interop;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>node</c>: who this service is to the others of its tree.</summary>
internal static class NodeSection
{
    private const string NoId = "00000000000000000000000000000000";

    /// <summary>Reads the section; the node's id is in the state directory, see <see cref="Identify"/>.</summary>
    public static NodeOptions Read(SettingReader section, TreeStoreOptions tree)
    {
        NodeOptions d = new() { Id = NoId };
        NodeOptions node = new()
        {
            Id = NoId,
            Name = section.Text("name", null, "What people call the node. Default: the machine's name.", "a name")
                ?? d.Name,
            PeerEndpoint = ReadEndpoint(section),
            Zone = section.Text("zone", null, "The failure domain that the node is in; none by default.", "a name"),
            Role = section.Choice(
                "role", "writer",
                "'writer' reads and writes; a tree has one. 'reader' follows it and only reads, with a tree in "
                    + "PostgreSQL.",
                "writer", "reader") == "reader" ? NodeRole.Reader : NodeRole.Writer,
            Heartbeat = section.Duration(
                "heartbeat", d.Heartbeat, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(1),
                "How often the node says that it is alive; with a tree in PostgreSQL."),
            Expiry = section.Duration(
                "expiry", d.Expiry, TimeSpan.FromMilliseconds(300), TimeSpan.FromMinutes(10),
                "After how long without a heartbeat others take the node for dead; it changes nothing any more after "
                    + "four fifths of that."),
        };
        foreach (string error in node.FindFaults())
        {
            section.Report("name", error + ".", "Correct it.");
        }

        if (node.Role == NodeRole.Reader && tree.Postgres is null)
        {
            section.Report(
                "role", "A tree in a file is one service's.", "Write metadata.kind: postgres, or role: writer.");
        }

        section.Done();
        return node;
    }

    /// <summary>The options with the id of the node that lives in a state directory, made at its first start.</summary>
    public static NodeOptions Identify(NodeOptions options, string stateDirectory)
    {
        string path = Path.Combine(stateDirectory, "node-id");
        string id = File.Exists(path) ? File.ReadAllText(path, Encoding.ASCII).Trim() : string.Empty;
        if (id.Length == 0)
        {
            id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
            DurableFile.WriteAtomically(path, Encoding.ASCII.GetBytes(id + "\n"), replace: true);
        }

        return options with { Id = id };
    }

    private static Uri? ReadEndpoint(SettingReader section)
    {
        string? text = section.Text(
            "endpoint", null,
            "Where other nodes reach this one's HTTP API, as https://node1.example.org:7070; none by default.",
            "a URL");
        if (text is null)
        {
            return null;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? url))
        {
            section.Report("endpoint", $"'{text}' is no URL.", "Write it as https://node1.example.org:7070.");
        }

        return url;
    }
}
