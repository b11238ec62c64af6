using System.Data.Common;
using DataLayer.Core.Cluster;

namespace DataLayer.Metadata.Nodes;

/// <summary>
/// The statements on <c>tree_nodes</c>, which is beside a tree in PostgreSQL and no part of it. All times are the
/// database's, so that nodes' clocks need not agree.
/// </summary>
internal static class NodeTable
{
    public const string Name = "tree_nodes";

    public const string Create =
        """
        CREATE TABLE IF NOT EXISTS tree_nodes (
            id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
            name TEXT COLLATE "C" NOT NULL,
            endpoint TEXT COLLATE "C",
            zone TEXT COLLATE "C",
            role BIGINT NOT NULL,
            epoch BIGINT NOT NULL,
            started TIMESTAMPTZ NOT NULL,
            beat TIMESTAMPTZ NOT NULL,
            expiry_ms BIGINT NOT NULL)
        """;

    private const string Columns =
        """
        id, name, endpoint, zone, role, epoch, started,
            beat + expiry_ms * INTERVAL '1 millisecond' > clock_timestamp(),
            (EXTRACT(EPOCH FROM clock_timestamp() - beat) * 1000)::bigint
        """;

    public const string DeleteOld = "DELETE FROM tree_nodes WHERE beat < clock_timestamp() - INTERVAL '1 day'";

    public const string Join =
        """
        INSERT INTO tree_nodes (id, name, endpoint, zone, role, epoch, started, beat, expiry_ms)
        VALUES ($1, $2, $3, $4, $5, 1, clock_timestamp(), clock_timestamp(), $6)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, endpoint = excluded.endpoint, zone = excluded.zone,
            role = excluded.role, epoch = tree_nodes.epoch + 1, started = excluded.started, beat = excluded.beat,
            expiry_ms = excluded.expiry_ms
        RETURNING epoch, started
        """;

    public const string Leave = "DELETE FROM tree_nodes WHERE id = $1 AND epoch = $2";

    /// <summary>Those whose tree this node takes over, and how long until the last of them is certainly
    /// fenced.</summary>
    public const string SelectWriters =
        """
        SELECT name, (EXTRACT(EPOCH FROM beat - clock_timestamp()) * 1000)::bigint + expiry_ms FROM tree_nodes
        WHERE id <> $1 AND role = 0 AND beat + expiry_ms * INTERVAL '1 millisecond' > clock_timestamp()
        ORDER BY 2 DESC LIMIT 1
        """;

    public const string SelectAll = $"SELECT {Columns} FROM tree_nodes ORDER BY id";

    /// <summary>
    /// A heartbeat, and the nodes as they were before it. None is made where another service has the id by now, or the
    /// tree.
    /// </summary>
    public const string Beat =
        $"""
        WITH made AS (
            UPDATE tree_nodes SET beat = clock_timestamp()
            WHERE id = $1 AND epoch = $2
                AND ($3 = 0 OR EXISTS (SELECT 1 FROM tree_owner o WHERE o.id = 1 AND o.epoch = $3))
            RETURNING 1)
        SELECT {Columns}, (SELECT COUNT(*) FROM made) FROM tree_nodes ORDER BY id
        """;

    /// <summary>Reads a row of <see cref="SelectAll"/> or <see cref="Beat"/>.</summary>
    public static NodeStatus Read(DbDataReader reader) => new(
        new ClusterNode(reader.GetString(0), reader.GetString(1))
        {
            PeerEndpoint = reader.IsDBNull(2) ? null : new Uri(reader.GetString(2)),
            Zone = reader.IsDBNull(3) ? null : reader.GetString(3),
            Role = (NodeRole)reader.GetInt64(4),
            Epoch = reader.GetInt64(5),
            StartedAt = reader.GetFieldValue<DateTimeOffset>(6),
        },
        reader.GetBoolean(7),
        TimeSpan.FromMilliseconds(Math.Max(0, reader.GetInt64(8))));
}
