namespace DataLayer.Engine.Peers;

/// <summary>A service that reads the same objects, as another one knows it.</summary>
/// <param name="Name">What all of them call it: what is whose follows from the names alone.</param>
/// <param name="Endpoint">Where its HTTP API is, an http or https URL; null of this node itself.</param>
/// <param name="Zone">The failure domain it is in, or null where none is known.</param>
public sealed record PeerNode(string Name, Uri? Endpoint, string? Zone);
