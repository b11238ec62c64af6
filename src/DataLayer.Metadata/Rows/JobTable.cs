using System.Data.Common;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The statements on <c>jobs</c> and <c>job_keys</c>.</summary>
internal sealed class JobTable(SqlSession session)
{
    private const string Columns =
        """
        id, kind, state, spec, owner, scopes, cursor, done_objects, total_objects, done_bytes, total_bytes,
            failed_objects, result, failure, sequence, created_time, started_time, ended_time, crc, detail
        """;

    private const string SelectOne = $"SELECT {Columns} FROM jobs WHERE id = $1";

    private const string SelectPage = $"SELECT {Columns} FROM jobs WHERE id < $1 ORDER BY id DESC LIMIT $2";

    private const string SelectOpen = $"SELECT {Columns} FROM jobs WHERE state < 4 ORDER BY id";

    private const string CountOpen = "SELECT COUNT(*) FROM jobs WHERE state < 4";

    private const string SelectAll = $"SELECT {Columns} FROM jobs";

    private const string SelectOld =
        $"""
        SELECT {Columns} FROM jobs WHERE state >= 4 AND (ended_time < $1 OR id NOT IN
            (SELECT id FROM jobs WHERE state >= 4 ORDER BY id DESC LIMIT $2)) LIMIT 1000
        """;

    private const string Insert =
        $"""
        INSERT INTO jobs ({Columns})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
        """;

    private const string UpdateRow =
        """
        UPDATE jobs SET kind = $1, state = $2, spec = $3, owner = $4, scopes = $5, cursor = $6, done_objects = $7,
            total_objects = $8, done_bytes = $9, total_bytes = $10, failed_objects = $11, result = $12, failure = $13,
            sequence = $14, created_time = $15, started_time = $16, ended_time = $17, crc = $18, detail = $19
        WHERE id = $20
        """;

    private const string SelectKey = "SELECT fingerprint, made FROM job_keys WHERE owner = $1 AND name = $2";

    private const string InsertKey =
        "INSERT INTO job_keys (owner, name, fingerprint, made, created_time) VALUES ($1, $2, $3, $4, $5)";

    private const string DeleteOldKeys =
        """
        DELETE FROM job_keys WHERE created_time < $1 OR created_time <
            (SELECT MIN(k.created_time) FROM
                (SELECT created_time FROM job_keys ORDER BY created_time DESC LIMIT $2) k)
        """;

    /// <summary>One job, or null.</summary>
    public JobRecord? Find(long id)
    {
        using DbDataReader reader = session.Get(SelectOne).Add(id).Query();
        return reader.Read() ? Read(reader) : null;
    }

    /// <summary>Jobs with a smaller number, newest first.</summary>
    public List<JobRecord> List(long before, int limit) =>
        ReadAll(session.Get(SelectPage).Add(before).Add((long)limit));

    /// <summary>Jobs that have not ended, oldest first.</summary>
    public List<JobRecord> ListOpen() => ReadAll(session.Get(SelectOpen));

    /// <summary>How many jobs have not ended.</summary>
    public long CountOfOpen() => session.Get(CountOpen).QueryInt64() ?? 0;

    /// <summary>Adds a job; its number is set.</summary>
    public void Add(JobRecord job) =>
        Bind(session.Get(Insert).Add(job.Id), job).Add((long)ComputeCrc(job)).Add(job.Detail).Execute();

    /// <summary>Writes a job back.</summary>
    /// <returns>False where there is none.</returns>
    public bool Save(JobRecord job) =>
        Bind(session.Get(UpdateRow), job).Add((long)ComputeCrc(job)).Add(job.Detail).Add(job.Id).Execute() == 1;

    /// <summary>Removes jobs that ended before a time, or are past the newest <paramref name="keep"/>.</summary>
    /// <returns>Those it removed, at most 1,000.</returns>
    public List<JobRecord> RemoveOld(long endedBefore, int keep)
    {
        List<JobRecord> old = ReadAll(session.Get(SelectOld).Add(endedBefore).Add((long)keep));
        foreach (JobRecord job in old)
        {
            session.Get("DELETE FROM jobs WHERE id = $1").Add(job.Id).Execute();
        }

        return old;
    }

