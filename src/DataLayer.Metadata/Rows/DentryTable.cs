using System.Data.Common;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The statements on <c>dentries</c>. Names are UTF-8 bytes and compare as bytes.</summary>
internal sealed class DentryTable(SqlSession session)
{
    private const string SelectOne = "SELECT parent, name, inode, kind, crc FROM dentries WHERE parent = $1 AND "
        + "name = $2";

    private const string SelectOfInode =
        "SELECT parent, name, inode, kind, crc FROM dentries WHERE inode = $1 ORDER BY parent, name";

    private const string SelectAny = "SELECT 1 FROM dentries WHERE parent = $1 LIMIT 1";

    private const string SelectPage =
        "SELECT parent, name, inode, kind, crc FROM dentries WHERE parent = $1 AND name > $2 ORDER BY name LIMIT $3";

    private const string InsertOne =
        "INSERT INTO dentries (parent, name, inode, kind, crc) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";

    private const string UpdateOne = "UPDATE dentries SET inode = $1, kind = $2, crc = $3 WHERE parent = $4 AND "
        + "name = $5";

    private const string DeleteOne = "DELETE FROM dentries WHERE parent = $1 AND name = $2";

    private const string CountOfFolders = "SELECT COUNT(*) FROM dentries WHERE parent = $1 AND kind = 2";

    private const string SelectAll = "SELECT parent, name, inode, kind, crc FROM dentries";

    private const string LookupAttributes =
        $"""
        SELECT d.parent, d.name, d.inode, d.kind, d.crc, {InodeTable.AttributeColumns}
        FROM dentries d LEFT JOIN inodes i ON i.inode = d.inode WHERE d.parent = $1 AND d.name = $2
        """;

    private const string PageAttributes =
        $"""
        SELECT d.parent, d.name, d.inode, d.kind, d.crc, {InodeTable.AttributeColumns}
        FROM dentries d LEFT JOIN inodes i ON i.inode = d.inode
        WHERE d.parent = $1 AND d.name > $2 ORDER BY d.name LIMIT $3
        """;

    private const int ColumnCount = 5;

    /// <summary>One name, or null.</summary>
    public DentryRow? Find(InodeId parent, byte[] name)
    {
        using DbDataReader reader = session.Get(SelectOne).Add(parent.Value).Add(name).Query();
        return reader.Read() ? Read(reader) : null;
    }

    /// <summary>All names of an inode, by folder and name.</summary>
    public List<DentryRow> ListOf(InodeId inode)
    {
        List<DentryRow> names = [];
        using DbDataReader reader = session.Get(SelectOfInode).Add(inode.Value).Query();
        while (reader.Read())
        {
            names.Add(Read(reader));
        }

        return names;
    }

    /// <summary>The first name of an inode, or null.</summary>
    public DentryRow? FirstOf(InodeId inode)
    {
        using DbDataReader reader = session.Get(SelectOfInode).Add(inode.Value).Query();
        return reader.Read() ? Read(reader) : null;
    }

    /// <summary>Whether a folder has a name in it.</summary>
    public bool Any(InodeId parent) => session.Get(SelectAny).Add(parent.Value).QueryAny();

    /// <summary>Names after <paramref name="after"/>, in byte order.</summary>
    public List<DentryRow> ListPage(InodeId parent, byte[] after, int limit)
    {
        List<DentryRow> names = [];
        using DbDataReader reader = session.Get(SelectPage).Add(parent.Value).Add(after).Add((long)limit).Query();
        while (reader.Read())
        {
            names.Add(Read(reader));
        }

        return names;
    }

    /// <summary>One name with its inode's attributes, or null.</summary>
    public InodeRow? Lookup(InodeId parent, byte[] name)
    {
        using DbDataReader reader = session.Get(LookupAttributes).Add(parent.Value).Add(name).Query();
        return reader.Read() ? ReadInode(reader, out _) : null;
    }

    /// <summary>Names after <paramref name="after"/> with their attributes, in byte order.</summary>
    public List<DirectoryEntry> ListAttributes(InodeId parent, byte[] after, int limit)
    {
        List<DirectoryEntry> entries = [];
        using DbDataReader reader = session.Get(PageAttributes).Add(parent.Value).Add(after).Add((long)limit).Query();
        while (reader.Read())
        {
            InodeRow row = ReadInode(reader, out DentryRow name);
            entries.Add(new DirectoryEntry(TreeName.Decode(name.Name), row.ToAttributes()));
        }

        return entries;
    }

    /// <summary>How many folders a folder has in it, a count.</summary>
    public int CountFolders(InodeId parent) => (int)(session.Get(CountOfFolders).Add(parent.Value).QueryInt64() ?? 0);

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() => RowFault.FindAll(session.Get(SelectAll), static reader => Read(reader));

    /// <summary>Told of every name that is written; null where nobody follows.</summary>
    public ChangeLog? Changes { get; set; }

    /// <summary>Adds a name.</summary>
    /// <returns>False if the name is taken.</returns>
    public bool TryAdd(DentryRow row)
    {
        Changes?.Named(row.Parent, row.Name);
        return session.Get(InsertOne)
            .Add(row.Parent.Value).Add(row.Name).Add(row.Inode.Value).Add((long)row.Kind)
            .Add((long)row.ComputeCrc()).Execute() == 1;
    }

    /// <summary>Lets a name lead to another inode.</summary>
    public void Replace(DentryRow row)
    {
        Changes?.Named(row.Parent, row.Name);
        session.Get(UpdateOne)
            .Add(row.Inode.Value).Add((long)row.Kind).Add((long)row.ComputeCrc()).Add(row.Parent.Value)
            .Add(row.Name).Execute();
    }

    /// <summary>Removes a name.</summary>
    public void Remove(InodeId parent, byte[] name)
    {
        Changes?.Named(parent, name);
        session.Get(DeleteOne).Add(parent.Value).Add(name).Execute();
    }

    private static DentryRow Read(DbDataReader reader)
    {
        DentryRow row = new(
            new InodeId(reader.GetInt64(0)),
            reader.GetFieldValue<byte[]>(1),
            new InodeId(reader.GetInt64(2)),
            (FileKind)reader.GetInt64(3));
        if (row.ComputeCrc() != (uint)reader.GetInt64(4))
        {
            throw RowFault.Damaged($"a name in folder {row.Parent}");
        }

        return row;
    }

    private static InodeRow ReadInode(DbDataReader reader, out DentryRow name)
    {
        name = Read(reader);
        if (reader.IsDBNull(ColumnCount))
        {
            throw RowFault.Damaged($"inode {name.Inode} is missing, but folder {name.Parent} names it; the row");
        }

        return InodeTable.ReadAttributes(reader, ColumnCount);
    }
}
