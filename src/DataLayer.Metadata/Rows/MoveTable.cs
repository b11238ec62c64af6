using System.Data.Common;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The statements on <c>moves</c>, the journal of moves between the tiers.</summary>
internal sealed class MoveTable(SqlSession session)
{
    private const string Columns =
        """
        job, number, plan, policy_version, policy_hash, rule, inode, version, path, kinds, done_kinds, size_bytes,
            from_state, from_hot_bytes, from_residency, from_class, from_etag, to_class, state, reason, requests,
            moved_bytes, cost, started_time, ended_time, crc
        """;

    private const string SelectOne = $"SELECT {Columns} FROM moves WHERE job = $1 AND number = $2";

    private const string SelectUp =
        $"SELECT {Columns} FROM moves WHERE job = $1 AND number >= $2 ORDER BY number LIMIT $3";

    private const string SelectDown =
        $"SELECT {Columns} FROM moves WHERE job = $1 AND number < $2 AND done_kinds <> 0 ORDER BY number DESC LIMIT $3";

    private const string SelectOpen = $"SELECT {Columns} FROM moves WHERE state = 1 ORDER BY job, number";

    private const string SelectOpenOf = $"SELECT {Columns} FROM moves WHERE state = 1 AND inode = $1";

    private const string SelectAll = $"SELECT {Columns} FROM moves";

    private const string Insert =
        $"""
        INSERT INTO moves ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
            $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)
        """;

    private const string UpdateEnd =
        """
        UPDATE moves SET done_kinds = $1, state = $2, reason = $3, requests = $4, moved_bytes = $5, cost = $6,
            ended_time = $7, crc = $8 WHERE job = $9 AND number = $10
        """;

    private const string DeleteOfJob =
        """
        DELETE FROM moves WHERE job = $1 AND number IN
            (SELECT number FROM moves WHERE job = $2 ORDER BY number LIMIT $3)
        """;

    private const string Count =
        "SELECT COUNT(*), CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM moves WHERE job = $1 AND done_kinds <> 0";

    /// <summary>One move, or null.</summary>
    public MoveEntry? Find(long job, long number)
    {
        using DbDataReader reader = session.Get(SelectOne).Add(job).Add(number).Query();
        return reader.Read() ? Read(reader) : null;
    }

    /// <summary>A job's moves from a number on, upwards.</summary>
    public List<MoveEntry> ListUp(long job, long from, int limit) =>
        ReadAll(session.Get(SelectUp).Add(job).Add(from).Add((long)limit));

    /// <summary>A job's moves of which something was done, below a number, downwards.</summary>
    public List<MoveEntry> ListDoneDown(long job, long before, int limit) =>
        ReadAll(session.Get(SelectDown).Add(job).Add(before).Add((long)limit));

    /// <summary>All moves that were begun and did not end.</summary>
    public List<MoveEntry> ListOpen() => ReadAll(session.Get(SelectOpen));

    /// <summary>Those of one file.</summary>
    public List<MoveEntry> ListOpenOf(InodeId inode) => ReadAll(session.Get(SelectOpenOf).Add(inode.Value));

    /// <summary>The moves of a job of which something was done: how many, and the bytes of their files.</summary>
    public (long Moves, long Bytes) CountDone(long job)
    {
        using DbDataReader reader = session.Get(Count).Add(job).Query();
        return reader.Read() ? (reader.GetInt64(0), reader.GetInt64(1)) : (0, 0);
    }

    /// <summary>Adds a move.</summary>
    public void Add(MoveEntry move) => session.Get(Insert)
        .Add(move.JobId).Add(move.Number).Add(move.PlanId).Add(move.PolicyVersion).Add(move.PolicyHash)
        .Add((long)move.RuleIndex).Add(move.Inode.Value).Add(move.Version).Add(move.Path).Add(move.Kinds)
        .Add(move.DoneKinds).Add(move.SizeBytes).Add((long)move.FromState).Add(move.FromHotBytes)
        .Add(move.FromResidency).Add(move.FromClass).Add(move.FromETag).Add(move.ToClass).Add((long)move.State)
        .Add(move.Reason).Add(move.Requests).Add(move.MovedBytes).Add(move.CostNano).Add(move.StartedTime)
        .Add(move.EndedTime).Add((long)ComputeCrc(move)).Execute();

