using System.Data.Common;
using DataLayer.Core.Identity;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>
/// The statements on <c>packs</c>, <c>pack_members</c> and <c>pack_changes</c>. What of a pack is in use is not counted
/// there: the files' own rows say so, by an index over those in packs.
/// </summary>
internal sealed class PackTable(SqlSession session)
{
    private const string Columns =
        "p.id, p.attachment_id, p.object_key, p.etag, p.size_bytes, p.member_count, p.member_bytes, p.state, "
            + "p.created_time, p.crc";

    private const string LiveFrom =
        """
        FROM inodes i WHERE i.object_offset > 0 AND i.object_key = p.object_key
            AND i.object_attachment = p.attachment_id AND i.link_count > 0 AND i.state <> 1
        """;

    private const string SelectOne = $"SELECT {Columns} FROM packs p WHERE p.id = $1";

    private const string SelectByKey =
        $"SELECT {Columns} FROM packs p WHERE p.attachment_id = $1 AND p.object_key = $2";

    private const string SelectUse =
        $"""
        SELECT {Columns}, (SELECT COUNT(*) {LiveFrom}),
            (SELECT CAST(COALESCE(SUM(i.size_bytes), 0) AS BIGINT) {LiveFrom})
        FROM packs p WHERE p.id > $1 ORDER BY p.id LIMIT $2
        """;

    private const string SelectAll = $"SELECT {Columns} FROM packs p";

    private const string SelectAnyLive = $"SELECT 1 FROM packs p WHERE p.id = $1 AND EXISTS (SELECT 1 {LiveFrom})";

    private const string SelectLive =
        $"SELECT i.inode FROM packs p JOIN inodes i ON i.object_key = p.object_key "
            + "AND i.object_attachment = p.attachment_id WHERE p.id = $1 AND i.object_offset > 0 "
            + "AND i.link_count > 0 AND i.state <> 1 ORDER BY i.object_offset";

    private const string CountOfAttachment =
        """
        SELECT COUNT(*) FROM inodes i WHERE i.object_offset > 0 AND i.object_attachment = $1 AND i.link_count > 0
            AND i.state <> 1
        """;

    private const string Insert =
        """
        INSERT INTO packs (id, attachment_id, object_key, etag, size_bytes, member_count, member_bytes, state,
            created_time, crc)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """;

    private const string Update =
        """
        UPDATE packs SET etag = $1, size_bytes = $2, member_count = $3, member_bytes = $4, state = $5, crc = $6
        WHERE id = $7
        """;

    private const string SelectFormer =
        "SELECT inode, pack, former_etag, crc FROM pack_members WHERE inode = $1 ORDER BY pack DESC LIMIT 1";

    private const string SelectAllMembers = "SELECT inode, pack, former_etag, crc FROM pack_members";

    private const string InsertMember =
        "INSERT INTO pack_members (inode, pack, former_etag, crc) VALUES ($1, $2, $3, $4)";

    private const string SelectChange =
        "SELECT pack, member_offset, inode, is_gone, crc FROM pack_changes WHERE pack = $1 AND member_offset = $2";

    private const string SelectChanges =
        "SELECT pack, member_offset, inode, is_gone, crc FROM pack_changes WHERE pack = $1 ORDER BY member_offset";

    private const string SelectAllChanges = "SELECT pack, member_offset, inode, is_gone, crc FROM pack_changes";

    private const string InsertChange =
        "INSERT INTO pack_changes (pack, member_offset, inode, is_gone, crc) VALUES ($1, $2, $3, $4, $5)";

    private const string UpdateChange =
        "UPDATE pack_changes SET inode = $1, is_gone = $2, crc = $3 WHERE pack = $4 AND member_offset = $5";

    private const string SelectUser =
        """
        SELECT 1 FROM inodes i WHERE i.object_offset > 0 AND i.object_key = $1 AND i.object_attachment = $2
            AND i.object_offset = $3 AND i.link_count > 0 LIMIT 1
        """;

    /// <summary>One pack, or null.</summary>
    public PackRecord? Find(long id) => ReadOne(session.Get(SelectOne).Add(id));

    /// <summary>The pack at a key, or null.</summary>
    public PackRecord? FindByKey(long attachmentId, string key) =>
        ReadOne(session.Get(SelectByKey).Add(attachmentId).Add(key));

