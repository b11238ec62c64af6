using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Metadata.Quotas;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Commit;

/// <summary>
/// The writer's accounts of quotas: told of every inode row that is written, it keeps the use of each quota in the
/// same transaction, so use is right after any crash. A change by a user ends with <see cref="Enforce"/>.
/// </summary>
/// <remarks>
/// Belongs to the writer thread. Life of a change: rows are written → <see cref="Enforce"/> →
/// <see cref="Complete"/> writes the quotas, or <see cref="Fail"/> forgets them; then <see cref="Committed"/> or
/// <see cref="RolledBack"/> for the transaction. Where nothing lies in a quota it costs a comparison.
/// </remarks>
internal sealed class QuotaLedger(TreeTables tables, QuotaBook book)
{
    private readonly HashSet<long> _dirty = [];
    private readonly HashSet<long> _uncommitted = [];
    private readonly HashSet<long> _removed = [];
    private readonly Dictionary<long, (long Bytes, long Inodes)> _net = [];
    private readonly Dictionary<long, (long Bytes, long Inodes)> _held = [];
    private readonly Dictionary<long, (long Bytes, long Inodes)> _heldBefore = [];
    private readonly List<QuotaMove> _moves = [];
    private readonly List<(long Folder, long From, long To)> _reparented = [];
    private Dictionary<long, QuotaRow>? _rows;
    private int _mark;

    private Dictionary<long, QuotaRow> Rows => _rows ??= tables.Quotas.List();

    /// <summary>The quota that what lies in a folder counts in, as the number of its folder; 0 for none.</summary>
    public long Below(InodeRow folder) => Find(folder.Inode.Value) is null ? folder.QuotaFolder : folder.Inode.Value;

    /// <summary>A folder's quota, or null.</summary>
    public QuotaRow? Find(long folder) =>
        Rows.Count > 0 && Rows.TryGetValue(folder, out QuotaRow? row) && !row.IsGone ? row : null;

    /// <summary>Gives a folder a quota; what is below is charged by the caller's moves of it.</summary>
    public void Add(QuotaRow row)
    {
        Rows[row.Folder] = row;
        _removed.Remove(row.Folder);
        _dirty.Add(row.Folder);
    }

    /// <summary>A quota's limits changed.</summary>
    public void Touch(QuotaRow row) => _dirty.Add(row.Folder);

    /// <summary>
    /// A folder is gone or has no quota any more: its row stays while files without a name count in it.
    /// </summary>
    public void FolderGone(InodeId folder)
    {
        if (Find(folder.Value) is { } row)
        {
            row.LimitBytes = 0;
            row.LimitInodes = 0;
            _dirty.Add(row.Folder);
        }
    }

    /// <summary>A quota comes to lie in another, with all its use.</summary>
    public void Reparent(QuotaRow row, long parent)
    {
        Charge(row.Parent, -row.UsedBytes, -row.UsedInodes);
        _reparented.Add((row.Folder, row.Parent, parent));
        row.Parent = parent;
        _dirty.Add(row.Folder);
        Charge(parent, row.UsedBytes, row.UsedInodes);
    }

    /// <summary>A row was added.</summary>
    public void Added(InodeRow row)
    {
        if (row.QuotaFolder != 0)
        {
            Charge(row.QuotaFolder, row.SizeBytes, 1);
            Note(row, 0, isGone: false);
        }
    }

    /// <summary>A row's length or quota changed; what it was is still in it.</summary>
    public void Changed(InodeRow row)
    {
        (long from, long size) = row.Stored;
        if (from == row.QuotaFolder)
        {
            Charge(from, row.SizeBytes - size, 0);
        }
        else
        {
            Charge(from, -size, -1);
            Charge(row.QuotaFolder, row.SizeBytes, 1);
        }

        Note(row, from, isGone: false);
    }

    /// <summary>A row was removed.</summary>
    public void Removed(InodeRow row)
    {
        (long from, long size) = row.Stored;
        Charge(from, -size, -1);
        Note(row, from, isGone: true);
    }

    /// <summary>Refuses the change where it adds to a quota that has no room.</summary>
    /// <exception cref="DataLayerException">QuotaExceeded.</exception>
    public void Enforce()
    {
        if (_net.Count == 0)
        {
            return;
        }

        foreach ((long folder, (long bytes, long inodes)) in _net)
        {
            long more = bytes + UnflushedMoved(folder);
            if ((more > 0 || inodes > 0) && !_held.ContainsKey(folder))
            {
                if (!book.TryHold(folder, more, inodes))
                {
                    throw Exceeded(folder, Rows.GetValueOrDefault(folder));
                }

                _held[folder] = (more, inodes);
            }
        }
    }

    /// <summary>The error for a quota that has no room.</summary>
    public static DataLayerException Exceeded(long folder, QuotaRow? row) =>
        new(
            ErrorCode.QuotaExceeded,
            row is null
                ? $"The quota of folder {folder} is used up. Remove files, or raise it."
                : $"The quota of folder {folder} is used up: {row.UsedBytes} of {Limit(row.LimitBytes)} bytes, "
                    + $"{row.UsedInodes} of {Limit(row.LimitInodes)} inodes, with this change. Remove files, or raise "
                    + "it.")
        {
            QuotaFolder = folder,
        };

