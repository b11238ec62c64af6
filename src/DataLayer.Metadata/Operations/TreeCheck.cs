using System.Data.Common;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Rows;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Operations;

/// <summary>
/// fsck of the tree against itself, over one snapshot: the database's own structure, then every row against its
/// checksum and the rules of its kind, then names against inodes, then the journal. Reads everything once; memory grows
/// with the problems only.
/// </summary>
internal sealed class TreeCheck
{
    /// <summary>A fault of the database's own structure.</summary>
    public const string Database = "database";

    /// <summary>A row that fails its checksum.</summary>
    public const string Row = "row";

    /// <summary>A name without inode, or of another kind than its inode.</summary>
    public const string DanglingName = "dangling-name";

    /// <summary>A link count that is not the number of names (a folder: two and its folders).</summary>
    public const string LinkCount = "link-count";

    /// <summary>A folder that is not reached from the root, or an inode that should have a name and has none.</summary>
    public const string Unreachable = "unreachable";

    /// <summary>A content whose place, residency, state and object contradict each other.</summary>
    public const string Content = "content";

    /// <summary>A journal entry whose inode or attachment is gone, or that would drop a copy in use.</summary>
    public const string Journal = "journal";

    /// <summary>A changed file under a read-write attachment that nothing will upload.</summary>
    public const string UploadMissing = "upload-missing";

    /// <summary>A file whose place in a pack is not one.</summary>
    public const string Pack = "pack";

    /// <summary>A counter that would give out a number again.</summary>
    public const string Counter = "counter";

    /// <summary>An inode that counts in another quota than its folder's, or a use that is not what counts.</summary>
    public const string Quota = "quota";

    /// <summary>How many problems are listed, a count; more say nothing new.</summary>
    private const int ProblemLimit = 1000;

    private const string SelectDangling =
        """
        SELECT d.parent, d.name, d.inode FROM dentries d
        LEFT JOIN inodes i ON i.inode = d.inode LEFT JOIN inodes p ON p.inode = d.parent
        WHERE i.inode IS NULL OR i.kind <> d.kind OR i.link_count = 0 OR p.inode IS NULL OR p.kind <> 2
        """;

    private const string SelectWrongFileLinks =
        """
        SELECT i.inode, i.link_count, COUNT(d.inode) FROM inodes i LEFT JOIN dentries d ON d.inode = i.inode
        WHERE i.kind <> 2 GROUP BY i.inode, i.link_count HAVING i.link_count <> COUNT(d.inode)
        """;

    private const string SelectWrongFolderLinks =
        """
        SELECT i.inode, i.link_count, 2 + COUNT(d.inode) FROM inodes i
        LEFT JOIN dentries d ON d.parent = i.inode AND d.kind = 2
        WHERE i.kind = 2 GROUP BY i.inode, i.link_count HAVING i.link_count <> 2 + COUNT(d.inode)
        """;

    private const string SelectUnreached =
        """
        WITH RECURSIVE reached (inode) AS (
            SELECT CAST(1 AS BIGINT)
            UNION
            SELECT d.inode FROM reached r JOIN dentries d ON d.parent = r.inode WHERE d.kind = 2)
        SELECT i.inode FROM inodes i WHERE i.kind = 2 AND i.inode NOT IN (SELECT inode FROM reached)
        """;

    private const string SelectManyNames =
        "SELECT inode, COUNT(*) FROM dentries WHERE kind = 2 GROUP BY inode HAVING COUNT(*) > 1";

    private const string SelectBadJournal =
        """
        SELECT j.id, j.inode FROM journal j LEFT JOIN inodes i ON i.inode = j.inode
        LEFT JOIN attachments a ON a.id = j.attachment_id
        WHERE (j.kind = 1 AND (i.inode IS NULL OR i.link_count = 0)) OR (j.kind < 3 AND a.id IS NULL)
            OR (j.kind = 3 AND i.placement = j.placement AND i.generation = j.generation)
        """;

    private const string SelectNoUpload =
        """
        SELECT i.inode FROM inodes i JOIN attachments a ON a.id = i.attachment_id
        WHERE i.kind = 1 AND i.state = 1 AND i.link_count > 0 AND a.mode = 2 AND a.removing = 0
            AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.inode = i.inode AND j.kind = 1)
        """;

    private const string SelectLostAttachment =
        """
        SELECT i.inode FROM inodes i LEFT JOIN attachments a ON a.id = i.attachment_id
        WHERE i.attachment_id <> 0 AND i.link_count > 0 AND a.id IS NULL
        """;

    private const string SelectWrongQuota =
        """
        SELECT d.inode, i.quota_folder FROM dentries d
        JOIN inodes i ON i.inode = d.inode JOIN inodes p ON p.inode = d.parent
        LEFT JOIN quotas q ON q.folder = d.parent AND (q.limit_bytes <> 0 OR q.limit_inodes <> 0)
        WHERE i.quota_folder <> COALESCE(q.folder, p.quota_folder)
        """;