    /// <summary>Packs after a number, with what of them is in use.</summary>
    public List<PackUse> ListUse(long after, int limit)
    {
        List<PackUse> packs = [];
        using DbDataReader reader = session.Get(SelectUse).Add(after).Add((long)limit).Query();
        while (reader.Read())
        {
            packs.Add(new PackUse(Read(reader), reader.GetInt64(10), reader.GetInt64(11)));
        }

        return packs;
    }

    /// <summary>Whether a file needs a pack.</summary>
    public bool IsLive(long id) => session.Get(SelectAnyLive).Add(id).QueryAny();

    /// <summary>The files that need a pack, in the order of their bytes.</summary>
    public List<InodeId> ListLive(long id)
    {
        List<InodeId> live = [];
        using DbDataReader reader = session.Get(SelectLive).Add(id).Query();
        while (reader.Read())
        {
            live.Add(new InodeId(reader.GetInt64(0)));
        }

        return live;
    }

    /// <summary>How many files of an attachment lie in packs.</summary>
    public long CountMembers(long attachmentId) => session.Get(CountOfAttachment).Add(attachmentId).QueryInt64() ?? 0;

    /// <summary>Adds a pack.</summary>
    public void Add(PackRecord pack) => session.Get(Insert)
        .Add(pack.Id).Add(pack.AttachmentId).Add(pack.Key).Add(pack.ETag).Add(pack.SizeBytes).Add(pack.MemberCount)
        .Add(pack.MemberBytes).Add((long)pack.State).Add(pack.CreatedTimeNanoseconds).Add((long)ComputeCrc(pack))
        .Execute();

    /// <summary>Writes back what was stored.</summary>
    public void Save(PackRecord pack) => session.Get(Update)
        .Add(pack.ETag).Add(pack.SizeBytes).Add(pack.MemberCount).Add(pack.MemberBytes).Add((long)pack.State)
        .Add((long)ComputeCrc(pack)).Add(pack.Id).Execute();

    /// <summary>Forgets a pack and who was put into it.</summary>
    public void Remove(long id)
    {
        session.Get("DELETE FROM pack_members WHERE pack = $1").Add(id).Execute();
        session.Get("DELETE FROM pack_changes WHERE pack = $1").Add(id).Execute();
        session.Get("DELETE FROM packs WHERE id = $1").Add(id).Execute();
    }

    /// <summary>Forgets an attachment's packs.</summary>
    public void RemoveOfAttachment(long attachmentId)
    {
        session.Get("DELETE FROM pack_members WHERE pack IN (SELECT id FROM packs WHERE attachment_id = $1)")
            .Add(attachmentId).Execute();
        session.Get("DELETE FROM pack_changes WHERE pack IN (SELECT id FROM packs WHERE attachment_id = $1)")
            .Add(attachmentId).Execute();
        session.Get("DELETE FROM packs WHERE attachment_id = $1").Add(attachmentId).Execute();
    }

    /// <summary>Notes that a file was put into a pack, and the ETag of the object of its own that it had.</summary>
    public void AddMember(InodeId inode, long pack, string formerETag) => session.Get(InsertMember)
        .Add(inode.Value).Add(pack).Add(formerETag).Add((long)ComputeCrc(inode, pack, formerETag)).Execute();

    /// <summary>The ETag of the last object of its own that a file in a pack had, or null.</summary>
    public string? FindFormer(InodeId inode)
    {
        using DbDataReader reader = session.Get(SelectFormer).Add(inode.Value).Query();
        return reader.Read() ? ReadMember(reader) : null;
    }

    /// <summary>What became of a member since it was packed, or null.</summary>
    public PackChangeRow? FindChange(long pack, long offsetBytes)
    {
        using DbDataReader reader = session.Get(SelectChange).Add(pack).Add(offsetBytes).Query();
        return reader.Read() ? ReadChange(reader) : null;
    }

    /// <summary>What became of a pack's members, by their offsets.</summary>
    public List<PackChangeRow> ListChanges(long pack)
    {
        List<PackChangeRow> changes = [];
        using DbDataReader reader = session.Get(SelectChanges).Add(pack).Query();
        while (reader.Read())
        {
            changes.Add(ReadChange(reader));
        }

        return changes;
    }

