namespace DataLayer.Engine.Peers;

/// <summary>A service that reads the same objects, as another one knows it.</summary>
/// <param name="Name">What people call it.</param>
/// <param name="Endpoint">Where its HTTP API is, an http or https URL; null of this node itself.</param>
/// <param name="Zone">The failure domain it is in, or null where none is known.</param>
public sealed record PeerNode(string Name, Uri? Endpoint, string? Zone)
{
    /// <summary>
    /// What all of them know it by: what is whose follows from these alone. Default: the name.
    /// </summary>
    public string Id { get; init; } = Name;
}
