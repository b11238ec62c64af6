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
    /// <summary>A directory of these nodes; the one with this node's name is left out.</summary>
    public NamedPeers(PeerNode self, IReadOnlyList<PeerNode> nodes)
    {
        ArgumentNullException.ThrowIfNull(self);
        ArgumentNullException.ThrowIfNull(nodes);
        Self = self;
        List<PeerNode> others = [];
        foreach (PeerNode node in nodes)
        {
            if (node.Name != self.Name)
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
