using System.Data.Common;
using DataLayer.Core.Errors;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>
/// The statements on <c>costs</c> and <c>job_costs</c>. What is added goes to its hour, its day and its month in one
/// transaction, so that the coarser rows are always the sums of the finer ones. A row that fails its checksum is passed
/// over, and the next addition to it begins anew: fsck names it.
/// </summary>
internal sealed class CostTable(SqlSession session)
{
    private const long Hour = 3_600_000_000_000;
    private const long Day = 24 * Hour;

    private const string Sums =
        """
        requests, failures, bytes, gib_month_nanos, request_nanos, retrieval_nanos, egress_nanos, storage_nanos, crc
        """;

    private const string Columns =
        $"currency, start_time, dataset, tenant, purpose, item, class, {Sums}, level";

    private const string JobColumns = $"currency, last_time, dataset, tenant, purpose, item, class, {Sums}, job";

    private const string UpdateSums =
        """
        requests = excluded.requests, failures = excluded.failures, bytes = excluded.bytes,
            gib_month_nanos = excluded.gib_month_nanos, request_nanos = excluded.request_nanos,
            retrieval_nanos = excluded.retrieval_nanos, egress_nanos = excluded.egress_nanos,
            storage_nanos = excluded.storage_nanos, crc = excluded.crc
        """;

    private const string SelectAll = $"SELECT {Columns} FROM costs";

    private const string SelectAllJobs = $"SELECT {JobColumns} FROM job_costs";

    private const string SelectOne =
        $"""
        SELECT {Columns} FROM costs WHERE level = $1 AND start_time = $2 AND currency = $3 AND dataset = $4
            AND tenant = $5 AND purpose = $6 AND item = $7 AND class = $8
        """;

    private const string SelectOneJob =
        $"""
        SELECT {JobColumns} FROM job_costs WHERE job = $1 AND currency = $2 AND dataset = $3
            AND tenant = $4 AND purpose = $5 AND item = $6 AND class = $7
        """;

    private const string SelectRange =
        $"""
        SELECT {Columns} FROM costs
        WHERE level = $1 AND currency = $2 AND start_time < $3
            AND (start_time, dataset, tenant, purpose, item, class) > ($4, $5, $6, $7, $8, $9)
        ORDER BY start_time, dataset, tenant, purpose, item, class LIMIT $10
        """;

    private const string SelectJob =
        $"""
        SELECT {JobColumns} FROM job_costs WHERE job = $1 AND currency = $2
        ORDER BY dataset, tenant, purpose, item, class
        """;

    private const string SelectJobsSince =
        $"""
        SELECT {JobColumns} FROM job_costs WHERE currency = $1 AND last_time >= $2
        ORDER BY job DESC, dataset, tenant, purpose, item, class LIMIT $3
        """;

    private const string Upsert =
        $"""
        INSERT INTO costs ({Columns})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        ON CONFLICT (level, currency, start_time, dataset, tenant, purpose, item, class) DO UPDATE SET {UpdateSums}
        """;

    private const string UpsertJob =
        $"""
        INSERT INTO job_costs ({JobColumns})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        ON CONFLICT (job, currency, dataset, tenant, purpose, item, class)
        DO UPDATE SET last_time = excluded.last_time, {UpdateSums}
        """;

    private const string DeleteBefore = "DELETE FROM costs WHERE level = $1 AND start_time < $2";

    private const string DeleteJobsBefore = "DELETE FROM job_costs WHERE last_time < $1";

    /// <summary>Where the hour, day or month of a time begins.</summary>
    public static long StartOf(long timeNanoseconds, CostLevel level)
    {
        if (level == CostLevel.Month)
        {
            DateTimeOffset time = UnixTime.ToTime(timeNanoseconds);
            DateTimeOffset month = new(time.Year, time.Month, 1, 0, 0, 0, TimeSpan.Zero);
            return UnixTime.ToNanoseconds(month);
        }

        long span = level == CostLevel.Hour ? Hour : Day;
        return timeNanoseconds - (((timeNanoseconds % span) + span) % span);
    }

    /// <summary>Adds to the rows of time, and to the job's.</summary>
    public void Add(string currency, in CostAddition addition)
    {
        Add(currency, addition, CostLevel.Hour);
        Add(currency, addition, CostLevel.Day);
        Add(currency, addition, CostLevel.Month);
        if (addition.JobId != 0)
        {
            AddToJob(currency, addition);
        }
    }

    /// <summary>A page of rows by time and key.</summary>
    public List<CostRow> List(string currency, CostLevel level, long from, long until, CostRow? after, int limit)
    {
        CostRow start = after ?? new CostRow(
            from, 0, new CostKey(string.Empty, string.Empty, (OriginPurpose)(-1), default, string.Empty), default);
        return ReadAll(
            session.Get(SelectRange).Add((long)level).Add(currency).Add(until)
                .Add(start.StartNanoseconds).Add(start.Key.Dataset).Add(start.Key.Tenant).Add((long)start.Key.Purpose)
                .Add((long)start.Key.Item).Add(start.Key.Class).Add((long)limit),
            isJob: false);
    }

    /// <summary>A job's rows by key.</summary>
    public List<CostRow> ListJob(string currency, long job) =>
        ReadAll(session.Get(SelectJob).Add(job).Add(currency), isJob: true);

