using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Planning;

namespace DataLayer.Tests.Tiering.Planning;

/// <summary>Round prices to compute with by hand, and files to price.</summary>
internal static class PriceFixture
{
    public const long KiB = 1L << 10;
    public const long MiB = 1L << 20;
    public const long GiB = 1L << 30;

    public static DateTimeOffset Now { get; } = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Hot 0.10; STANDARD 0.02; IA 0.01 (30 days, 128 KiB, 0.01/GiB back); ARCHIVE 0.001 (90 days, restore).</summary>
    public static PriceTable Table { get; } = new("round", [
        new StorageClassPrice { Name = "STANDARD", PerGibMonth = 0.02, PutPer1000 = 5, GetPer1000 = 0.5 },
        new StorageClassPrice
        {
            Name = "IA", PerGibMonth = 0.01, MinDays = 30, MinObjectBytes = 128 * KiB, PutPer1000 = 10, GetPer1000 = 1,
            RetrievalPerGib = 0.01,
        },
        new StorageClassPrice
        {
            Name = "ARCHIVE", PerGibMonth = 0.001, MinDays = 90, IndexBytes = 32 * KiB, NameBytes = 8 * KiB, PutPer1000 = 50,
            GetPer1000 = 0.5, RetrievalPerGib = 0.02, RestorePer1000 = 100, RestoreTime = TimeSpan.FromHours(12),
        },
    ])
    {
        HotPerGibMonth = 0.10,
        HotPerGibMonthByPool = new Dictionary<string, double>(StringComparer.Ordinal) { ["nvme"] = 0.20 },
        EgressPerGib = 0.05,
    };

    public static TierPricing Pricing { get; } = new(Table, new TransferShape());

    public static StorageClassPrice Class(string name) => Table.Find(name)!;

    /// <summary>A hot file of 1 GiB under an attachment, without an object.</summary>
    public static FileFacts HotFile(string path = "/a/file", long bytes = GiB) => new()
    {
        Inode = new InodeId(7),
        Version = 3,
        Path = path,
        SizeBytes = bytes,
        HotBytes = bytes,
        CopyCount = 1,
        ModifiedAt = Now.AddDays(-100),
        AccessedAt = Now.AddDays(-50),
        State = TierState.Hot,
        Pool = "default",
        AttachmentId = 1,
    };

    /// <summary>The same with only an object.</summary>
    public static FileFacts ColdFile(string path = "/a/file", long bytes = GiB, string storageClass = "STANDARD", double storedDays = 365) =>
        HotFile(path, bytes) with
        {
            HotBytes = 0,
            CopyCount = 0,
            State = TierState.Released,
            HasObject = true,
            StorageClass = storageClass,
            StoredAt = Now.AddDays(-storedDays),
        };

    public static PlacementDecision Decision(PlacementTier? place, string? storageClass = null, int rule = 0) =>
        new() { RuleIndex = rule, RuleName = $"rule {rule}", Place = place, StorageClass = storageClass };
}