    private const string SelectBadPacked =
        """
        SELECT i.inode, i.object_key, p.id FROM inodes i
        LEFT JOIN packs p ON p.attachment_id = i.object_attachment AND p.object_key = i.object_key AND p.state > 1
        WHERE i.object_offset > 0 AND i.link_count > 0 AND i.state <> 1
            AND (p.id IS NULL OR p.etag <> i.object_etag OR i.object_offset + i.object_size > p.size_bytes)
        """;

    private readonly TreeTables _tables;
    private readonly List<TreeProblem> _problems = [];
    private long _inodes;
    private long _contents;

    private TreeCheck(TreeTables tables) => _tables = tables;

    /// <summary>Runs the check.</summary>
    public static TreeCheckReport Run(TreeTables tables)
    {
        TreeCheck check = new(tables);
        tables.Session.ExecuteScript(tables.Session.Dialect.BeginSnapshot);
        try
        {
            check.Run();
        }
        finally
        {
            if (tables.Session.IsOpen)
            {
                tables.Session.ExecuteScript("ROLLBACK");
            }
        }

        return new TreeCheckReport(check._inodes, check._contents, 0, check._problems);
    }

    private void Run()
    {
        Guard(CheckDatabase);
        Guard(CheckInodeRows);
        Guard(() => CheckRows("dentries", static t => t.Dentries.CheckAll()));
        Guard(() => CheckRows("journal", static t => t.Journal.CheckAll()));
        Guard(() => CheckRows("xattrs", static t => t.Xattrs.CheckAll()));
        Guard(() => CheckRows("policies", static t => t.Policies.CheckAll()));
        Guard(() => CheckRows("jobs", static t => t.Jobs.CheckAll()));
        Guard(() => CheckRows("job_schedules", static t => t.Schedules.CheckAll()));
        Guard(() => CheckRows("heat", static t => t.Heat.CheckAll()));
        Guard(() => CheckRows("access_history", static t => t.History.CheckAll()));
        Guard(() => CheckRows("plans", static t => t.Plans.CheckAll()));
        Guard(() => CheckRows("moves", static t => t.Moves.CheckAll()));
        Guard(() => CheckRows("costs", static t => t.Costs.CheckAll()));
        Guard(() => CheckRows("capacity_history", static t => t.Capacity.CheckAll()));
        Guard(() => CheckRows("quotas", static t => t.Quotas.CheckAll()));
        Guard(CheckQuotas);
        Guard(() => CheckRows("headrooms", static t => t.Headrooms.CheckAll()));
        Guard(() => CheckRows("packs", static t => t.Packs.CheckAll()));
        Guard(() => CheckRows("pack_members", static t => t.Packs.CheckAllMembers()));
        Guard(() => CheckRows("pack_changes", static t => t.Packs.CheckAllChanges()));
        Guard(CheckNames);
        Guard(CheckPacks);
        Guard(CheckJournal);
        Guard(CheckCounters);
    }

    private void CheckDatabase()
    {
        foreach (string fault in _tables.Session.Dialect.CheckIntegrity(_tables.Session, quick: false))
        {
            Add(Database, InodeId.None, fault + " Restore a backup, or attach the buckets again.");
        }
    }

    // On damaged pages a query ends in the middle; the other tables are worth reading still.
    private void Guard(Action section)
    {
        try
        {
            section();
        }
        catch (DbException error) when (_tables.Session.Dialect.Classify(error) == SqlFault.Refused)
        {
            Add(Database, InodeId.None, _tables.Session.Dialect.Map(error).Message);
        }
    }

    private void CheckInodeRows()
    {
        const string All = $"SELECT {InodeTable.AttributeColumns}, {InodeTable.ContentColumns} FROM inodes i";
        using DbDataReader reader = _tables.Session.Get(All).Query();
        while (reader.Read())
        {
            _inodes++;
            try
            {
                InodeRow row = InodeTable.ReadRow(reader);
                _contents += row.Kind == FileKind.Regular ? 1 : 0;
                CheckContent(row);
            }
            catch (Exception error) when (
                error is DataLayerException or InvalidCastException or InvalidOperationException)
            {
                Add(Row, new InodeId(reader.IsDBNull(0) ? 0 : reader.GetInt64(0)), error.Message);
            }
        }
    }

    private void CheckContent(InodeRow row)
    {
        if (row.Kind != FileKind.Regular)
        {
            return;
        }

        ResidencyBitmap residency = ResidencyColumn.Decode(row.Residency, row.SizeBytes);
        _ = row.Placement is null ? null : PlacementText.Parse(row.Placement);
        if (row.Generation > row.LastGeneration || row.Generation == 0)
        {
            Add(Content, row.Inode,
                $"Generation {row.Generation} was never given out; the last was {row.LastGeneration}.");
        }

        if (row.ResidentBytes != ResidencyColumn.CountBytes(residency, row.SizeBytes))
        {
            Add(Content, row.Inode, $"{row.ResidentBytes} bytes are counted as hot, the bitmap says otherwise.");
        }

        if (row.Placement is null && row.ResidentBytes > 0)
        {
            Add(Content, row.Inode, "Blocks are marked hot, but there is no hot copy.");
        }

        if (row.LinkCount > 0 && row.State != TierState.Hot && row.Object is null)
        {
            Add(Content, row.Inode, $"State {row.State} without an object.");
        }

        if (row.LinkCount > 0 && row.SizeBytes > 0 && row.Placement is null && row.Object is null)
        {
            Add(Content, row.Inode, $"{row.SizeBytes} bytes that neither tier holds. Restore the file.");
        }
    }

