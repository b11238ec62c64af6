using System.Data.Common;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>
/// The statements on <c>access_series</c> and <c>access_history</c>. What is added goes to its minute, its hour and its
/// day in one transaction, so that the coarser rows are always the sums of the finer ones.
/// </summary>
internal sealed class HistoryTable(SqlSession session)
{
    private const long Minute = 60_000_000_000;
    private const long Hour = 60 * Minute;
    private const long Day = 24 * Hour;

    private const string SeriesColumns = "id, kind, subject, path, last_time, crc";

    private const string SelectSeries = $"SELECT {SeriesColumns} FROM access_series ORDER BY id";

    private const string SelectOneSeries = $"SELECT {SeriesColumns} FROM access_series WHERE id = $1";

    private const string InsertSeries =
        "INSERT INTO access_series (id, kind, subject, path, last_time, crc) VALUES ($1, $2, $3, $4, $5, $6)";

    private const string UpdateSeries = "UPDATE access_series SET last_time = $1, crc = $2 WHERE id = $3";

    private const string DeleteSeries = "DELETE FROM access_series WHERE id = $1";

    private const string Columns =
        """
        series, level, start_time, first_time, last_time, open_count, read_count, memory_bytes, hot_bytes, cold_bytes,
        hot_wait, cold_wait, crc
        """;

    private const string SelectAll = $"SELECT {Columns} FROM access_history";

    private const string SelectOne =
        $"SELECT {Columns} FROM access_history WHERE series = $1 AND level = $2 AND start_time = $3";

    private const string SelectRange =
        $"""
        SELECT {Columns} FROM access_history
        WHERE series = $1 AND level = $2 AND start_time >= $3 AND start_time < $4 ORDER BY start_time LIMIT $5
        """;

    private const string Upsert =
        $"""
        INSERT INTO access_history ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (series, level, start_time) DO UPDATE SET first_time = excluded.first_time,
            last_time = excluded.last_time, open_count = excluded.open_count, read_count = excluded.read_count,
            memory_bytes = excluded.memory_bytes, hot_bytes = excluded.hot_bytes, cold_bytes = excluded.cold_bytes,
            hot_wait = excluded.hot_wait, cold_wait = excluded.cold_wait, crc = excluded.crc
        """;

    private const string DeleteBefore =
        "DELETE FROM access_history WHERE series = $1 AND level = $2 AND start_time < $3";

    private const string SelectAny = "SELECT 1 FROM access_history WHERE series = $1 LIMIT 1";

    private const string CountRows = "SELECT COUNT(*) FROM access_history";

    /// <summary>All series by number.</summary>
    public List<AccessSeries> ListSeries()
    {
        List<AccessSeries> all = [];
        using DbDataReader reader = session.Get(SelectSeries).Query();
        while (reader.Read())
        {
            all.Add(ReadSeries(reader));
        }

        return all;
    }

    /// <summary>Adds a series; its id must be set.</summary>
    public void AddSeries(AccessSeries series) => session.Get(InsertSeries)
        .Add(series.Id).Add((long)series.Kind).Add(series.Subject).Add(series.Path).Add(series.LastTimeNanoseconds)
        .Add((long)ComputeCrc(series)).Execute();

    /// <summary>Removes a series with its history.</summary>
    public void RemoveSeries(long id) => session.Get(DeleteSeries).Add(id).Execute();

    /// <summary>Adds to a series' minute, hour and day; nothing happens where there is no such series.</summary>
    public void Add(in AccessAddition addition)
    {
        AccessSeries? series = FindSeries(addition.Series);
        if (series is null)
        {
            return;
        }

        if (addition.TimeNanoseconds > series.LastTimeNanoseconds)
        {
            series = series with { LastTimeNanoseconds = addition.TimeNanoseconds };
            session.Get(UpdateSeries).Add(series.LastTimeNanoseconds).Add((long)ComputeCrc(series)).Add(series.Id)
                .Execute();
        }

        Add(addition, HistoryLevel.Minute, Minute);
        Add(addition, HistoryLevel.Hour, Hour);
        Add(addition, HistoryLevel.Day, Day);
    }

    /// <summary>A page of a series' rows, by time.</summary>
    public List<AccessBucket> List(long series, HistoryLevel level, long from, long until, int limit)
    {
        List<AccessBucket> rows = [];
        using DbDataReader reader = session.Get(SelectRange)
            .Add(series).Add((long)level).Add(from).Add(until).Add((long)limit).Query();
        while (reader.Read())
        {
            if (TryRead(reader, out AccessBucket row))
            {
                rows.Add(row);
            }
        }

        return rows;
    }

