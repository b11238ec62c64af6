using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Engine.Feeds.Prefetch;

/// <summary>How far feeds may be read ahead of.</summary>
public sealed record PrefetchOptions
{
    /// <summary>
    /// How far ahead of a feed cold samples are brought in, bytes, 0 to 1 TiB; 0 turns prefetch off. Default 256 MiB:
    /// a fraction of a second at the rates of fast origins. Never more than an eighth of the memory tier, which has to
    /// keep them until they are used.
    /// </summary>
    public long AheadBytes { get; init; } = 256L << 20;

    /// <summary>What requests in flight may hold, for all feeds, bytes, 1 MiB to 64 GiB. Default 128 MiB.</summary>
    public long MemoryBytes { get; init; } = 128L << 20;

    /// <summary>
    /// Requests in flight, for all feeds, a count, 1 to 4,096. Default 64: half of what the engine allows in all.
    /// </summary>
    public int MaxRequests { get; init; } = 64;

    /// <summary>
    /// Neighbours in one pack with no more than this between them are one request, bytes, 0 to 16 MiB. Default 256 KiB:
    /// what an origin delivers in the time of a request.
    /// </summary>
    public int GapBytes { get; init; } = 256 << 10;

    /// <summary>
    /// After how long without a move a feed stops counting, 1 second to 1 day. Default 2 minutes: longer than a
    /// checkpoint or a slow batch takes.
    /// </summary>
    public TimeSpan StallTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Checks every value.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, naming every value out of range.</exception>
    public void Validate()
    {
        List<string> errors = [];
        Range(errors, nameof(AheadBytes), AheadBytes, 0, 1L << 40);
        Range(errors, nameof(MemoryBytes), MemoryBytes, 1 << 20, 64L << 30);
        Range(errors, nameof(MaxRequests), MaxRequests, 1, 4096);
        Range(errors, nameof(GapBytes), GapBytes, 0, 16 << 20);
        Range(errors, nameof(StallTime), (long)StallTime.TotalSeconds, 1, 86_400);
        if (errors.Count > 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"Bad options of prefetch: {string.Join("; ", errors)}.");
        }
    }

    private static void Range(List<string> errors, string name, long value, long min, long max)
    {
        if (value < min || value > max)
        {
            errors.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {value} is not in {min} to {max}"));
        }
    }
}
