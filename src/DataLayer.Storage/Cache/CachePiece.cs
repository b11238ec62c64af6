namespace DataLayer.Storage.Cache;

/// <summary>A piece of a block that is wanted, and where to.</summary>
/// <param name="OffsetInBlock">Where in the block it starts, bytes, from 0.</param>
/// <param name="LengthBytes">How long it is.</param>
/// <param name="DestinationOffset">Where in the destination it goes.</param>
public readonly record struct CachePiece(int OffsetInBlock, int LengthBytes, int DestinationOffset);
