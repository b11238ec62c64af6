namespace DataLayer.Storage.Stripes;

/// <summary>What a scrub found.</summary>
/// <param name="CheckedChunks">Chunks of 64 KiB checked, over all copies, a count.</param>
/// <param name="RepairedChunks">Chunks repaired from the other copy, a count.</param>
/// <param name="BadRanges">Byte ranges of the content without a good copy.</param>
public sealed record ScrubResult(
    long CheckedChunks, long RepairedChunks, IReadOnlyList<(long OffsetBytes, long LengthBytes)> BadRanges);