    /// <summary>Rows of jobs that cost something since a time, newest jobs first.</summary>
    public List<CostRow> ListJobsSince(string currency, long since, int limit) =>
        ReadAll(session.Get(SelectJobsSince).Add(currency).Add(since).Add((long)limit), isJob: true);

    /// <summary>Removes rows from before the cutoffs; how many.</summary>
    public long Trim(in CostCutoffs cutoffs) =>
        session.Get(DeleteBefore).Add((long)CostLevel.Hour).Add(cutoffs.HoursNanoseconds).Execute()
        + session.Get(DeleteBefore).Add((long)CostLevel.Day).Add(cutoffs.DaysNanoseconds).Execute()
        + session.Get(DeleteBefore).Add((long)CostLevel.Month).Add(cutoffs.MonthsNanoseconds).Execute()
        + session.Get(DeleteJobsBefore).Add(cutoffs.DaysNanoseconds).Execute();

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() =>
        [.. CheckRows(SelectAll, isJob: false), .. CheckRows(SelectAllJobs, isJob: true)];

    private IEnumerable<string> CheckRows(string sql, bool isJob) =>
        RowFault.FindAll(session.Get(sql), reader =>
        {
            if (!TryRead(reader, isJob, out _))
            {
                throw Damaged(reader.GetString(2));
            }
        });

    private static DataLayerException Damaged(string dataset) => RowFault.Damaged($"a row of the costs of '{dataset}'");

    private void Add(string currency, in CostAddition addition, CostLevel level)
    {
        CostKey key = addition.Key;
        long start = StartOf(addition.TimeNanoseconds, level);
        CostSums known = Find(
            session.Get(SelectOne).Add((long)level).Add(start).Add(currency).Add(key.Dataset).Add(key.Tenant)
                .Add((long)key.Purpose).Add((long)key.Item).Add(key.Class),
            isJob: false);
        CostRow row = new(start, (long)level, key, known + addition.Sums);
        Write(session.Get(Upsert), currency, row);
    }

    private void AddToJob(string currency, in CostAddition addition)
    {
        CostKey key = addition.Key;
        CostSums known = Find(
            session.Get(SelectOneJob).Add(addition.JobId).Add(currency).Add(key.Dataset).Add(key.Tenant)
                .Add((long)key.Purpose).Add((long)key.Item).Add(key.Class),
            isJob: true);
        CostRow row = new(addition.TimeNanoseconds, addition.JobId, key, known + addition.Sums);
        Write(session.Get(UpsertJob), currency, row);
    }

    private static CostSums Find(SqlStatement query, bool isJob)
    {
        using DbDataReader reader = query.Query();
        return reader.Read() && TryRead(reader, isJob, out CostRow row) ? row.Sums : default;
    }

    /// <summary>Writes a row; its job is the job, or the level.</summary>
    private static void Write(SqlStatement upsert, string currency, in CostRow row)
    {
        CostSums sums = row.Sums;
        upsert.Add(currency).Add(row.StartNanoseconds).Add(row.Key.Dataset).Add(row.Key.Tenant)
            .Add((long)row.Key.Purpose).Add((long)row.Key.Item).Add(row.Key.Class)
            .Add(sums.Requests).Add(sums.Failures).Add(sums.Bytes).Add(sums.GibMonthNanos).Add(sums.RequestNanos)
            .Add(sums.RetrievalNanos).Add(sums.EgressNanos).Add(sums.StorageNanos)
            .Add((long)ComputeCrc(currency, row)).Add(row.JobId).Execute();
    }

    private static List<CostRow> ReadAll(SqlStatement query, bool isJob)
    {
        List<CostRow> rows = [];
        using DbDataReader reader = query.Query();
        while (reader.Read())
        {
            if (TryRead(reader, isJob, out CostRow row))
            {
                rows.Add(row);
            }
        }

        return rows;
    }

    private static bool TryRead(DbDataReader reader, bool isJob, out CostRow row)
    {
        row = new CostRow(
            reader.GetInt64(1), reader.GetInt64(16),
            new CostKey(
                reader.GetString(2), reader.GetString(3), (OriginPurpose)reader.GetInt64(4),
                (CostItem)reader.GetInt64(5), reader.GetString(6)),
            new CostSums(
                reader.GetInt64(7), reader.GetInt64(8), reader.GetInt64(9), reader.GetInt64(10), reader.GetInt64(11),
                reader.GetInt64(12), reader.GetInt64(13), reader.GetInt64(14)));
        bool isSound = ComputeCrc(reader.GetString(0), row) == (uint)reader.GetInt64(15);
        row = isJob ? row : row with { JobId = 0 };
        return isSound;
    }

    private static uint ComputeCrc(string currency, in CostRow row)
    {
        RowChecksum sum = default;
        sum.Add(currency);
        sum.Add(row.StartNanoseconds);
        sum.Add(row.JobId);
        sum.Add(row.Key.Dataset);
        sum.Add(row.Key.Tenant);
        sum.Add((long)row.Key.Purpose);
        sum.Add((long)row.Key.Item);
        sum.Add(row.Key.Class);
        sum.Add(row.Sums.Requests);
        sum.Add(row.Sums.Failures);
        sum.Add(row.Sums.Bytes);
        sum.Add(row.Sums.GibMonthNanos);
        sum.Add(row.Sums.RequestNanos);
        sum.Add(row.Sums.RetrievalNanos);
        sum.Add(row.Sums.EgressNanos);
        sum.Add(row.Sums.StorageNanos);
        return sum.Value;
    }
}
