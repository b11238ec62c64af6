using System.Data.Common;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Nodes;

/// <summary>
/// The statements on <c>tree_changes</c>: one row for each transaction that touched what other nodes may know, under
/// the transaction's number, written with it.
/// </summary>
internal static class ChangeRows
{
    public const string Name = "tree_changes";

    public const string Create =
        """
        CREATE TABLE IF NOT EXISTS tree_changes (
            seq BIGINT NOT NULL PRIMARY KEY,
            epoch BIGINT NOT NULL,
            body BYTEA NOT NULL)
        """;

    /// <summary>Adds a row, and wakes who listens once it is committed.</summary>
    public const string Insert =
        """
        WITH made AS (INSERT INTO tree_changes (seq, epoch, body) VALUES ($1, $2, $3) RETURNING seq)
        SELECT 1, pg_notify($4, seq::text)::text FROM made
        """;

    public const string Trim = "DELETE FROM tree_changes WHERE seq <= $1";

    /// <summary>The most rows that are read at once; who is further behind forgets all.</summary>
    public const int Limit = 1024;

    private const string SelectLast =
        """
        SELECT o.commits, c.seq, c.epoch FROM tree_owner o
        LEFT JOIN (SELECT seq, epoch FROM tree_changes ORDER BY seq DESC LIMIT 1) c ON TRUE WHERE o.id = 1
        """;

    private const string SelectFrom =
        """
        SELECT o.commits, c.seq, c.epoch, c.body FROM tree_owner o
        LEFT JOIN (SELECT seq, epoch, body FROM tree_changes WHERE seq >= $1 ORDER BY seq LIMIT 1025) c ON TRUE
        WHERE o.id = 1 ORDER BY c.seq
        """;

    /// <summary>Where the tree is now.</summary>
    public static ChangePosition FindPosition(SqlSession session)
    {
        using DbDataReader reader = session.Get(SelectLast).Query();
        return !reader.Read() ? default
            : new ChangePosition(
                reader.GetInt64(0), reader.IsDBNull(1) ? 0 : reader.GetInt64(1),
                reader.IsDBNull(2) ? 0 : reader.GetInt64(2));
    }

    /// <summary>The rows from one on, that one included, and how many transactions there are; of one moment.</summary>
    public static (long Commits, List<(long Number, long Epoch, byte[] Body)> Rows) ListFrom(
        SqlSession session, long number)
    {
        List<(long Number, long Epoch, byte[] Body)> rows = [];
        long commits = 0;
        using DbDataReader reader = session.Get(SelectFrom).Add(number).Query();
        while (reader.Read())
        {
            commits = reader.GetInt64(0);
            if (!reader.IsDBNull(1))
            {
                rows.Add((reader.GetInt64(1), reader.GetInt64(2), reader.GetFieldValue<byte[]>(3)));
            }
        }

        return (commits, rows);
    }
}

/// <summary>Up to where a node knows the changes of a tree.</summary>
/// <param name="Commits">The number of the last transaction it knows of.</param>
/// <param name="Row">The number of the last row it knows; 0 for none.</param>
/// <param name="Epoch">That row's epoch.</param>
internal readonly record struct ChangePosition(long Commits, long Row, long Epoch);
