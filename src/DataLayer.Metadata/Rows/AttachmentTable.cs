using System.Data.Common;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Rows;

/// <summary>The statements on <c>attachments</c>.</summary>
internal sealed class AttachmentTable(SqlSession session)
{
    private const string SelectAll =
        """
        SELECT id, folder, path, source, store_name, key_prefix, mode, freshness, max_age, flush, listing_cursor,
            object_count,
            object_bytes, removing
        FROM attachments ORDER BY id
        """;

    private const string Insert =
        """
        INSERT INTO attachments (id, folder, path, source, store_name, key_prefix, mode, freshness, max_age, flush,
            listing_cursor, object_count, object_bytes, removing)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0)
        """;

    private const string Update =
        """
        UPDATE attachments SET path = $1, source = $2, store_name = $3, key_prefix = $4, mode = $5, freshness = $6,
            max_age = $7,
            flush = $8, listing_cursor = $9, object_count = $10, object_bytes = $11
        WHERE id = $12
        """;

    private const string UpdateRemoving = "UPDATE attachments SET removing = 1 WHERE id = $1";

    /// <summary>All attachments by number; with those being removed only where asked.</summary>
    public List<Attachment> List(bool removing)
    {
        List<Attachment> all = [];
        using DbDataReader reader = session.Get(SelectAll).Query();
        while (reader.Read())
        {
            if (reader.GetInt64(13) != 0 == removing)
            {
                all.Add(Read(reader));
            }
        }

        return all;
    }

    /// <summary>Adds an attachment; its id must be set.</summary>
    public void Add(Attachment attachment)
    {
        SqlStatement insert = session.Get(Insert).Add(attachment.Id).Add(attachment.Folder.Value);
        Bind(insert, attachment).Execute();
        Changes?.Attached();
    }

    /// <summary>Writes an attachment back. Its folder never changes.</summary>
    public void Save(Attachment attachment)
    {
        Bind(session.Get(Update), attachment).Add(attachment.Id).Execute();
        Changes?.Attached();
    }

    /// <summary>Told of every row that is written; null where nobody follows.</summary>
    public ChangeLog? Changes { get; set; }

    /// <summary>Marks an attachment as being removed, which a restart goes on with.</summary>
    public void MarkRemoving(long id)
    {
        session.Get(UpdateRemoving).Add(id).Execute();
        Changes?.Attached();
    }

    /// <summary>Removes an attachment's row.</summary>
    public void Remove(long id)
    {
        session.Get("DELETE FROM attachments WHERE id = $1").Add(id).Execute();
        Changes?.Attached();
    }

    private static SqlStatement Bind(SqlStatement statement, Attachment a) => statement
        .Add(a.Path).Add(a.Source).Add(a.StoreName).Add(a.KeyPrefix ?? string.Empty).Add((long)a.Mode)
            .Add((long)a.Freshness)
        .Add(a.MaxAge.Ticks).Add((long)a.Flush).Add(a.ListingCursor).Add(a.ObjectCount).Add(a.ObjectBytes);

    private static Attachment Read(DbDataReader reader) => new()
    {
        Id = reader.GetInt64(0),
        Folder = new InodeId(reader.GetInt64(1)),
        Path = reader.GetString(2),
        Source = reader.GetString(3),
        StoreName = reader.GetString(4),
        KeyPrefix = reader.GetString(5),
        Mode = (AttachmentMode)reader.GetInt64(6),
        Freshness = (FreshnessMode)reader.GetInt64(7),
        MaxAge = new TimeSpan(reader.GetInt64(8)),
        Flush = (FlushMode)reader.GetInt64(9),
        ListingCursor = reader.IsDBNull(10) ? null : reader.GetString(10),
        ObjectCount = reader.GetInt64(11),
        ObjectBytes = reader.GetInt64(12),
    };
}
