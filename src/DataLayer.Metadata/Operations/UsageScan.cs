using System.Data.Common;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>
/// Adds up what files take in both tiers, over the inodes in order. Rows are not compared with their checksums: a
/// damaged one makes a sum wrong, not a content, and whoever reads the file finds it.
/// </summary>
internal static class UsageScan
{
    private const string SelectPage =
        """
        SELECT inode, kind, size_bytes, state, attachment_id, placement, resident_bytes, object_size, object_class,
            object_offset
        FROM inodes WHERE inode > $1 ORDER BY inode LIMIT $2
        """;

    /// <summary>One page; where it ended, or None after the last.</summary>
    public static InodeId Run(
        TreeTables tables, InodeId after, IReadOnlyDictionary<string, long> leastBytes,
        IDictionary<UsageGroup, UsageSums> sums, int limit)
    {
        // A page counts as a whole or not at all: where the connection is lost in the middle it is read again.
        Dictionary<UsageGroup, UsageSums> page = [];
        int rows = 0;
        long last = after.Value;
        using DbDataReader reader = tables.Session.Get(SelectPage).Add(after.Value).Add((long)limit).Query();
        while (reader.Read())
        {
            rows++;
            last = reader.GetInt64(0);
            if ((FileKind)reader.GetInt64(1) == FileKind.Regular)
            {
                Add(reader, leastBytes, page);
            }
        }

        foreach ((UsageGroup group, UsageSums more) in page)
        {
            sums.TryGetValue(group, out UsageSums sum);
            sums[group] = new UsageSums(
                sum.FileCount + more.FileCount,
                sum.SizeBytes + more.SizeBytes,
                sum.FileBilledBytes + more.FileBilledBytes,
                sum.HotBytes + more.HotBytes,
                sum.ObjectBytes + more.ObjectBytes,
                sum.ObjectBilledBytes + more.ObjectBilledBytes);
        }

        return rows < limit ? InodeId.None : new InodeId(last);
    }

    private static void Add(
        DbDataReader reader, IReadOnlyDictionary<string, long> leastBytes, Dictionary<UsageGroup, UsageSums> sums)
    {
        long size = reader.GetInt64(2);
        TierState state = (TierState)reader.GetInt64(3);
        string? pool = null;
        int copies = 0;
        long hot = 0;
        if (!reader.IsDBNull(5))
        {
            (pool, copies) = PlacementText.ReadPool(reader.GetString(5));
            hot = state == TierState.Hot ? size : reader.GetInt64(6);
        }

        bool hasObject = !reader.IsDBNull(7);
        string? storageClass = hasObject && !reader.IsDBNull(8) ? reader.GetString(8) : null;
        bool isPacked = hasObject && !reader.IsDBNull(9) && reader.GetInt64(9) > 0;
        long objectBytes = !hasObject ? 0 : isPacked ? size : reader.GetInt64(7);
        long least = isPacked ? 0
            : leastBytes.TryGetValue(storageClass ?? string.Empty, out long known) ? known : leastBytes[string.Empty];
        UsageGroup group = new(reader.GetInt64(4), pool, copies, state, hasObject, storageClass);
        sums.TryGetValue(group, out UsageSums sum);
        sums[group] = new UsageSums(
            sum.FileCount + 1,
            sum.SizeBytes + size,
            sum.FileBilledBytes + Math.Max(size, least),
            sum.HotBytes + hot,
            sum.ObjectBytes + objectBytes,
            sum.ObjectBilledBytes + (hasObject ? Math.Max(objectBytes, least) : 0));
    }
}
