using System.Data.Common;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>
/// The statements on <c>inodes</c>. Every row that is read is checked against its checksum; every write seals it
/// anew.
/// </summary>
internal sealed class InodeTable(SqlSession session)
{
    /// <summary>
    /// The attribute columns, in the order <see cref="ReadAttributes"/> wants them; the table must be called i.
    /// </summary>
    public const string AttributeColumns =
        """
        i.inode, i.kind, i.mode, i.user_id, i.group_id, i.link_count, i.size_bytes, i.generation, i.last_generation,
            i.version,
        i.state, i.attachment_id, i.access_time, i.modify_time, i.change_time, i.link_target, i.device,
            i.quota_folder, i.birth_time, i.attribute_crc
        """;

    /// <summary>The content columns that follow <see cref="AttributeColumns"/> for <see cref="ReadRow"/>.</summary>
    public const string ContentColumns =
        """
        i.placement, i.object_attachment, i.object_key, i.object_etag, i.object_version, i.object_size, i.object_offset,
        i.checked_time, i.resident_bytes, i.residency, i.object_class, i.object_time, i.content_crc
        """;

    /// <summary>How many columns <see cref="AttributeColumns"/> and <see cref="ContentColumns"/> are.</summary>
    public const int RowColumnCount = AttributeColumnCount + 13;

    private const int AttributeColumnCount = 20;

    private const string SelectAttributes = $"SELECT {AttributeColumns} FROM inodes i WHERE i.inode = $1";

    private const string SelectRow = $"SELECT {AttributeColumns}, {ContentColumns} FROM inodes i WHERE i.inode = $1";

    private const string SelectOrphans = "SELECT inode FROM inodes WHERE link_count = 0 ORDER BY inode";

    private const string SelectPlaced =
        $"""
        SELECT {AttributeColumns}, {ContentColumns} FROM inodes i
        WHERE i.inode > $1 AND i.placement IS NOT NULL ORDER BY i.inode LIMIT $2
        """;

    private const string SelectUnseen =
        $"""
        SELECT {AttributeColumns}, {ContentColumns} FROM inodes i
        WHERE i.inode > $1 AND i.attachment_id = $2 AND i.kind = 1 AND i.link_count > 0 AND i.state <> 1
            AND i.object_key IS NOT NULL AND i.object_offset = 0 AND i.checked_time < $3
        ORDER BY i.inode LIMIT $4
        """;

    private const string SelectChanged =
        $"""
        SELECT {AttributeColumns} FROM inodes i
        WHERE i.inode > $1 AND i.kind = 1 AND i.change_time >= $2 ORDER BY i.inode LIMIT $3
        """;

    private const string Insert =
        """
        INSERT INTO inodes (inode, kind, mode, user_id, group_id, link_count, size_bytes, generation,
            last_generation, version,
            state, attachment_id, access_time, modify_time, change_time, link_target, device,
            birth_time, quota_folder, attribute_crc,
            placement, object_attachment, object_key, object_etag, object_version, object_size, object_offset,
            checked_time, resident_bytes, residency, object_class, object_time, content_crc)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
            $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33)
        """;

    private const string UpdateAttributes =
        """
        UPDATE inodes SET mode = $1, user_id = $2, group_id = $3, link_count = $4, size_bytes = $5, generation = $6,
            last_generation = $7, version = $8, state = $9, attachment_id = $10, access_time = $11, modify_time = $12,
            change_time = $13, quota_folder = $14, attribute_crc = $15
        WHERE inode = $16
        """;

    private const string UpdateRow =
        """
        UPDATE inodes SET mode = $1, user_id = $2, group_id = $3, link_count = $4, size_bytes = $5, generation = $6,
            last_generation = $7, version = $8, state = $9, attachment_id = $10, access_time = $11, modify_time = $12,
            change_time = $13, quota_folder = $14, attribute_crc = $15,
            placement = $16, object_attachment = $17, object_key = $18, object_etag = $19, object_version = $20,
            object_size = $21, object_offset = $22, checked_time = $23, resident_bytes = $24, residency = $25,
            object_class = $26, object_time = $27, content_crc = $28
        WHERE inode = $29
        """;

    /// <summary>One inode's attributes, or null.</summary>
    public InodeRow? FindAttributes(InodeId inode)
    {
        using DbDataReader reader = session.Get(SelectAttributes).Add(inode.Value).Query();
        return reader.Read() ? ReadAttributes(reader) : null;
    }