    private void CheckRows(string table, Func<TreeTables, IEnumerable<string>> faults)
    {
        foreach (string fault in faults(_tables))
        {
            Add(Row, InodeId.None, $"Table {table}: {fault}");
        }
    }

    private void CheckNames()
    {
        ForEach(SelectDangling, r =>
        {
            string name = TreeName.Decode(r.GetFieldValue<byte[]>(1));
            string message = $"The name '{name}' in folder {r.GetInt64(0)} leads nowhere. Repair removes it.";
            Add(DanglingName, new InodeId(r.GetInt64(2)), message);
        });
        ForEach(SelectWrongFileLinks, r => AddLinks(r, r.GetInt64(2) == 0 ? Unreachable : LinkCount));
        ForEach(SelectWrongFolderLinks, r => AddLinks(r, LinkCount));
        ForEach(SelectUnreached, r => Add(
            Unreachable, new InodeId(r.GetInt64(0)),
                "The folder is not reached from the root. Repair puts it into /lost+found."));
        ForEach(SelectManyNames, r => Add(
            Unreachable, new InodeId(r.GetInt64(0)),
                $"The folder has {r.GetInt64(1)} names. Repair puts it into /lost+found."));
        ForEach(SelectLostAttachment, r => Add(
            Content, new InodeId(r.GetInt64(0)), "The inode lies under an attachment that does not exist."));
    }

    private void CheckJournal()
    {
        ForEach(SelectBadJournal, r => Add(
            Journal, new InodeId(r.GetInt64(1)),
                $"Journal entry {r.GetInt64(0)} has nothing to work on. Repair removes it."));
        ForEach(SelectNoUpload, r => Add(
            UploadMissing, new InodeId(r.GetInt64(0)),
                "The file changed and no upload is pending. Repair schedules one."));
    }

    private void CheckQuotas()
    {
        ForEach(SelectWrongQuota, r => Add(
            Quota, new InodeId(r.GetInt64(0)),
                $"The inode counts in the quota of folder {r.GetInt64(1)}, where it does not lie. Repair mends it."));
        Dictionary<long, QuotaRow> rows = _tables.Quotas.List();
        Dictionary<long, (long Inodes, long Bytes)> use = _tables.Quotas.CountUse(rows);
        foreach (QuotaRow row in rows.Values)
        {
            (long inodes, long bytes) = use.GetValueOrDefault(row.Folder);
            if ((row.UsedInodes, row.UsedBytes) != (inodes, bytes))
            {
                Add(Quota, InodeId.None,
                    $"The quota of folder {row.Folder} counts {row.UsedBytes} bytes in {row.UsedInodes} inodes; there "
                        + $"are {bytes} in {inodes}. Repair counts anew.");
            }
        }
    }

    private void CheckPacks() => ForEach(SelectBadPacked, r => Add(
        Pack, new InodeId(r.GetInt64(0)),
        r.IsDBNull(2)
            ? $"The file lies in '{r.GetString(1)}', which is not known as a pack."
            : $"The file's place in pack '{r.GetString(1)}' is not one of this pack."));

    private void CheckCounters()
    {
        foreach ((string counter, string query) in (ReadOnlySpan<(string, string)>)
            [
                ("inode", "SELECT MAX(inode) FROM inodes"),
                ("journal", "SELECT MAX(id) FROM journal"),
                ("attachment", "SELECT MAX(id) FROM attachments"),
                ("access_series", "SELECT MAX(id) FROM access_series"),
                ("plan", "SELECT MAX(id) FROM plans"),
                ("pack", "SELECT MAX(id) FROM packs"),
            ])
        {
            long next = _tables.Session.Get("SELECT next FROM counters WHERE name = $1").Add(counter).QueryInt64() ?? 0;
            long used = _tables.Session.Get(query).QueryInt64() ?? 0;
            if (next <= used)
            {
                Add(Counter, InodeId.None,
                    $"Counter '{counter}' is at {next}, but {used} is in use. Repair moves it on.");
            }
        }
    }

    private void AddLinks(DbDataReader reader, string kind)
    {
        long stored = reader.GetInt64(1);
        if (kind == Unreachable && stored == 0)
        {
            return;
        }

        string remedy = kind == Unreachable ? "Repair puts the file into /lost+found." : "Repair sets it.";
        Add(kind, new InodeId(reader.GetInt64(0)),
            $"The link count is {stored}, the tree has {reader.GetInt64(2)}. {remedy}");
    }

    private void ForEach(string query, Action<DbDataReader> found)
    {
        using DbDataReader reader = _tables.Session.Get(query).Query();
        while (reader.Read())
        {
            found(reader);
        }
    }

    private void Add(string kind, InodeId inode, string message)
    {
        if (_problems.Count < ProblemLimit)
        {
            _problems.Add(new TreeProblem(kind, inode, message));
        }
    }
}
