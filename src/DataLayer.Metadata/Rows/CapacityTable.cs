using System.Data.Common;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>
/// The statements on <c>capacity_history</c>: of each hour and each day the last sample stays. A row that fails its
/// checksum is passed over: the next sample writes its hour anew.
/// </summary>
internal sealed class CapacityTable(SqlSession session)
{
    private const string Columns =
        """
        level, start_time, pool, sample_time, capacity_bytes, free_bytes, used_bytes, hot_bytes, premigrated_bytes,
        cold_bytes, object_bytes, file_count, crc
        """;

    private const string SelectAll = $"SELECT {Columns} FROM capacity_history";

    private const string SelectRange =
        $"""
        SELECT {Columns} FROM capacity_history
        WHERE pool = $1 AND level = $2 AND start_time >= $3 AND start_time < $4 ORDER BY start_time LIMIT $5
        """;

    private const string Upsert =
        $"""
        INSERT INTO capacity_history ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (pool, level, start_time) DO UPDATE SET sample_time = excluded.sample_time,
            capacity_bytes = excluded.capacity_bytes, free_bytes = excluded.free_bytes,
            used_bytes = excluded.used_bytes, hot_bytes = excluded.hot_bytes,
            premigrated_bytes = excluded.premigrated_bytes, cold_bytes = excluded.cold_bytes,
            object_bytes = excluded.object_bytes, file_count = excluded.file_count, crc = excluded.crc
        """;

    private const string DeleteBefore = "DELETE FROM capacity_history WHERE level = $1 AND start_time < $2";

    /// <summary>Makes a sample the one of its hour and its day.</summary>
    public void Save(in CapacitySample sample)
    {
        Save(sample, CostLevel.Hour);
        Save(sample, CostLevel.Day);
    }

    /// <summary>A pool's rows by time.</summary>
    public List<CapacitySample> List(string pool, CostLevel level, long from, long until, int limit)
    {
        List<CapacitySample> rows = [];
        using DbDataReader reader = session.Get(SelectRange)
            .Add(pool).Add((long)level).Add(from).Add(until).Add((long)limit).Query();
        while (reader.Read())
        {
            if (TryRead(reader, out CapacitySample row))
            {
                rows.Add(row);
            }
        }

        return rows;
    }

    /// <summary>Removes rows from before the cutoffs; how many.</summary>
    public long Trim(in CostCutoffs cutoffs) =>
        session.Get(DeleteBefore).Add((long)CostLevel.Hour).Add(cutoffs.HoursNanoseconds).Execute()
        + session.Get(DeleteBefore).Add((long)CostLevel.Day).Add(cutoffs.DaysNanoseconds).Execute();

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() => RowFault.FindAll(session.Get(SelectAll), static reader =>
    {
        if (!TryRead(reader, out _))
        {
            throw RowFault.Damaged($"a row of the capacity history of pool '{reader.GetString(2)}'");
        }
    });

    private void Save(in CapacitySample sample, CostLevel level)
    {
        long start = CostTable.StartOf(sample.TimeNanoseconds, level);
        session.Get(Upsert)
            .Add((long)level).Add(start).Add(sample.Pool).Add(sample.TimeNanoseconds).Add(sample.CapacityBytes)
            .Add(sample.FreeBytes).Add(sample.UsedBytes).Add(sample.HotBytes).Add(sample.PremigratedBytes)
            .Add(sample.ColdBytes).Add(sample.ObjectBytes).Add(sample.FileCount)
            .Add((long)ComputeCrc((long)level, start, sample)).Execute();
    }

    private static bool TryRead(DbDataReader reader, out CapacitySample row)
    {
        row = new CapacitySample(
            reader.GetInt64(3), reader.GetString(2), reader.GetInt64(4), reader.GetInt64(5), reader.GetInt64(6),
            reader.GetInt64(7), reader.GetInt64(8), reader.GetInt64(9), reader.GetInt64(10), reader.GetInt64(11));
        return ComputeCrc(reader.GetInt64(0), reader.GetInt64(1), row) == (uint)reader.GetInt64(12);
    }

    private static uint ComputeCrc(long level, long start, in CapacitySample row)
    {
        RowChecksum sum = default;
        sum.Add(level);
        sum.Add(start);
        sum.Add(row.Pool);
        sum.Add(row.TimeNanoseconds);
        sum.Add(row.CapacityBytes);
        sum.Add(row.FreeBytes);
        sum.Add(row.UsedBytes);
        sum.Add(row.HotBytes);
        sum.Add(row.PremigratedBytes);
        sum.Add(row.ColdBytes);
        sum.Add(row.ObjectBytes);
        sum.Add(row.FileCount);
        return sum.Value;
    }
}
