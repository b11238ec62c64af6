using DataLayer.Core.Cluster;

namespace DataLayer.Engine.Peers;

/// <summary>Who else reads the same objects now. Safe for concurrent use; answers at once, from memory.</summary>
public interface IPeerDirectory
{
    /// <summary>This node.</summary>
    PeerNode Self { get; }

    /// <summary>
    /// The nodes that are believed to be alive, with or without this one; the same list object until something changes.
    /// Who is in it may be gone: that is found out by asking.
    /// </summary>
    IReadOnlyList<PeerNode> Live { get; }
}

/// <summary>The nodes that a configuration names, always.</summary>
public sealed class NamedPeers : IPeerDirectory
{
    /// <summary>A directory of these nodes; the one with this node's id is left out.</summary>
    public NamedPeers(PeerNode self, IReadOnlyList<PeerNode> nodes)
    {
        ArgumentNullException.ThrowIfNull(self);
        ArgumentNullException.ThrowIfNull(nodes);
        Self = self;
        List<PeerNode> others = [];
        foreach (PeerNode node in nodes)
        {
            if (node.Id != self.Id)
            {
                others.Add(node);
            }
        }

        Live = others;
    }

    /// <inheritdoc/>
    public PeerNode Self { get; }

    /// <inheritdoc/>
    public IReadOnlyList<PeerNode> Live { get; }
}

/// <summary>The nodes of the tree, by what they say themselves.</summary>
/// <param name="nodes">Who lives.</param>
/// <param name="clearText">Whether nodes beyond loopback are asked over http.</param>
public sealed class TreePeers(INodeDirectory nodes, bool clearText) : IPeerDirectory
{
    private Seen _seen = new([], []);

    /// <inheritdoc/>
    public PeerNode Self => Of(nodes.Self);

    /// <inheritdoc/>
    public IReadOnlyList<PeerNode> Live
    {
        get
        {
            IReadOnlyList<ClusterNode> live = nodes.Live;
            Seen seen = Volatile.Read(ref _seen);
            if (!ReferenceEquals(seen.Nodes, live))
            {
                seen = new Seen(live, Map(live));
                Volatile.Write(ref _seen, seen);
            }

            return seen.Peers;
        }
    }

    private List<PeerNode> Map(IReadOnlyList<ClusterNode> live)
    {
        List<PeerNode> peers = [];
        foreach (ClusterNode node in live)
        {
            if (node.Id != nodes.Self.Id && node.PeerEndpoint is { } endpoint
                && (clearText || endpoint.Scheme == Uri.UriSchemeHttps || endpoint.IsLoopback))
            {
                peers.Add(Of(node));
            }
        }

        return peers;
    }

    private static PeerNode Of(ClusterNode node) => new(node.Name, node.PeerEndpoint, node.Zone) { Id = node.Id };

    private sealed record Seen(IReadOnlyList<ClusterNode> Nodes, IReadOnlyList<PeerNode> Peers);
}
