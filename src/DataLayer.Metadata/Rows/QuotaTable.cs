using System.Data.Common;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The statements on <c>quotas</c>.</summary>
internal sealed class QuotaTable(SqlSession session)
{
    private const string SelectAll =
        "SELECT folder, parent, limit_bytes, limit_inodes, used_bytes, used_inodes, crc FROM quotas";

    private const string Upsert =
        """
        INSERT INTO quotas (folder, parent, limit_bytes, limit_inodes, used_bytes, used_inodes, crc)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (folder) DO UPDATE SET parent = excluded.parent, limit_bytes = excluded.limit_bytes,
            limit_inodes = excluded.limit_inodes, used_bytes = excluded.used_bytes,
            used_inodes = excluded.used_inodes, crc = excluded.crc
        """;

    private const string SelectUse =
        """
        SELECT quota_folder, COUNT(*), SUM(size_bytes) FROM inodes WHERE quota_folder <> 0 GROUP BY quota_folder
        """;

    private const string SelectMarked = "SELECT inode FROM xattrs WHERE name = $1 ORDER BY inode";

    /// <summary>All rows.</summary>
    public Dictionary<long, QuotaRow> List()
    {
        Dictionary<long, QuotaRow> rows = [];
        using DbDataReader reader = session.Get(SelectAll).Query();
        while (reader.Read())
        {
            QuotaRow row = Read(reader);
            rows.Add(row.Folder, row);
        }

        return rows;
    }

    /// <summary>Adds a row or writes it back.</summary>
    public void Save(QuotaRow row) => session.Get(Upsert).Add(row.Folder).Add(row.Parent).Add(row.LimitBytes)
        .Add(row.LimitInodes).Add(row.UsedBytes).Add(row.UsedInodes).Add((long)row.ComputeCrc()).Execute();

    /// <summary>Removes a row.</summary>
    public void Remove(long folder) => session.Get("DELETE FROM quotas WHERE folder = $1").Add(folder).Execute();

    /// <summary>Removes all rows.</summary>
    public void Clear() => session.Get("DELETE FROM quotas").Execute();

    /// <summary>
    /// Counts what says it counts in each folder's quota, with those that lie in it, by one look at every inode.
    /// </summary>
    public Dictionary<long, (long Inodes, long Bytes)> CountUse(IReadOnlyDictionary<long, QuotaRow> rows)
    {
        Dictionary<long, (long Inodes, long Bytes)> use = [];
        using DbDataReader reader = session.Get(SelectUse).Query();
        while (reader.Read())
        {
            long folder = reader.GetInt64(0);
            for (int depth = 0; folder != 0 && depth <= rows.Count; depth++)
            {
                (long inodes, long bytes) = use.GetValueOrDefault(folder);
                use[folder] = (inodes + reader.GetInt64(1), bytes + reader.GetInt64(2));
                folder = rows.TryGetValue(folder, out QuotaRow? row) ? row.Parent : 0;
            }
        }

        return use;
    }

    /// <summary>The inodes that have an extended attribute of a name.</summary>
    public List<long> ListMarked(string xattr)
    {
        List<long> inodes = [];
        using DbDataReader reader = session.Get(SelectMarked).Add(xattr).Query();
        while (reader.Read())
        {
            inodes.Add(reader.GetInt64(0));
        }

        return inodes;
    }

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() => RowFault.FindAll(session.Get(SelectAll), static reader => Read(reader));

    private static QuotaRow Read(DbDataReader reader)
    {
        QuotaRow row = new()
        {
            Folder = reader.GetInt64(0),
            Parent = reader.GetInt64(1),
            LimitBytes = reader.GetInt64(2),
            LimitInodes = reader.GetInt64(3),
            UsedBytes = reader.GetInt64(4),
            UsedInodes = reader.GetInt64(5),
        };
        return row.ComputeCrc() == (uint)reader.GetInt64(6)
            ? row
            : throw RowFault.Damaged($"the quota of folder {row.Folder}");
    }
}