    /// <summary>Writes down what came of a move.</summary>
    /// <returns>False where there is none.</returns>
    public bool End(MoveEntry move) => session.Get(UpdateEnd)
        .Add(move.DoneKinds).Add((long)move.State).Add(move.Reason).Add(move.Requests).Add(move.MovedBytes)
        .Add(move.CostNano).Add(move.EndedTime).Add((long)ComputeCrc(move)).Add(move.JobId).Add(move.Number)
        .Execute() == 1;

    /// <summary>Forgets moves of a job.</summary>
    /// <returns>How many it forgot, at most <paramref name="limit"/>.</returns>
    public int Remove(long job, int limit) =>
        session.Get(DeleteOfJob).Add(job).Add(job).Add((long)limit).Execute();

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() =>
        RowFault.FindAll(session.Get(SelectAll), static reader => _ = Read(reader));

    private static List<MoveEntry> ReadAll(SqlStatement statement)
    {
        List<MoveEntry> moves = [];
        using DbDataReader reader = statement.Query();
        while (reader.Read())
        {
            moves.Add(Read(reader));
        }

        return moves;
    }

    private static MoveEntry Read(DbDataReader reader)
    {
        MoveEntry move = new()
        {
            JobId = reader.GetInt64(0),
            Number = reader.GetInt64(1),
            PlanId = reader.GetInt64(2),
            PolicyVersion = reader.GetInt64(3),
            PolicyHash = reader.GetString(4),
            RuleIndex = (int)reader.GetInt64(5),
            Inode = new InodeId(reader.GetInt64(6)),
            Version = reader.GetInt64(7),
            Path = reader.GetString(8),
            Kinds = reader.GetInt64(9),
            DoneKinds = reader.GetInt64(10),
            SizeBytes = reader.GetInt64(11),
            FromState = (TierState)reader.GetInt64(12),
            FromHotBytes = reader.GetInt64(13),
            FromResidency = reader.IsDBNull(14) ? null : reader.GetFieldValue<byte[]>(14),
            FromClass = reader.IsDBNull(15) ? null : reader.GetString(15),
            FromETag = reader.IsDBNull(16) ? null : reader.GetString(16),
            ToClass = reader.IsDBNull(17) ? null : reader.GetString(17),
            State = (MoveState)reader.GetInt64(18),
            Reason = reader.IsDBNull(19) ? null : reader.GetString(19),
            Requests = reader.GetInt64(20),
            MovedBytes = reader.GetInt64(21),
            CostNano = reader.GetInt64(22),
            StartedTime = reader.GetInt64(23),
            EndedTime = reader.GetInt64(24),
        };
        return ComputeCrc(move) == (uint)reader.GetInt64(25)
            ? move
            : throw RowFault.Damaged($"move {move.Number} of job {move.JobId}");
    }

    private static uint ComputeCrc(MoveEntry move)
    {
        RowChecksum sum = default;
        sum.Add(move.JobId);
        sum.Add(move.Number);
        sum.Add(move.PlanId);
        sum.Add(move.PolicyVersion);
        sum.Add(move.PolicyHash);
        sum.Add((long)move.RuleIndex);
        sum.Add(move.Inode.Value);
        sum.Add(move.Version);
        sum.Add(move.Path);
        sum.Add(move.Kinds);
        sum.Add(move.DoneKinds);
        sum.Add(move.SizeBytes);
        sum.Add((long)move.FromState);
        sum.Add(move.FromHotBytes);
        sum.Add(move.FromResidency);
        sum.Add(move.FromClass);
        sum.Add(move.FromETag);
        sum.Add(move.ToClass);
        sum.Add((long)move.State);
        sum.Add(move.Reason);
        sum.Add(move.Requests);
        sum.Add(move.MovedBytes);
        sum.Add(move.CostNano);
        sum.Add(move.StartedTime);
        sum.Add(move.EndedTime);
        return sum.Value;
    }
}
