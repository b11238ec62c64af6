using System.Data.Common;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The statements on <c>headrooms</c>.</summary>
internal sealed class HeadroomTable(SqlSession session)
{
    private const string SelectAll =
        "SELECT id, name, spec, state, owner, version, created_time, crc FROM headrooms ORDER BY id";

    private const string Upsert =
        """
        INSERT INTO headrooms (id, name, spec, state, owner, version, created_time, crc)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (id) DO UPDATE SET name = excluded.name, spec = excluded.spec, state = excluded.state,
            owner = excluded.owner, version = excluded.version, created_time = excluded.created_time,
            crc = excluded.crc
        """;

    /// <summary>All headrooms by number.</summary>
    public List<HeadroomRecord> List()
    {
        List<HeadroomRecord> all = [];
        using DbDataReader reader = session.Get(SelectAll).Query();
        while (reader.Read())
        {
            all.Add(Read(reader));
        }

        return all;
    }

    /// <summary>Adds a headroom or writes it back.</summary>
    public void Save(HeadroomRecord h) => session.Get(Upsert)
        .Add(h.Id).Add(h.Name).Add(h.Spec).Add(h.State).Add(h.Owner).Add(h.Version).Add(h.CreatedTime)
        .Add((long)ComputeCrc(h)).Execute();

    /// <summary>Removes a headroom.</summary>
    /// <returns>Whether it was there.</returns>
    public bool Remove(long id) =>
        session.Get("DELETE FROM headrooms WHERE id = $1").Add(id).Execute() == 1;

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() =>
        RowFault.FindAll(session.Get(SelectAll), static reader => _ = Read(reader));

    private static HeadroomRecord Read(DbDataReader reader)
    {
        HeadroomRecord headroom = new()
        {
            Id = reader.GetInt64(0),
            Name = reader.GetString(1),
            Spec = reader.GetString(2),
            State = reader.IsDBNull(3) ? null : reader.GetString(3),
            Owner = reader.GetString(4),
            Version = reader.GetInt64(5),
            CreatedTime = reader.GetInt64(6),
        };
        return ComputeCrc(headroom) == (uint)reader.GetInt64(7)
            ? headroom
            : throw RowFault.Damaged($"headroom {headroom.Id}");
    }

    private static uint ComputeCrc(HeadroomRecord h)
    {
        RowChecksum sum = default;
        sum.Add(h.Id);
        sum.Add(h.Name);
        sum.Add(h.Spec);
        sum.Add(h.State);
        sum.Add(h.Owner);
        sum.Add(h.Version);
        sum.Add(h.CreatedTime);
        return sum.Value;
    }
}