    /// <summary>One inode's whole row, or null.</summary>
    public InodeRow? Find(InodeId inode)
    {
        using DbDataReader reader = session.Get(SelectRow).Add(inode.Value).Query();
        return reader.Read() ? ReadRow(reader) : null;
    }

    /// <summary>The inodes without a name.</summary>
    public List<InodeId> ListOrphans()
    {
        List<InodeId> orphans = [];
        using DbDataReader reader = session.Get(SelectOrphans).Query();
        while (reader.Read())
        {
            orphans.Add(new InodeId(reader.GetInt64(0)));
        }

        return orphans;
    }

    /// <summary>A page of the rows that have a hot copy, by inode.</summary>
    public List<InodeRow> ListPlaced(InodeId after, int limit) =>
        ReadRows(session.Get(SelectPlaced).Add(after.Value).Add((long)limit));

    /// <summary>
    /// A page of an attachment's files whose object was last seen before a time; not of those in packs, whose names no
    /// listing shows.
    /// </summary>
    public List<InodeRow> ListUnseen(InodeId after, long attachmentId, long beforeTime, int limit) =>
        ReadRows(session.Get(SelectUnseen).Add(after.Value).Add(attachmentId).Add(beforeTime).Add((long)limit));

    /// <summary>A page of the files that changed since a time, by inode, with their attributes only.</summary>
    public List<InodeRow> ListChanged(InodeId after, long sinceTime, int limit)
    {
        List<InodeRow> rows = [];
        using DbDataReader reader = session.Get(SelectChanged).Add(after.Value).Add(sinceTime).Add((long)limit).Query();
        while (reader.Read())
        {
            rows.Add(ReadAttributes(reader));
        }

        return rows;
    }

    /// <summary>Adds a row.</summary>
    public void Add(InodeRow row)
    {
        SqlStatement insert = session.Get(Insert).Add(row.Inode.Value).Add((long)row.Kind);
        BindAttributes(insert, row, withTarget: true);
        BindContent(insert, row);
        insert.Execute();
        row.Stored = (row.QuotaFolder, row.SizeBytes);
        row.StoredContent = (row.Generation, row.Version);
        Ledger?.Added(row);
    }

    /// <summary>Writes the attributes back.</summary>
    public void SaveAttributes(InodeRow row)
    {
        SqlStatement update = session.Get(UpdateAttributes);
        BindAttributes(update, row, withTarget: false);
        update.Add(row.Inode.Value).Execute();
        Account(row);
    }

    /// <summary>Writes attributes and content back.</summary>
    public void Save(InodeRow row)
    {
        if (!row.HasContent)
        {
            throw new DataLayerException(ErrorCode.Internal, $"Inode {row.Inode} would lose its content columns.");
        }

        SqlStatement update = session.Get(UpdateRow);
        BindAttributes(update, row, withTarget: false);
        BindContent(update, row);
        update.Add(row.Inode.Value).Execute();
        Account(row);
    }

    /// <summary>Removes a row.</summary>
    public void Remove(InodeRow row)
    {
        session.Get("DELETE FROM inodes WHERE inode = $1").Add(row.Inode.Value).Execute();
        Changes?.Removed(row);
        Ledger?.Removed(row);
    }

    /// <summary>Told of every row that is written; null where nobody follows.</summary>
    public ChangeLog? Changes { get; set; }

    /// <summary>The accounts of quotas: told of every row that is written. Only where the session writes.</summary>
    public QuotaLedger? Ledger { get; set; }

    private void Account(InodeRow row)
    {
        Changes?.Saved(row);
        if (row.Stored != (row.QuotaFolder, row.SizeBytes))
        {
            Ledger?.Changed(row);
            row.Stored = (row.QuotaFolder, row.SizeBytes);
        }
    }

