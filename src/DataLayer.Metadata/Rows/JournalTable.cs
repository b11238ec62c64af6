using System.Data.Common;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The statements on <c>journal</c>.</summary>
internal sealed class JournalTable(SqlSession session)
{
    private const string Columns =
        """
        j.id, j.kind, j.inode, j.generation, j.attachment_id, j.object_key, j.etag, j.placement, j.failure_count,
            j.due_time,
        j.started, j.replaces, j.crc
        """;

    private const string SelectAll = $"SELECT {Columns} FROM journal j";

    private const string SelectOne = $"SELECT {Columns} FROM journal j WHERE j.id = $1";

    private const string SelectOfInode = $"SELECT {Columns} FROM journal j WHERE j.inode = $1 ORDER BY j.id";

    private const string SelectOfKey =
        $"SELECT {Columns} FROM journal j WHERE j.attachment_id = $1 AND j.object_key = $2 AND j.kind < 3 ORDER BY "
            + "j.id";

    private const string SelectPage = $"SELECT {Columns} FROM journal j WHERE j.id > $1 ORDER BY j.id LIMIT $2";

    private const string SelectKindPage =
        $"SELECT {Columns} FROM journal j WHERE j.kind = $1 AND j.id > $2 ORDER BY j.id LIMIT $3";

    // An upload or delete is next when nothing older stands before it for its key or its inode, and no orphan needs
    // the object.
    private const string SelectDue =
        $"""
        SELECT {Columns} FROM journal j
        WHERE j.kind = $1 AND j.due_time <= $2
            AND (j.kind > 2 OR (
                NOT EXISTS (SELECT 1 FROM journal e WHERE e.attachment_id = j.attachment_id
                    AND e.object_key = j.object_key
                    AND e.kind < 3 AND e.id < j.id)
                AND NOT EXISTS (SELECT 1 FROM journal e WHERE e.inode = j.inode AND e.kind < 3 AND e.id < j.id)
                AND NOT EXISTS (SELECT 1 FROM inodes o WHERE o.link_count = 0 AND o.object_key = j.object_key
                    AND o.object_attachment = j.attachment_id AND o.size_bytes > 0
                    AND (o.state <> 1 OR o.resident_bytes < o.size_bytes))))
        ORDER BY j.due_time, j.id LIMIT $3
        """;

    private const string Insert =
        """
        INSERT INTO journal (id, kind, inode, generation, attachment_id, object_key, etag, placement, failure_count,
            due_time,
            started, replaces, crc)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """;

    private const string UpdateStarted = "UPDATE journal SET started = 1, due_time = $1 WHERE id = $2";

    private const string UpdatePostponed =
        "UPDATE journal SET due_time = $1, failure_count = failure_count + 1 WHERE id = $2";

    private const string UpdateReplaces = "UPDATE journal SET replaces = 1, etag = $1, crc = $2 WHERE id = $3";

    private const string UpdateETag = "UPDATE journal SET etag = $1, crc = $2 WHERE id = $3";

    private const string UpdateDue = "UPDATE journal SET due_time = $1 WHERE id = $2";

    private const string ReleaseLeases = "UPDATE journal SET due_time = 0 WHERE started = 1";

    private const string CountUploads = "SELECT COUNT(*) FROM journal WHERE kind = 1 AND attachment_id = $1";

    private const string CountNames = "SELECT COUNT(*) FROM journal WHERE kind = 5 AND attachment_id = $1";

    private const string AnyDelete = "SELECT 1 FROM journal WHERE kind = 2 AND attachment_id = $1 LIMIT 1";

    private const string CountKind = "SELECT COUNT(*) FROM journal WHERE kind = $1";

    private const string DeleteOfAttachment = "DELETE FROM journal WHERE attachment_id = $1 AND (kind < 3 OR kind = 5)";

    /// <summary>One entry, or null.</summary>
    public JournalRow? Find(long id)
    {
        using DbDataReader reader = session.Get(SelectOne).Add(id).Query();
        return reader.Read() ? Read(reader) : null;
    }

    /// <summary>All entries of an inode, oldest first.</summary>
    public List<JournalRow> ListOfInode(InodeId inode) => ReadAll(session.Get(SelectOfInode).Add(inode.Value));

    /// <summary>The uploads and deletes of a key, oldest first.</summary>
    public List<JournalRow> ListOfKey(long attachmentId, string key) =>
        ReadAll(session.Get(SelectOfKey).Add(attachmentId).Add(key));

    /// <summary>Entries after an id, of one kind or all.</summary>
    public List<JournalRow> ListPage(JournalKind? kind, long afterId, int limit) => kind is { } one
        ? ReadAll(session.Get(SelectKindPage).Add((long)one).Add(afterId).Add((long)limit))
        : ReadAll(session.Get(SelectPage).Add(afterId).Add((long)limit));

    /// <summary>Entries of a kind that are due and next in their order.</summary>
    public List<JournalRow> ListDue(JournalKind kind, long now, int limit) =>
        ReadAll(session.Get(SelectDue).Add((long)kind).Add(now).Add((long)limit));

