using System.Data.Common;
using DataLayer.Core.Identity;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Operations;

/// <summary>Queries over all that lies below a folder.</summary>
internal static class SubtreeQuery
{
    // The path is carried along as bytes, so names need no escaping.
    private const string SelectFiles =
        """
        WITH RECURSIVE below (inode, kind, path) AS (
            SELECT d.inode, d.kind, d.name FROM dentries d WHERE d.parent = $1
            UNION ALL
            SELECT d.inode, d.kind, b.path || $2
                || d.name FROM below b JOIN dentries d ON d.parent = b.inode WHERE b.kind = 2)
        SELECT inode, path FROM below WHERE kind = 1 LIMIT $3
        """;

    private const string SelectUsage =
        """
        WITH RECURSIVE folders (inode) AS (
            SELECT CAST($1 AS BIGINT)
            UNION ALL
            SELECT d.inode FROM folders f JOIN dentries d ON d.parent = f.inode WHERE d.kind = 2),
        files (inode) AS (
            SELECT DISTINCT d.inode FROM folders f JOIN dentries d ON d.parent = f.inode WHERE d.kind <> 2)
        SELECT (SELECT COUNT(*) FROM files), (SELECT COUNT(*) FROM folders) - 1,
            COALESCE(SUM(i.size_bytes), 0), COALESCE(SUM(i.resident_bytes), 0)
        FROM files JOIN inodes i ON i.inode = files.inode
        """;

    /// <summary>
    /// The regular files below a folder with their path relative to it; null if there are more than <paramref
    /// name="limit"/>.
    /// </summary>
    public static List<(InodeId Inode, string RelativePath)>? ListFiles(TreeTables tables, InodeId folder, int limit)
    {
        List<(InodeId, string)> files = [];
        using DbDataReader reader = tables.Session.Get(SelectFiles)
            .Add(folder.Value).Add("/"u8.ToArray()).Add((long)limit + 1).Query();
        while (reader.Read())
        {
            if (files.Count == limit)
            {
                return null;
            }

            files.Add((new InodeId(reader.GetInt64(0)), TreeName.Decode(reader.GetFieldValue<byte[]>(1))));
        }

        return files;
    }

    /// <summary>What <c>du</c> shows. A file with several names below the folder counts once.</summary>
    public static TreeUsage GetUsage(TreeTables tables, InodeId folder)
    {
        Folders.Get(tables, folder);
        using DbDataReader reader = tables.Session.Get(SelectUsage).Add(folder.Value).Query();
        reader.Read();
        return new TreeUsage(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3));
    }
}
