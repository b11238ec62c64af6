using System.Data.Common;
using DataLayer.Core.Identity;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The statements on <c>xattrs</c>.</summary>
internal sealed class XattrTable(SqlSession session)
{
    private const string Select = "SELECT value, crc FROM xattrs WHERE inode = $1 AND name = $2";

    private const string SelectAll = "SELECT inode, name, value, crc FROM xattrs";

    private const string SelectNames = "SELECT name, LENGTH(value) FROM xattrs WHERE inode = $1 ORDER BY name";

    private const string SelectByName =
        "SELECT inode, value, crc FROM xattrs WHERE name = $1 ORDER BY inode";

    private const string Upsert =
        """
        INSERT INTO xattrs (inode, name, value, crc) VALUES ($1, $2, $3, $4)
        ON CONFLICT (inode, name) DO UPDATE SET value = excluded.value, crc = excluded.crc
        """;

    private const string Delete = "DELETE FROM xattrs WHERE inode = $1 AND name = $2";

    /// <summary>One value, or null.</summary>
    public byte[]? Find(InodeId inode, string name)
    {
        using DbDataReader reader = session.Get(Select).Add(inode.Value).Add(name).Query();
        if (!reader.Read())
        {
            return null;
        }

        byte[] value = reader.GetFieldValue<byte[]>(0);
        return ComputeCrc(inode, name, value) == (uint)reader.GetInt64(1)
            ? value
            : throw RowFault.Damaged($"extended attribute '{name}' of inode {inode}");
    }

    /// <summary>All inodes that have an attribute, with its value. Reads every attribute there is.</summary>
    public List<(InodeId Inode, byte[] Value)> FindAll(string name)
    {
        List<(InodeId Inode, byte[] Value)> found = [];
        using DbDataReader reader = session.Get(SelectByName).Add(name).Query();
        while (reader.Read())
        {
            InodeId inode = new(reader.GetInt64(0));
            byte[] value = reader.GetFieldValue<byte[]>(1);
            found.Add(ComputeCrc(inode, name, value) == (uint)reader.GetInt64(2)
                ? (inode, value)
                : throw RowFault.Damaged($"extended attribute '{name}' of inode {inode}"));
        }

        return found;
    }

    /// <summary>All names of an inode in order, and how many bytes names and values take together.</summary>
    public List<string> ListNames(InodeId inode, out long totalBytes)
    {
        List<string> names = [];
        totalBytes = 0;
        using DbDataReader reader = session.Get(SelectNames).Add(inode.Value).Query();
        while (reader.Read())
        {
            names.Add(reader.GetString(0));
            totalBytes += reader.GetString(0).Length + reader.GetInt64(1);
        }

        return names;
    }

    /// <summary>Told of every inode whose attributes are written; null where nobody follows.</summary>
    public ChangeLog? Changes { get; set; }

    /// <summary>Sets a value.</summary>
    public void Set(InodeId inode, string name, byte[] value)
    {
        Changes?.Attributed(inode);
        session.Get(Upsert).Add(inode.Value).Add(name).Add(value).Add((long)ComputeCrc(inode, name, value)).Execute();
    }

    /// <summary>Removes a value.</summary>
    /// <returns>Whether it was there.</returns>
    public bool Remove(InodeId inode, string name)
    {
        Changes?.Attributed(inode);
        return session.Get(Delete).Add(inode.Value).Add(name).Execute() == 1;
    }

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() => RowFault.FindAll(session.Get(SelectAll), static reader =>
    {
        InodeId inode = new(reader.GetInt64(0));
        string name = reader.GetString(1);
        if (ComputeCrc(inode, name, reader.GetFieldValue<byte[]>(2)) != (uint)reader.GetInt64(3))
        {
            throw RowFault.Damaged($"extended attribute '{name}' of inode {inode}");
        }
    });

    private static uint ComputeCrc(InodeId inode, string name, byte[] value)
    {
        RowChecksum sum = default;
        sum.Add(inode.Value);
        sum.Add(name);
        sum.Add(value);
        return sum.Value;
    }
}
