using System.Collections;
using DataLayer.Client;
using DataLayer.Engine.Peers;
using DataLayer.Metadata.Nodes;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>peers</c>.</summary>
internal sealed record PeersConfiguration
{
    /// <summary>This node.</summary>
    public required PeerNode Self { get; init; }

    /// <summary>The nodes that are named; this one may be among them. None where they are the tree's.</summary>
    public required IReadOnlyList<PeerNode> Nodes { get; init; }

    /// <summary>Whether they are the live nodes of the tree.</summary>
    public bool FromTree { get; init; }

    /// <summary>Whether nodes beyond loopback are asked over http.</summary>
    public bool Insecure { get; init; }

    /// <summary>Bounds.</summary>
    public required PeerOptions Options { get; init; }

    /// <summary>The token that this node shows the others; null for none.</summary>
    public string? Token { get; init; }

    /// <summary>The file with it; null for none.</summary>
    public string? TokenFile { get; init; }

    /// <summary>How this node knows the others, and what it shows them itself.</summary>
    public required ClientTlsOptions Tls { get; init; }
}

/// <summary>Reads section <c>peers</c>.</summary>
internal static class PeersSection
{
    private const long GiB = 1L << 30;
    private const string UrlRemedy = "Write https://host:port of the node's API.";

    /// <summary>Reads the section; null where it names no nodes and those of the tree are not asked.</summary>
    /// <param name="section">The section.</param>
    /// <param name="node">This node.</param>
    /// <param name="hasNodes">Whether the tree knows its nodes: it is in PostgreSQL.</param>
    /// <param name="environment">Environment variables.</param>
    public static PeersConfiguration? Read(
        SettingReader section, NodeOptions node, bool hasNodes, IDictionary environment)
    {
        PeerOptions d = new();
        bool fromTree = section.Flag(
            "fromTree", false,
            "Ask the live nodes of the tree, by their node.endpoint, instead of those in 'nodes'; with a tree in "
            + "PostgreSQL.");
        bool insecure = section.Flag(
            "insecure", false,
            "Ask nodes beyond loopback over http: whoever sees the network's traffic reads contents and the token.");
        string? secret = StoreSection.ReadSecret(
            section, "token", "the token of role 'node' for the others", environment);
        PeerOptions options = new()
        {
            SameZone = section.Choice(
                "scope", "all", "'zone': nodes of the same zone only, one origin read a zone.", "all", "zone")
                == "zone",
            MaxRequests = section.Count("requests", d.MaxRequests, 1, 1024, "Requests to one node in flight."),
            MaxBytes = section.Size(
                "bytes", d.MaxBytes, PeerRequest.MaxBytes, 16 * GiB, "What is asked of one node at once."),
            MaxServedBytes = section.Size(
                "servedBytes", d.MaxServedBytes, PeerRequest.MaxBytes, 16 * GiB,
                "What is read for other nodes at once: buffers besides the cache."),
            MinHedgeDelay = section.Duration(
                "minHedgeDelay", d.MinHedgeDelay, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1),
                "The least time a node has before the object store is asked as well."),
            MaxHedgeDelay = section.Duration(
                "maxHedgeDelay", d.MaxHedgeDelay, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1),
                "The most; in between it is twice what 95 % of the node's answers took."),
            Timeout = section.Duration(
                "timeout", d.Timeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10),
                "When a node that has begun to answer is given up."),
            FirstPause = section.Duration(
                "pause", d.FirstPause, TimeSpan.FromMilliseconds(10), TimeSpan.FromHours(1),
                "How long a node is left alone after three failures in a row, at first; doubles up to 16 times."),
        };
        ClientTlsOptions tls = ReadTls(section);
        IReadOnlyList<PeerNode> nodes = section.Items("nodes", ReadNode, () => []);
        CheckTree(section, node, fromTree, hasNodes, nodes.Count);
        PeersConfiguration? peers = nodes.Count == 0 && !fromTree
            ? null
            : new PeersConfiguration
            {
                Self = new PeerNode(node.Name, node.PeerEndpoint, node.Zone),
                Nodes = nodes,
                FromTree = fromTree,
                Insecure = insecure,
                Options = options,
                Token = secret?.StartsWith("env:", StringComparison.Ordinal) == true
                    ? environment[secret["env:".Length..]] as string : null,
                TokenFile = secret?.StartsWith("file:", StringComparison.Ordinal) == true
                    ? secret["file:".Length..] : null,
                Tls = tls,
            };
        if (peers is not null)
        {
            Check(section, peers);
        }

        section.Done();
        return peers;
    }

    private static ClientTlsOptions ReadTls(SettingReader section)
    {
        string? authority = section.Text(
            "caFile", null, "PEM file with the authorities of the nodes' certificates. Default: the system's.",
            "a path");
        string? certificate = section.Text(
            "certificateFile", null, "PEM file with the certificate that this node shows the others.", "a path");
        string? key = section.Text("keyFile", null, "PEM file with that certificate's private key.", "a path");
        string? password = section.Text("keyPasswordFile", null, "File with the key's password.", "a path");
        foreach ((string setting, string? file) in new[]
            {
                ("caFile", authority), ("certificateFile", certificate), ("keyFile", key),
                ("keyPasswordFile", password),
            })
        {
            if (file is not null && !File.Exists(file))
            {
                section.Report(setting, $"The file '{file}' is not there.", "Give a file the service can read.");
            }
        }

        if (certificate is null && (key ?? password) is not null)
        {
            section.Report("certificateFile", "There is a key and no certificate.", "Give certificateFile.");
        }

        return new ClientTlsOptions
        {
            CertificateAuthorityFile = authority is null ? null : Path.GetFullPath(authority),
            CertificateFile = certificate is null ? null : Path.GetFullPath(certificate),
            KeyFile = key is null ? null : Path.GetFullPath(key),
            KeyPasswordFile = password is null ? null : Path.GetFullPath(password),
        };
    }

    private static PeerNode ReadNode(SettingReader section)
    {
        string name = section.Text("name", "node", "The node's name: what its own node.name says.", "a name")!;
        string url = section.Text("url", "http://127.0.0.1:7070", "Where its API is.", "a URL")!;
        string? zone = section.Text("zone", null, "Its failure domain.", "a name");
        CheckName(section, name);
        bool isUrl = Uri.TryCreate(url, UriKind.Absolute, out Uri? endpoint)
            && endpoint.Scheme is "http" or "https" && endpoint.PathAndQuery == "/" && endpoint.UserInfo.Length == 0;
        if (!isUrl)
        {
            section.Report("url", $"'{url}' is not a service's URL.", UrlRemedy);
        }

        section.Done();
        return new PeerNode(name, isUrl ? endpoint : null, zone);
    }

    private static void CheckTree(
        SettingReader section, NodeOptions node, bool fromTree, bool hasNodes, int listed)
    {
        if (fromTree && !hasNodes)
        {
            section.Report(
                "fromTree", "A tree in SQLite has one node.",
                "List the nodes in 'nodes', or take metadata.kind: postgres.");
        }

        if (fromTree && listed > 0)
        {
            section.Report("nodes", "Nodes are listed, and those of the tree are asked.", "Keep one of both.");
        }

        if (fromTree && node.PeerEndpoint is null)
        {
            section.Report(
                "fromTree", "The others cannot reach this node.",
                "Give node.endpoint, as https://node1.example.org:7070.");
        }
    }

    private static void Check(SettingReader section, PeersConfiguration peers)
    {
        PoolSection.CheckUnique(section, "nodes", "name", peers.Nodes.Select(n => n.Name));
        if (peers.Options.MaxHedgeDelay < peers.Options.MinHedgeDelay)
        {
            section.Report("maxHedgeDelay", "It is under minHedgeDelay.", "Raise it, or lower the other.");
        }

        if (peers.Options.SameZone && peers.Self.Zone is null)
        {
            section.Report("scope", "The scope is the zone, and this node's is not given.", "Give node.zone.");
        }

        PeerNode[] far =
        [
            .. peers.Nodes.Where(n => n.Name != peers.Self.Name && n.Endpoint is { } e && !e.IsLoopback),
        ];
        if (!peers.Insecure && far.FirstOrDefault(n => n.Endpoint!.Scheme == Uri.UriSchemeHttp) is { } open)
        {
            section.Report(
                "nodes", $"'{open.Name}' is asked over http, beyond loopback.",
                "Give it listen.tls and write https, or write insecure: true where the network is trusted.");
        }

        if (far.Length > 0 && (peers.Token ?? peers.TokenFile ?? peers.Tls.CertificateFile) is null)
        {
            section.Report(
                "tokenFile", "Nodes beyond loopback want to know who asks, and this one has nothing to show.",
                "Make a token on each of them ('datalayer token create --role node'), or give certificateFile.");
        }
    }

    private static void CheckName(SettingReader section, string name)
    {
        if (name.Length is < 1 or > 253 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
        {
            section.Report(
                "name", $"'{name}' is not a node's name.", "Use 1 to 253 letters, digits, '-', '_' and '.'.");
        }
    }
}