    /// <summary>Whether anything became of a pack's members.</summary>
    public bool HasChanges(long pack) =>
        session.Get("SELECT 1 FROM pack_changes WHERE pack = $1 LIMIT 1").Add(pack).QueryAny();

    /// <summary>Notes what became of a member.</summary>
    /// <returns>Whether that was not known.</returns>
    public bool NoteChange(PackChangeRow change)
    {
        if (FindChange(change.Pack, change.OffsetBytes) is not { } known)
        {
            session.Get(InsertChange).Add(change.Pack).Add(change.OffsetBytes).Add(change.Inode.Value)
                .Add(change.IsGone ? 1L : 0L).Add((long)change.ComputeCrc()).Execute();
            return true;
        }

        if (known == change && change.IsGone)
        {
            return false;
        }

        // Of a name it is not known which one was written: it may have changed once more.
        session.Get(UpdateChange).Add(change.Inode.Value).Add(change.IsGone ? 1L : 0L).Add((long)change.ComputeCrc())
            .Add(change.Pack).Add(change.OffsetBytes).Execute();
        return true;
    }

    /// <summary>Whether a file's content, current or about to be replaced, lies at a place in a pack.</summary>
    public bool HasUser(PackRecord pack, long offsetBytes) =>
        session.Get(SelectUser).Add(pack.Key).Add(pack.AttachmentId).Add(offsetBytes).QueryAny();

    /// <summary>Reads every row of what became of members: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAllChanges() =>
        RowFault.FindAll(session.Get(SelectAllChanges), static reader => ReadChange(reader));

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() => RowFault.FindAll(session.Get(SelectAll), static reader => Read(reader));

    /// <summary>The same of the members.</summary>
    public IEnumerable<string> CheckAllMembers() =>
        RowFault.FindAll(session.Get(SelectAllMembers), static reader => ReadMember(reader));

    private static PackRecord? ReadOne(SqlStatement statement)
    {
        using DbDataReader reader = statement.Query();
        return reader.Read() ? Read(reader) : null;
    }

    private static PackRecord Read(DbDataReader reader)
    {
        PackRecord pack = new()
        {
            Id = reader.GetInt64(0),
            AttachmentId = reader.GetInt64(1),
            Key = reader.GetString(2),
            ETag = reader.GetString(3),
            SizeBytes = reader.GetInt64(4),
            MemberCount = reader.GetInt64(5),
            MemberBytes = reader.GetInt64(6),
            State = (PackState)reader.GetInt64(7),
            CreatedTimeNanoseconds = reader.GetInt64(8),
        };
        return ComputeCrc(pack) == (uint)reader.GetInt64(9) ? pack : throw RowFault.Damaged($"pack {pack.Id}");
    }

    private static PackChangeRow ReadChange(DbDataReader reader)
    {
        PackChangeRow row = new(
            reader.GetInt64(0), reader.GetInt64(1), new InodeId(reader.GetInt64(2)), reader.GetInt64(3) != 0);
        return row.ComputeCrc() == (uint)reader.GetInt64(4)
            ? row
            : throw RowFault.Damaged($"the change of member {row.OffsetBytes} of pack {row.Pack}");
    }

    private static string ReadMember(DbDataReader reader)
    {
        InodeId inode = new(reader.GetInt64(0));
        string former = reader.GetString(2);
        return ComputeCrc(inode, reader.GetInt64(1), former) == (uint)reader.GetInt64(3)
            ? former
            : throw RowFault.Damaged($"the member {inode} of pack {reader.GetInt64(1)}");
    }

    private static uint ComputeCrc(PackRecord pack)
    {
        RowChecksum sum = default;
        sum.Add(pack.Id);
        sum.Add(pack.AttachmentId);
        sum.Add(pack.Key);
        sum.Add(pack.ETag);
        sum.Add(pack.SizeBytes);
        sum.Add(pack.MemberCount);
        sum.Add(pack.MemberBytes);
        sum.Add((long)pack.State);
        sum.Add(pack.CreatedTimeNanoseconds);
        return sum.Value;
    }

    private static uint ComputeCrc(InodeId inode, long pack, string former)
    {
        RowChecksum sum = default;
        sum.Add(inode.Value);
        sum.Add(pack);
        sum.Add(former);
        return sum.Value;
    }
}
