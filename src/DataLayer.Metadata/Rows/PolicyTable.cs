using System.Data.Common;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The statements on <c>policies</c>. Texts are long: lists leave them out, and with them the row's
/// checksum.</summary>
internal sealed class PolicyTable(SqlSession session)
{
    private const string Columns = "version, created_time, active_time, author, comment, hash, active, body, crc";
    private const string SelectOne = $"SELECT {Columns} FROM policies WHERE version = $1";
    private const string SelectActive = $"SELECT {Columns} FROM policies WHERE active = 1";
    private const string SelectNewest = $"SELECT {Columns} FROM policies ORDER BY version DESC LIMIT 1";
    private const string SelectAll = $"SELECT {Columns} FROM policies ORDER BY version";

    private const string SelectPage =
        """
        SELECT version, created_time, active_time, author, comment, hash, active FROM policies
        WHERE version < $1 ORDER BY version DESC LIMIT $2
        """;

    private const string Insert =
        $"INSERT INTO policies ({Columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

    private const string ClearActive = "UPDATE policies SET active = 0 WHERE active = 1";
    private const string SetActive = "UPDATE policies SET active = 1, active_time = $1 WHERE version = $2";

    /// <summary>A version, or null.</summary>
    public PolicyVersion? Find(long version) => ReadOne(session.Get(SelectOne).Add(version));

    /// <summary>The active version, or null.</summary>
    public PolicyVersion? FindActive() => ReadOne(session.Get(SelectActive));

    /// <summary>The version added last, or null.</summary>
    public PolicyVersion? FindNewest() => ReadOne(session.Get(SelectNewest));

    /// <summary>Versions below a number, newest first, without their texts.</summary>
    public List<PolicyVersion> List(long before, int limit)
    {
        List<PolicyVersion> versions = [];
        using DbDataReader reader = session.Get(SelectPage).Add(before).Add((long)limit).Query();
        while (reader.Read())
        {
            versions.Add(Read(reader, string.Empty));
        }

        return versions;
    }

    /// <summary>Adds a version.</summary>
    public void Add(PolicyVersion policy) => session.Get(Insert)
        .Add(policy.Version).Add(policy.CreatedNanoseconds).Add(policy.ActivatedNanoseconds).Add(policy.Author)
        .Add(policy.Comment).Add(policy.Hash).Add(policy.IsActive ? 1L : 0L).Add(policy.Text)
        .Add((long)ChecksumOf(policy)).Execute();

    /// <summary>Makes a version the active one; 0 for none.</summary>
    public void Activate(long version, long now)
    {
        session.Get(ClearActive).Execute();
        if (version != 0)
        {
            session.Get(SetActive).Add(now).Add(version).Execute();
        }
    }

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() =>
        RowFault.FindAll(session.Get(SelectAll), static reader => ReadWhole(reader));

    private static PolicyVersion? ReadOne(SqlStatement query)
    {
        using DbDataReader reader = query.Query();
        return reader.Read() ? ReadWhole(reader) : null;
    }

    private static PolicyVersion ReadWhole(DbDataReader reader)
    {
        PolicyVersion policy = Read(reader, reader.GetString(7));
        return ChecksumOf(policy) == (uint)reader.GetInt64(8)
            ? policy
            : throw RowFault.Damaged($"policy version {policy.Version}");
    }

    private static PolicyVersion Read(DbDataReader reader, string text) => new()
    {
        Version = reader.GetInt64(0),
        CreatedNanoseconds = reader.GetInt64(1),
        ActivatedNanoseconds = reader.GetInt64(2),
        Author = reader.GetString(3),
        Comment = reader.GetString(4),
        Hash = reader.GetString(5),
        IsActive = reader.GetInt64(6) != 0,
        Text = text,
    };

    // What never changes; the marks of being active are no part of it.
    private static uint ChecksumOf(PolicyVersion policy)
    {
        RowChecksum crc = default;
        crc.Add(policy.Version);
        crc.Add(policy.CreatedNanoseconds);
        crc.Add(policy.Author);
        crc.Add(policy.Comment);
        crc.Add(policy.Hash);
        crc.Add(policy.Text);
        return crc.Value;
    }
}
