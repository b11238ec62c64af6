using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// Whole blocks of a content, just read from its object, that the hot tier should have. What the cache took is read
/// back from it when its turn comes, so that waiting costs no memory; of the rest the transfer is held.
/// </summary>
internal sealed class RecallItem(BlockFetch fetch, bool inCache)
{
    public ContentState Content { get; } = fetch.Content;

    public long OffsetBytes { get; } = fetch.OffsetBytes;

    public int LengthBytes { get; } = fetch.LengthBytes;

    public long EndBytes => OffsetBytes + LengthBytes;

    /// <summary>The content's write epoch when the blocks were read.</summary>
    public long Epoch { get; } = fetch.Epoch;

    /// <summary>The transfer that holds the bytes, with a reference; null if the cache has them.</summary>
    public BlockFetch? Held { get; } = inCache ? null : fetch;
}
