using DataLayer.Core.Text;
using DataLayer.Engine.Feeds.Prefetch;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Heat;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>engine</c>.</summary>
internal static class EngineSection
{
    private const long MiB = 1L << 20;
    private const long GiB = 1L << 30;

    private const string ContendedMeaning =
        "What reads of object stores, and of the hot tier, may have in flight while several tenants read.";

    /// <summary>Reads the section.</summary>
    /// <param name="section">The section.</param>
    /// <param name="budgetBytes">The process's memory: where readahead is not set it gets a
    /// sixteenth, at most its default.</param>
    /// <param name="stateDirectory">The service's state directory.</param>
    public static FileEngineOptions Read(SettingReader section, long budgetBytes, string stateDirectory)
    {
        FileEngineOptions d = new();
        long share = Math.Clamp(budgetBytes / 16, 8 * MiB, d.ReadaheadMemoryBytes);
        FileEngineOptions engine = new()
        {
            Seed = section.Count(
                "seed", d.Seed, 0, int.MaxValue, "Seed of every random choice, so that a run can be replayed."),
            ReadaheadBytes = section.Size(
                "readahead", d.ReadaheadBytes, MiB, GiB, "How far readahead runs ahead of one reader of cold content."),
            HotReadaheadBytes = section.Size(
                "hotReadahead", d.HotReadaheadBytes, MiB, GiB, "The same for content in the hot tier."),
            ReadaheadMemoryBytes = section.SizeOrAuto(
                "readaheadMemory", null, 8 * MiB, 64 * GiB,
                "Memory all readahead may hold. 'auto': a sixteenth of the budget, at most 256MiB.") ?? share,
            MaxRequestBytes = (int)section.Size(
                "maxRequest", d.MaxRequestBytes, MiB, 64 * MiB, "The largest ranged GET; a multiple of 1 MiB."),
            SubBlockBytes = (int)section.Size(
                "subBlock", d.SubBlockBytes, 16 << 10, MiB, "Unit of a first answer to a random read; a power of two."),
            MaxRequestsPerFile = section.Count(
                "requestsPerFile", d.MaxRequestsPerFile, 1, 256, "GET requests in flight for one file."),
            MaxRequests = section.Count("requests", d.MaxRequests, 1, 4096, "GET requests in flight."),
            ContendedBytes = section.Size("contended", d.ContendedBytes, MiB, 16 * GiB, ContendedMeaning),
            RecallQueueBytes = section.SizeOrAuto(
                "recallQueue", null, 0, 16 * GiB,
                "Cold content waiting to be written to the hot tier; 0 turns that off. 'auto': as readaheadMemory, at "
                + "most 128MiB.") ?? Math.Min(share, d.RecallQueueBytes),
            GroupRecall = ReadGroupRecall(section),
            GroupRecallBytes = section.Size(
                "groupRecallBytes", d.GroupRecallBytes, MiB, 1L << 50, "What of one folder is brought in so at most."),
            RecallWriters = section.Count("recallWriters", d.RecallWriters, 1, 64, "Recall writers."),
            WriteDepth = section.Count(
                "writeDepth", d.WriteDepth, 1, 64, "Buffers one replacement may have under way."),
            MaxUploads = section.Count("uploads", d.MaxUploads, 1, 256, "Uploads in flight."),
            RoomPatience = section.Duration(
                "roomPatience", d.RoomPatience, TimeSpan.FromMilliseconds(1), TimeSpan.FromHours(1),
                "How long a write that finds the hot tier full waits for releases and uploads before it fails."),
            MaxBackoff = section.Duration(
                "maxBackoff", d.MaxBackoff, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1),
                "Longest wait after a failed upload or delete."),
            OpenReaderGrace = section.Duration(
                "openReaderGrace", d.OpenReaderGrace, TimeSpan.Zero, TimeSpan.FromHours(24),
                "How long a delete or overwrite in the bucket waits for readers of the old content."),
            ListParallelism = section.Count("lists", d.ListParallelism, 1, 64, "Parallel LIST requests of one attach."),
            UpkeepParallelism = section.Count(
                "upkeep", d.UpkeepParallelism, 1, 256, "Files warmed, scrubbed or moved at once."),
            Archive = ReadArchive(section, d.Archive),
            Prefetch = ReadPrefetch(section, d.Prefetch, share),
            CompactionInterval = section.Duration(
                "compactionInterval", d.CompactionInterval, TimeSpan.Zero, TimeSpan.FromHours(24),
                "How often mostly dead segments are looked for; 0s turns it off."),
            AttributeCacheEntries = section.Count(
                "attributeCache", d.AttributeCacheEntries, 16, 100_000_000, "Inodes whose attributes stay in memory."),
            ListingCacheEntries = section.Count(
                "listingCache", d.ListingCacheEntries, 0, 100_000_000, "Directory entries kept in listings in memory."),
            IdleContents = section.Count(
                "idleContents", d.IdleContents, 16, 10_000_000,
                "Contents whose access state outlives their last close."),
            Heat = ReadHeat(section, d.Heat),
            StateDirectory = stateDirectory,
            UnflushedBytes = section.Size(
                "unflushed", d.UnflushedBytes, 4 * MiB, GiB,
                "Room, in the state directory, for small files that mounts wrote and nobody flushed."),
            WritebackDelay = section.Duration(
                "writebackDelay", d.WritebackDelay, TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1),
                "How long what a mount wrote may wait to be flushed where nobody asks for it."),
        };
        Check(section, engine);
        section.Done();
        return engine;
    }

    private static GroupRecallOptions? ReadGroupRecall(SettingReader section) =>
        section.Flag(
            "groupRecall", false,
            "Bring in the rest of a folder once a few of its files were read cold within an hour.")
            ? new GroupRecallOptions()
            : null;

    private static HeatOptions ReadHeat(SettingReader section, HeatOptions d) => new()
    {
        HalfLife = section.Duration(
            "heatHalfLife", d.HalfLife, TimeSpan.FromMinutes(1), TimeSpan.FromDays(3650),
            "After this time half of a file's heat is gone."),
        FlushInterval = section.Duration(
            "heatFlush", d.FlushInterval, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10),
            "How often heat and access history are written: a killed service loses that much of them."),
        MaxFiles = section.Count(
            "heatFiles", d.MaxFiles, 16, 100_000_000, "Files whose heat stays in memory; the others' is on disk."),
        MaxSeries = section.Count(
            "historySeries", d.MaxSeries, 2, 100_000,
            "Folders and attachments whose access history is kept, the most of them."),
        FolderDepth = section.Count(
            "historyDepth", d.FolderDepth, 0, 16,
            "How deep folders have an access history of their own, names from the root."),
        MinuteRetention = section.Duration(
            "historyMinutes", d.MinuteRetention, TimeSpan.FromHours(1), TimeSpan.FromDays(3650),
            "How long access history is kept by the minute."),
        HourRetention = section.Duration(
            "historyHours", d.HourRetention, TimeSpan.FromDays(1), TimeSpan.FromDays(3650),
            "How long access history is kept by the hour."),
        DayRetention = section.Duration(
            "historyDays", d.DayRetention, TimeSpan.FromDays(1), TimeSpan.FromDays(36500),
            "How long access history is kept by the day."),
    };

    private static PrefetchOptions ReadPrefetch(SettingReader section, PrefetchOptions d, long share) => new()
    {
        AheadBytes = section.Size(
            "prefetch", d.AheadBytes, 0, MiB << 20,
            "How far ahead of a feed its cold samples are brought in, at most an eighth of the cache; 0 turns that "
            + "off."),
        MemoryBytes = section.SizeOrAuto(
            "prefetchMemory", null, MiB, 64 * GiB,
            "Memory that requests ahead of feeds may hold. 'auto': half of what readahead gets by 'auto'.")
            ?? share / 2,
        MaxRequests = section.Count(
            "prefetchRequests", d.MaxRequests, 1, 4096,
            "Requests in flight ahead of feeds; while readers wait for one of 'requests', one."),
        GapBytes = (int)section.Size(
            "prefetchGap", d.GapBytes, 0, 16 * MiB,
            "Samples in one pack with no more than this between them are brought in by one request."),
        StallTime = section.Duration(
            "feedStall", d.StallTime, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1),
            "After how long without a batch memory keeps nothing for a feed any more, until it goes on."),
    };

    private static void Check(SettingReader section, FileEngineOptions engine)
    {
        if (engine.MaxRequestBytes % MiB != 0)
        {
            section.Report(
                "maxRequest", $"{UnitText.FormatSize(engine.MaxRequestBytes)} is not a multiple of 1 MiB.",
                "Round it.");
        }

        if (!int.IsPow2(engine.SubBlockBytes))
        {
            section.Report(
                "subBlock", $"{UnitText.FormatSize(engine.SubBlockBytes)} is not a power of two.", "Round it.");
        }
    }

    private static ArchiveOptions ReadArchive(SettingReader section, ArchiveOptions d) =>
        new()
        {
            Reads = Enum.Parse<ArchiveReads>(
                section.Choice(
                    "archiveReads", "restore",
                    "What a read of an object in an archive (S3: GLACIER) does: ask for its restore and fail with "
                    + "EAGAIN or 503 until it is done, ask and wait, or only fail.",
                    "restore", "wait", "refuse"),
                ignoreCase: true),
            RestoreDays = section.Count(
                "restoreDays", d.RestoreDays, 1, 365, "How long a restored object stays readable, days."),
            RestoreSpeed = section.Choice(
                "restoreSpeed", d.RestoreSpeed, "How fast, and how dear, restores are.", "Standard", "Bulk",
                "Expedited"),
            WaitLimit = section.Duration(
                "restoreWait", d.WaitLimit, TimeSpan.FromSeconds(1), TimeSpan.FromDays(7),
                "How long a read waits for a restore at most."),
            LookEvery = section.Duration(
                "restoreLook", d.LookEvery, TimeSpan.FromMilliseconds(10), TimeSpan.FromHours(1),
                "How often it is looked whether a restore is done; also what Retry-After says."),
        };
}