    /// <summary>Writes the quotas that the change touched.</summary>
    public void Complete()
    {
        foreach (long folder in _dirty)
        {
            if (!Rows.TryGetValue(folder, out QuotaRow? row))
            {
                continue;
            }

            if (row is { IsGone: true, UsedInodes: <= 0 })
            {
                tables.Quotas.Remove(folder);
                Rows.Remove(folder);
                _removed.Add(folder);
                _uncommitted.Remove(folder);
            }
            else
            {
                tables.Quotas.Save(row);
                _uncommitted.Add(folder);
            }
        }

        foreach ((long folder, (long bytes, long inodes)) in _held)
        {
            (long Bytes, long Inodes) before = _heldBefore.GetValueOrDefault(folder);
            _heldBefore[folder] = (before.Bytes + Math.Max(0, bytes), before.Inodes + Math.Max(0, inodes));
        }

        _dirty.Clear();
        _net.Clear();
        _held.Clear();
        _reparented.Clear();
        _mark = _moves.Count;
    }

    /// <summary>The change failed and is undone.</summary>
    public void Fail()
    {
        Release(_held);
        if (_dirty.Count > 0)
        {
            _rows = null;
        }

        _dirty.Clear();
        _net.Clear();
        _held.Clear();
        _reparented.Clear();
        _moves.RemoveRange(_mark, _moves.Count - _mark);
    }

    /// <summary>The transaction is committed.</summary>
    public void Committed()
    {
        if (_uncommitted.Count > 0 || _removed.Count > 0 || _moves.Count > 0)
        {
            book.Apply(Rows, _uncommitted, _removed, _moves);
            Clear();
        }
    }

    /// <summary>The transaction is undone as a whole.</summary>
    public void RolledBack()
    {
        Fail();
        if (_uncommitted.Count > 0 || _removed.Count > 0)
        {
            _rows = null;
        }

        Release(_heldBefore);
        Clear();
    }

    /// <summary>Forgets all quotas, read or not, for those that are added next.</summary>
    public void Reset()
    {
        tables.Quotas.Clear();
        _rows = [];
    }

    /// <summary>Counts the use of all quotas anew.</summary>
    /// <returns>Whether any was wrong.</returns>
    public bool Recount()
    {
        bool wasWrong = false;
        Dictionary<long, (long Inodes, long Bytes)> use = tables.Quotas.CountUse(Rows);
        foreach (QuotaRow row in Rows.Values)
        {
            (long inodes, long bytes) = use.GetValueOrDefault(row.Folder);
            if ((row.UsedInodes, row.UsedBytes) != (inodes, bytes))
            {
                (row.UsedInodes, row.UsedBytes) = (inodes, bytes);
                _dirty.Add(row.Folder);
                wasWrong = true;
            }
        }

        return wasWrong;
    }

    /// <summary>Reads all quotas into the book, when the tree is opened.</summary>
    public void Open() => book.Apply(Rows, Rows.Keys, [], []);

    private static string Limit(long limit) => limit == 0 ? "any" : limit.ToString(
        System.Globalization.CultureInfo.InvariantCulture);

    private void Release(Dictionary<long, (long Bytes, long Inodes)> held)
    {
        foreach ((long folder, (long bytes, long inodes)) in held)
        {
            book.Release(folder, bytes, inodes);
        }
    }

    private void Clear()
    {
        _heldBefore.Clear();
        _uncommitted.Clear();
        _removed.Clear();
        _moves.Clear();
        _mark = 0;
    }

    private void Charge(long folder, long bytes, long inodes)
    {
        while (folder != 0 && Rows.TryGetValue(folder, out QuotaRow? row))
        {
            row.UsedBytes += bytes;
            row.UsedInodes += inodes;
            _dirty.Add(folder);
            (long Bytes, long Inodes) net = _net.GetValueOrDefault(folder);
            _net[folder] = (net.Bytes + bytes, net.Inodes + inodes);
            folder = row.Parent;
        }
    }

    private void Note(InodeRow row, long from, bool isGone)
    {
        if (from != 0 || row.QuotaFolder != 0)
        {
            ContentId content = new(row.Inode, row.Generation);
            _moves.Add(new QuotaMove(content, from, isGone ? 0 : row.QuotaFolder, row.SizeBytes, isGone));
        }
    }

    /// <summary>
    /// How the unflushed part of what counts in a quota changes with this change's commit: files come and go, quotas in
    /// it do, and a new content leaves nothing unflushed.
    /// </summary>
    private long UnflushedMoved(long folder)
    {
        long bytes = 0;
        for (int i = _mark; i < _moves.Count; i++)
        {
            QuotaMove move = _moves[i];
            (long before, long after) = book.PendingOf(move);
            bytes += (after != 0 && LiesIn(move.To, folder) ? after : 0)
                - (before != 0 && LiesIn(move.From, folder) ? before : 0);
        }

        foreach ((long moved, long from, long to) in _reparented)
        {
            bytes += book.PendingOf(moved) * ((LiesIn(to, folder) ? 1 : 0) - (LiesIn(from, folder) ? 1 : 0));
        }

        return bytes;
    }

    private bool LiesIn(long folder, long quota)
    {
        while (folder != quota && folder != 0 && Rows.TryGetValue(folder, out QuotaRow? row))
        {
            folder = row.Parent;
        }

        return folder == quota;
    }
}