    /// <summary>What a caller's key led to, or null.</summary>
    public (string Fingerprint, long Made)? FindKey(string owner, string key)
    {
        using DbDataReader reader = session.Get(SelectKey).Add(owner).Add(key).Query();
        return reader.Read() ? (reader.GetString(0), reader.GetInt64(1)) : null;
    }

    /// <summary>Forgets a key, whose job may be forgotten.</summary>
    public void RemoveKey(string owner, string key) =>
        session.Get("DELETE FROM job_keys WHERE owner = $1 AND name = $2").Add(owner).Add(key).Execute();

    /// <summary>Keeps what a caller's key led to; forgets keys that are old, or past the newest.</summary>
    public void AddKey(string owner, IdempotencyKey key, long made, long now, long oldest, int keep)
    {
        session.Get(DeleteOldKeys).Add(oldest).Add((long)keep).Execute();
        session.Get(InsertKey).Add(owner).Add(key.Key).Add(key.Fingerprint).Add(made).Add(now).Execute();
    }

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() =>
        RowFault.FindAll(session.Get(SelectAll), static reader => _ = Read(reader));

    private static List<JobRecord> ReadAll(SqlStatement statement)
    {
        List<JobRecord> jobs = [];
        using DbDataReader reader = statement.Query();
        while (reader.Read())
        {
            jobs.Add(Read(reader));
        }

        return jobs;
    }

    private static SqlStatement Bind(SqlStatement statement, JobRecord job) => statement
        .Add(job.Kind).Add((long)job.State).Add(job.Spec).Add(job.Owner).Add(string.Join('\n', job.Scopes))
        .Add(job.Cursor).Add(job.Progress.DoneObjects).Add(job.Progress.TotalObjects).Add(job.Progress.DoneBytes)
        .Add(job.Progress.TotalBytes).Add(job.Progress.FailedObjects).Add(job.Result).Add(job.Failure)
        .Add(job.Sequence).Add(job.CreatedTime).Add(job.StartedTime).Add(job.EndedTime);

    private static JobRecord Read(DbDataReader reader)
    {
        JobRecord job = new()
        {
            Id = reader.GetInt64(0),
            Kind = reader.GetString(1),
            State = (JobState)reader.GetInt64(2),
            Spec = reader.GetString(3),
            Owner = reader.GetString(4),
            Scopes = reader.GetString(5).Split('\n', StringSplitOptions.RemoveEmptyEntries),
            Cursor = reader.IsDBNull(6) ? null : reader.GetString(6),
            Progress = new JobProgress(
                reader.GetInt64(7), reader.GetInt64(8), reader.GetInt64(9), reader.GetInt64(10), reader.GetInt64(11)),
            Result = reader.IsDBNull(12) ? null : reader.GetString(12),
            Failure = reader.IsDBNull(13) ? null : reader.GetString(13),
            Sequence = reader.GetInt64(14),
            CreatedTime = reader.GetInt64(15),
            StartedTime = reader.GetInt64(16),
            EndedTime = reader.GetInt64(17),
            Detail = reader.IsDBNull(19) ? null : reader.GetString(19),
        };
        return ComputeCrc(job) == (uint)reader.GetInt64(18) ? job : throw RowFault.Damaged($"job {job.Id}");
    }

    private static uint ComputeCrc(JobRecord job)
    {
        RowChecksum sum = default;
        sum.Add(job.Id);
        sum.Add(job.Kind);
        sum.Add((long)job.State);
        sum.Add(job.Spec);
        sum.Add(job.Owner);
        sum.Add(string.Join('\n', job.Scopes));
        sum.Add(job.Cursor);
        sum.Add(job.Progress.DoneObjects);
        sum.Add(job.Progress.TotalObjects);
        sum.Add(job.Progress.DoneBytes);
        sum.Add(job.Progress.TotalBytes);
        sum.Add(job.Progress.FailedObjects);
        sum.Add(job.Result);
        sum.Add(job.Failure);
        sum.Add(job.Sequence);
        sum.Add(job.CreatedTime);
        sum.Add(job.StartedTime);
        sum.Add(job.EndedTime);
        if (job.Detail is not null)
        {
            sum.Add(job.Detail); // Rows older than the column have none, and their checksum stays what it was.
        }

        return sum.Value;
    }
}