    /// <summary>Adds an entry; its id must be set.</summary>
    public void Add(JournalRow row)
    {
        JournalEntry entry = row.Entry;
        session.Get(Insert).Add(entry.Id).Add((long)entry.Kind).Add(entry.Content.Inode.Value)
            .Add((long)entry.Content.Generation)
            .Add(entry.AttachmentId).Add(entry.Key).Add(entry.ETag).Add(entry.Placement).Add((long)entry.FailureCount)
            .Add(entry.DueTimeNanoseconds).Add(row.Started ? 1L
                : 0L).Add(row.Replaces ? 1L : 0L).Add((long)row.ComputeCrc())
            .Execute();
    }

    /// <summary>Removes an entry.</summary>
    /// <returns>Whether it was there.</returns>
    public bool Remove(long id) => session.Get("DELETE FROM journal WHERE id = $1").Add(id).Execute() == 1;

    /// <summary>Marks an entry as taken by a worker until <paramref name="leaseEnd"/>.</summary>
    public void Start(long id, long leaseEnd) => session.Get(UpdateStarted).Add(leaseEnd).Add(id).Execute();

    /// <summary>Counts a failure and sets the next time.</summary>
    public void Postpone(long id, long dueTime) => session.Get(UpdatePostponed).Add(dueTime).Add(id).Execute();

    /// <summary>Sets the next time without counting a failure.</summary>
    public void SetDue(long id, long dueTime) => session.Get(UpdateDue).Add(dueTime).Add(id).Execute();

    /// <summary>Records what an upload replaces; <paramref name="etag"/> where it is known.</summary>
    public void SetReplaces(JournalRow row, string? etag)
    {
        JournalRow changed = row with { Replaces = true, Entry = row.Entry with { ETag = etag } };
        session.Get(UpdateReplaces).Add(etag).Add((long)changed.ComputeCrc()).Add(row.Entry.Id).Execute();
    }

    /// <summary>Records that the object an entry waits for has another ETag now.</summary>
    public void SetETag(JournalRow row, string etag)
    {
        JournalRow changed = row with { Entry = row.Entry with { ETag = etag } };
        session.Get(UpdateETag).Add(etag).Add((long)changed.ComputeCrc()).Add(row.Entry.Id).Execute();
    }

    /// <summary>Makes what workers of an earlier process had taken due again.</summary>
    public void ReleaseAllLeases() => session.Get(ReleaseLeases).Execute();

    /// <summary>How many uploads of an attachment are pending.</summary>
    public long CountPendingUploads(long attachmentId) => session.Get(CountUploads).Add(attachmentId).QueryInt64() ?? 0;

    /// <summary>Of how many packs of an attachment it is to be written what became of their members.</summary>
    public long CountPendingNames(long attachmentId) => session.Get(CountNames).Add(attachmentId).QueryInt64() ?? 0;

    /// <summary>How many entries of a kind there are.</summary>
    public long Count(JournalKind kind) => session.Get(CountKind).Add((long)kind).QueryInt64() ?? 0;

    /// <summary>Whether an attachment has a pending delete.</summary>
    public bool HasPendingDelete(long attachmentId) => session.Get(AnyDelete).Add(attachmentId).QueryAny();

    /// <summary>Forgets an attachment's uploads and deletes.</summary>
    public void RemoveOfAttachment(long attachmentId) => session.Get(DeleteOfAttachment).Add(attachmentId).Execute();

    /// <summary>Reads every row: one message for each that fails its checksum.</summary>
    public IEnumerable<string> CheckAll() => RowFault.FindAll(session.Get(SelectAll), static reader => Read(reader));

    private static List<JournalRow> ReadAll(SqlStatement query)
    {
        List<JournalRow> rows = [];
        using DbDataReader reader = query.Query();
        while (reader.Read())
        {
            rows.Add(Read(reader));
        }

        return rows;
    }

    private static JournalRow Read(DbDataReader reader)
    {
        JournalRow row = new(
            new JournalEntry
            {
                Id = reader.GetInt64(0),
                Kind = (JournalKind)reader.GetInt64(1),
                Content = new ContentId(new InodeId(reader.GetInt64(2)), (uint)reader.GetInt64(3)),
                AttachmentId = reader.GetInt64(4),
                Key = reader.GetString(5),
                ETag = reader.IsDBNull(6) ? null : reader.GetString(6),
                Placement = reader.IsDBNull(7) ? null : reader.GetString(7),
                FailureCount = (int)reader.GetInt64(8),
                DueTimeNanoseconds = reader.GetInt64(9),
            },
            reader.GetInt64(10) != 0,
            reader.GetInt64(11) != 0);
        if (row.ComputeCrc() != (uint)reader.GetInt64(12))
        {
            throw RowFault.Damaged($"journal entry {row.Entry.Id}");
        }

        return row;
    }
}