    /// <summary>Removes rows from before the cutoffs, and series that nothing is left of.</summary>
    /// <returns>How many rows went.</returns>
    public long Trim(long series, in HistoryCutoffs cutoffs)
    {
        long removed = 0;
        removed += Delete(series, HistoryLevel.Minute, cutoffs.MinutesNanoseconds);
        removed += Delete(series, HistoryLevel.Hour, cutoffs.HoursNanoseconds);
        removed += Delete(series, HistoryLevel.Day, cutoffs.DaysNanoseconds);
        if (!session.Get(SelectAny).Add(series).QueryAny())
        {
            RemoveSeries(series);
        }

        return removed;
    }

    /// <summary>How many rows of history there are.</summary>
    public long Count() => session.Get(CountRows).QueryInt64() ?? 0;

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() =>
        [
            .. RowFault.FindAll(session.Get(SelectSeries), static reader => ReadSeries(reader)),
            .. RowFault.FindAll(session.Get(SelectAll), static reader =>
            {
                if (!TryRead(reader, out _))
                {
                    throw RowFault.Damaged($"a row of access series {reader.GetInt64(0)}");
                }
            }),
        ];

    private AccessSeries? FindSeries(long id)
    {
        using DbDataReader reader = session.Get(SelectOneSeries).Add(id).Query();
        return reader.Read() ? ReadSeries(reader) : null;
    }

    private void Add(in AccessAddition addition, HistoryLevel level, long spanNanoseconds)
    {
        long time = addition.TimeNanoseconds;
        long start = time - (((time % spanNanoseconds) + spanNanoseconds) % spanNanoseconds);
        AccessBucket row = new(start, time, time, addition.Sums);
        if (Find(addition.Series, level, start) is { } known)
        {
            row = new AccessBucket(
                start, Math.Min(known.FirstNanoseconds, time), Math.Max(known.LastNanoseconds, time),
                known.Sums + addition.Sums);
        }

        AccessSums sums = row.Sums;
        session.Get(Upsert)
            .Add(addition.Series).Add((long)level).Add(start).Add(row.FirstNanoseconds).Add(row.LastNanoseconds)
            .Add(sums.OpenCount).Add(sums.ReadCount).Add(sums.MemoryBytes).Add(sums.HotBytes).Add(sums.ColdBytes)
            .Add(sums.HotWaitNanoseconds).Add(sums.ColdWaitNanoseconds)
            .Add((long)ComputeCrc(addition.Series, (long)level, row)).Execute();
    }

    private AccessBucket? Find(long series, HistoryLevel level, long start)
    {
        using DbDataReader reader = session.Get(SelectOne).Add(series).Add((long)level).Add(start).Query();
        return reader.Read() && TryRead(reader, out AccessBucket row) ? row : null;
    }

    private long Delete(long series, HistoryLevel level, long before) =>
        session.Get(DeleteBefore).Add(series).Add((long)level).Add(before).Execute();

    private static AccessSeries ReadSeries(DbDataReader reader)
    {
        AccessSeries series = new(
            reader.GetInt64(0), (AccessSeriesKind)reader.GetInt64(1), reader.GetInt64(2), reader.GetString(3),
            reader.GetInt64(4));
        return ComputeCrc(series) == (uint)reader.GetInt64(5)
            ? series
            : throw RowFault.Damaged($"access series {series.Id}");
    }

    private static bool TryRead(DbDataReader reader, out AccessBucket row)
    {
        row = new AccessBucket(
            reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4),
            new AccessSums(
                reader.GetInt64(5), reader.GetInt64(6), reader.GetInt64(7), reader.GetInt64(8), reader.GetInt64(9),
                reader.GetInt64(10), reader.GetInt64(11)));
        return ComputeCrc(reader.GetInt64(0), reader.GetInt64(1), row) == (uint)reader.GetInt64(12);
    }

    private static uint ComputeCrc(AccessSeries series)
    {
        RowChecksum sum = default;
        sum.Add(series.Id);
        sum.Add((long)series.Kind);
        sum.Add(series.Subject);
        sum.Add(series.Path);
        sum.Add(series.LastTimeNanoseconds);
        return sum.Value;
    }

    private static uint ComputeCrc(long series, long level, in AccessBucket row)
    {
        RowChecksum sum = default;
        sum.Add(series);
        sum.Add(level);
        sum.Add(row.StartNanoseconds);
        sum.Add(row.FirstNanoseconds);
        sum.Add(row.LastNanoseconds);
        sum.Add(row.Sums.OpenCount);
        sum.Add(row.Sums.ReadCount);
        sum.Add(row.Sums.MemoryBytes);
        sum.Add(row.Sums.HotBytes);
        sum.Add(row.Sums.ColdBytes);
        sum.Add(row.Sums.HotWaitNanoseconds);
        sum.Add(row.Sums.ColdWaitNanoseconds);
        return sum.Value;
    }
}
