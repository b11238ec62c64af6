using DataLayer.Engine.Feeds.Serving;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>feeds</c>.</summary>
internal static class FeedsSection
{
    private const long MiB = 1 << 20;

    /// <summary>Reads the section.</summary>
    public static FeedOptions Read(SettingReader section, long budget)
    {
        FeedOptions d = new();
        FeedOptions feeds = new()
        {
            MaxFeeds = section.Count("open", d.MaxFeeds, 1, 4096, "Feeds that may be open; more are refused."),
            SlabBytes = section.SizeOrAuto(
                "slabMemory", null, MiB, MiB << 20,
                "Shared memory that the slabs of all feeds may take. 'auto': an eighth of the budget.")
                ?? Math.Max(MiB, budget / 8),
            MaxReads = section.Count("reads", d.MaxReads, 1, 1024, "Reads in flight for one feed."),
            MaxKeptFiles = section.Count(
                "openFiles", d.MaxKeptFiles, 0, 1_000_000,
                "Files that all feeds together keep open between batches. Each takes about 1 KiB."),
        };
        section.Done();
        return feeds;
    }
}
