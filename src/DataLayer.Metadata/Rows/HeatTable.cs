using System.Data.Common;
using DataLayer.Core.Identity;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>
/// The statements on <c>heat</c>. A row that fails its checksum is as good as none: heat is a guess about the future,
/// and the next access writes the row anew.
/// </summary>
internal sealed class HeatTable(SqlSession session)
{
    /// <summary>The columns, in the order <see cref="TryRead"/> wants them; the table must be called h.</summary>
    public const string Columns =
        "h.inode, h.score, h.score_time, h.access_time, h.read_count, h.read_bytes, h.crc";

    /// <summary>Scores are stored in millionths.</summary>
    private const double ScoreUnit = 1e6;

    private const string SelectOne = $"SELECT {Columns} FROM heat h WHERE h.inode = $1";

    private const string SelectAll = $"SELECT {Columns} FROM heat h";

    // The inode may be gone by now, and its row with it.
    private const string Upsert =
        """
        INSERT INTO heat (inode, score, score_time, access_time, read_count, read_bytes, crc)
        SELECT $1, $2, $3, $4, $5, $6, $7 FROM inodes i WHERE i.inode = $1
        ON CONFLICT (inode) DO UPDATE SET score = excluded.score, score_time = excluded.score_time,
            access_time = excluded.access_time, read_count = excluded.read_count, read_bytes = excluded.read_bytes,
            crc = excluded.crc
        """;

    /// <summary>One inode's heat, or null.</summary>
    public HeatRecord? Find(InodeId inode)
    {
        using DbDataReader reader = session.Get(SelectOne).Add(inode.Value).Query();
        return reader.Read() && TryRead(reader, 0, out HeatRecord record) ? record : null;
    }

    /// <summary>Writes one inode's heat; nothing happens where there is no such inode.</summary>
    public void Save(in HeatRecord record)
    {
        HeatRecord stored = record with { Score = Math.Clamp(record.Score, 0, long.MaxValue / ScoreUnit / 2) };
        session.Get(Upsert)
            .Add(stored.Inode.Value).Add(ToStored(stored.Score)).Add(stored.ScoreTimeNanoseconds)
            .Add(stored.AccessTimeNanoseconds).Add(stored.ReadCount).Add(stored.ReadBytes)
            .Add((long)ComputeCrc(stored)).Execute();
    }

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() => RowFault.FindAll(session.Get(SelectAll), static reader =>
    {
        if (!TryRead(reader, 0, out _))
        {
            throw RowFault.Damaged($"the heat of inode {reader.GetInt64(0)}");
        }
    });

    /// <summary>Reads <see cref="Columns"/> from column <paramref name="first"/> on; false for a damaged row.</summary>
    public static bool TryRead(DbDataReader reader, int first, out HeatRecord record)
    {
        record = new HeatRecord(
            new InodeId(reader.GetInt64(first)), reader.GetInt64(first + 1) / ScoreUnit, reader.GetInt64(first + 2),
            reader.GetInt64(first + 3), reader.GetInt64(first + 4), reader.GetInt64(first + 5));
        return ComputeCrc(record) == (uint)reader.GetInt64(first + 6);
    }

    private static long ToStored(double score) => (long)Math.Round(score * ScoreUnit);

    private static uint ComputeCrc(in HeatRecord record)
    {
        RowChecksum sum = default;
        sum.Add(record.Inode.Value);
        sum.Add(ToStored(record.Score));
        sum.Add(record.ScoreTimeNanoseconds);
        sum.Add(record.AccessTimeNanoseconds);
        sum.Add(record.ReadCount);
        sum.Add(record.ReadBytes);
        return sum.Value;
    }
}
