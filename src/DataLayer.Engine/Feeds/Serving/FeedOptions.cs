using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>Bounds of all feeds of a service.</summary>
public sealed record FeedOptions
{
    /// <summary>Feeds open at once, a count, 1 to 4,096. Default 64.</summary>
    public int MaxFeeds { get; init; } = 64;

    /// <summary>Shared memory that all slabs may take together, bytes, 1 MiB to 1 TiB. Default 1 GiB.</summary>
    public long SlabBytes { get; init; } = 1L << 30;

    /// <summary>Reads in flight for one feed, a count, 1 to 1,024. Default 64.</summary>
    public int MaxReads { get; init; } = 64;

    /// <summary>
    /// Files that all feeds together keep open between batches, a count, 0 to 1,000,000. Default 65,536: opening a file
    /// of 3 KB costs several times its copy. Each takes about 1 KB of memory.
    /// </summary>
    public int MaxKeptFiles { get; init; } = 65_536;

    /// <summary>Checks every value.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, naming every value out of range.</exception>
    public void Validate()
    {
        List<string> errors = [];
        Range(errors, nameof(MaxFeeds), MaxFeeds, 1, 4096);
        Range(errors, nameof(SlabBytes), SlabBytes, 1 << 20, 1L << 40);
        Range(errors, nameof(MaxReads), MaxReads, 1, 1024);
        Range(errors, nameof(MaxKeptFiles), MaxKeptFiles, 0, 1_000_000);
        if (errors.Count > 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"Bad options of feeds: {string.Join("; ", errors)}.");
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