    /// <summary>Reads <see cref="AttributeColumns"/> from column <paramref name="first"/> on and checks them.</summary>
    public static InodeRow ReadAttributes(DbDataReader reader, int first = 0)
    {
        InodeRow row = new()
        {
            Inode = new InodeId(reader.GetInt64(first)),
            Kind = (FileKind)reader.GetInt64(first + 1),
            Mode = (int)reader.GetInt64(first + 2),
            UserId = (int)reader.GetInt64(first + 3),
            GroupId = (int)reader.GetInt64(first + 4),
            LinkCount = (int)reader.GetInt64(first + 5),
            SizeBytes = reader.GetInt64(first + 6),
            Generation = (uint)reader.GetInt64(first + 7),
            LastGeneration = (uint)reader.GetInt64(first + 8),
            Version = reader.GetInt64(first + 9),
            State = (TierState)reader.GetInt64(first + 10),
            AttachmentId = reader.GetInt64(first + 11),
            AccessTime = reader.GetInt64(first + 12),
            ModifyTime = reader.GetInt64(first + 13),
            ChangeTime = reader.GetInt64(first + 14),
            LinkTarget = reader.IsDBNull(first + 15) ? null : reader.GetString(first + 15),
            Device = (uint)reader.GetInt64(first + 16),
            QuotaFolder = reader.GetInt64(first + 17),
            BirthTime = reader.GetInt64(first + 18),
        };
        row.Stored = (row.QuotaFolder, row.SizeBytes);
        row.StoredContent = (row.Generation, row.Version);
        if (row.ComputeAttributeCrc() != (uint)reader.GetInt64(first + 19))
        {
            throw RowFault.Damaged($"the attributes of inode {row.Inode}");
        }

        return row;
    }

    /// <summary>Reads attributes and content from column <paramref name="first"/> on and checks them.</summary>
    public static InodeRow ReadRow(DbDataReader reader, int first = 0)
    {
        InodeRow row = ReadAttributes(reader, first);
        int c = first + AttributeColumnCount;
        row.HasContent = true;
        row.Placement = reader.IsDBNull(c) ? null : reader.GetString(c);
        if (!reader.IsDBNull(c + 2))
        {
            row.Object = new ObjectReference(
                reader.GetInt64(c + 1),
                reader.GetString(c + 2),
                reader.IsDBNull(c + 3) ? string.Empty : reader.GetString(c + 3),
                reader.IsDBNull(c + 4) ? null : reader.GetString(c + 4),
                reader.GetInt64(c + 5),
                reader.GetInt64(c + 6),
                reader.IsDBNull(c + 10) ? null : reader.GetString(c + 10),
                reader.GetInt64(c + 11));
        }

        row.CheckedTime = reader.GetInt64(c + 7);
        row.ResidentBytes = reader.GetInt64(c + 8);
        row.Residency = reader.IsDBNull(c + 9) ? null : reader.GetFieldValue<byte[]>(c + 9);
        if (row.ComputeContentCrc() != (uint)reader.GetInt64(c + 12))
        {
            throw RowFault.Damaged($"the content of inode {row.Inode}");
        }

        return row;
    }

    private static void BindAttributes(SqlStatement statement, InodeRow row, bool withTarget)
    {
        statement.Add((long)row.Mode).Add((long)row.UserId).Add((long)row.GroupId).Add((long)row.LinkCount)
            .Add(row.SizeBytes)
            .Add((long)row.Generation).Add((long)row.LastGeneration).Add(row.Version).Add((long)row.State)
                .Add(row.AttachmentId)
            .Add(row.AccessTime).Add(row.ModifyTime).Add(row.ChangeTime);
        if (withTarget)
        {
            statement.Add(row.LinkTarget).Add((long)row.Device).Add(row.BirthTime);
        }

        statement.Add(row.QuotaFolder).Add((long)row.ComputeAttributeCrc());
    }

    private static void BindContent(SqlStatement statement, InodeRow row) =>
        statement.Add(row.Placement).Add(row.Object?.AttachmentId).Add(row.Object?.Key).Add(row.Object?.ETag)
            .Add(row.Object?.VersionId).Add(row.Object?.SizeBytes).Add(row.Object?.PackOffsetBytes)
            .Add(row.CheckedTime).Add(row.ResidentBytes).Add(row.Residency)
            .Add(row.Object?.StorageClass).Add(row.Object?.StoredTimeNanoseconds ?? 0)
            .Add((long)row.ComputeContentCrc());

    private static List<InodeRow> ReadRows(SqlStatement query)
    {
        List<InodeRow> rows = [];
        using DbDataReader reader = query.Query();
        while (reader.Read())
        {
            rows.Add(ReadRow(reader));
        }

        return rows;
    }
}
