using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Quotas;
using DataLayer.Metadata.Rows;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Commit;

/// <summary>
/// What a change works with: the tables over the one connection that writes, the clock, numbers, and the attachments.
/// Belongs to the writer thread; a change must leave nothing outside it behind, since it is run again when its batch
/// fails.
/// </summary>
internal sealed class TreeWriter : IDisposable
{
    private readonly TimeProvider _time;
    private readonly NumberRange _inodes = new("inode", 1024);
    private readonly NumberRange _journalIds = new("journal", 1024);
    private readonly ChangeLog? _changes; // Null where nobody can follow.
    private Dictionary<long, Attachment>? _attachments;
    private bool? _isDurable; // Of a new connection nobody has said yet.
    private bool _hasRelaxed = true; // What a killed process committed may not be on the disk yet.

    /// <summary>A writer over the connection of <paramref name="session"/>, which is disposed with it.</summary>
    public TreeWriter(SqlSession session, TreeStoreOptions options, TimeProvider time)
    {
        Tables = new TreeTables(session);
        Quotas = new QuotaLedger(Tables, QuotaBook);
        Tables.Inodes.Ledger = Quotas;
        Options = options;
        _time = time;
        if (!session.Dialect.IsLocal)
        {
            Tables.LogTo(_changes = new ChangeLog());
        }
    }

    public TreeTables Tables { get; }

    /// <summary>The accounts of quotas.</summary>
    public QuotaLedger Quotas { get; }

    /// <summary>The quotas as everybody sees them.</summary>
    public QuotaBook QuotaBook { get; } = new();

    public TreeStoreOptions Options { get; }

    /// <summary>The time of the change that runs, nanoseconds since 1970 UTC: one value for the whole change.</summary>
    public long Now { get; private set; }

    /// <summary>Which kinds of journal entries the batch added, a bit mask by kind.</summary>
    public int AddedJournalKinds { get; private set; }

    public InodeId NextInode() => new(_inodes.Take(Tables));

    public long NextJournalId() => _journalIds.Take(Tables);

    /// <summary>Adds a journal entry and gives its number.</summary>
    public long AddJournal(JournalEntry entry, bool replaces = false)
    {
        long id = NextJournalId();
        Tables.Journal.Add(new JournalRow(entry with { Id = id }, Started: false, replaces));
        AddedJournalKinds |= 1 << (int)entry.Kind;
        return id;
    }

    /// <summary>Has the batch announce entries of a kind, which a change made eligible without adding any.</summary>
    public void AnnounceJournal(JournalKind kind) => AddedJournalKinds |= 1 << (int)kind;

    /// <summary>The attachments by number, without those being removed.</summary>
    public Dictionary<long, Attachment> Attachments()
    {
        if (_attachments is null)
        {
            _attachments = [];
            foreach (Attachment attachment in Tables.Attachments.List(removing: false))
            {
                _attachments.Add(attachment.Id, attachment);
            }
        }

        return _attachments;
    }

    /// <summary>The attachment an inode lies under, or null for 0.</summary>
    public Attachment? FindAttachment(long id) => id == 0 ? null : Attachments().GetValueOrDefault(id);

    /// <summary>Forgets the attachments it knows, after a change of them.</summary>
    public void ForgetAttachments() => _attachments = null;

    /// <summary>
    /// Whether relaxed transactions were committed since the last durable one: a power cut may take them back.
    /// </summary>
    public bool HasRelaxed => Volatile.Read(ref _hasRelaxed);

    /// <summary>Begins a transaction whose commit is durable, or relaxed: it survives the process only.</summary>
    public void Begin(bool durable = true)
    {
        AddedJournalKinds = 0;
        _changes?.Clear();
        if (_isDurable != durable)
        {
            Tables.Session.ExecuteScript(Tables.Session.Dialect.CommitMode(durable));
            _isDurable = durable;
        }

        Tables.Session.Get(Tables.Session.Dialect.BeginWrite).Execute();
        Tables.Session.Dialect.EnterWrite(Tables.Session);
    }

    /// <summary>Commits; a durable commit makes all relaxed ones before it durable too.</summary>
    public void Commit()
    {
        if (_isDurable == false)
        {
            Volatile.Write(ref _hasRelaxed, true);
        }

        if (_changes is { IsEmpty: false } changes)
        {
            Tables.Session.Dialect.LogChanges(Tables.Session, changes.ToBytes());
        }

        IsCommitting = true;
        Tables.Session.Get("COMMIT").Execute();
        Committed(_isDurable == true);
    }

    /// <summary>Whether a COMMIT is sent that nobody has heard the outcome of.</summary>
    public bool IsCommitting { get; private set; }

    /// <summary>
    /// Gives the writer a new connection after its own was lost; the caller undoes what was under way, or runs it to
    /// its end as committed.
    /// </summary>
    /// <returns>Whether the transaction that was under way is committed.</returns>
    /// <exception cref="System.Data.Common.DbException">Not yet.</exception>
    /// <exception cref="DataLayer.Core.Errors.DataLayerException">Nothing may be written any more.</exception>
    public bool Rejoin()
    {
        _isDurable = null;
        if (!Tables.Session.Dialect.Rejoin(Tables.Session))
        {
            return false;
        }

        Committed(isDurable: false);
        return true;
    }

    private void Committed(bool isDurable)
    {
        IsCommitting = false;
        Tables.Session.Dialect.WriteCommitted();
        Quotas.Committed();
        if (isDurable)
        {
            Volatile.Write(ref _hasRelaxed, false);
        }
    }

    /// <summary>
    /// Runs one change that is a transaction by itself. If it throws, nothing of it is left.
    /// </summary>
    public T RunAlone<T>(Func<TreeWriter, T> change, bool durable)
    {
        Now = UnixTime.ToNanoseconds(_time.GetUtcNow());
        _inodes.Mark();
        _journalIds.Mark();
        Begin(durable);
        try
        {
            T result = change(this);
            Quotas.Complete();
            Commit();
            return result;
        }
        catch (Exception error)
        {
            ForgetAttachments();
            bool whole = error is System.Data.Common.DbException;
            _inodes.Rollback(whole);
            _journalIds.Rollback(whole);
            RollbackStatement();
            Quotas.RolledBack();
            throw;
        }
    }

    /// <summary>Undoes the transaction, whatever is left of it.</summary>
    public void Rollback()
    {
        ForgetAttachments();
        _inodes.Rollback(wholeTransaction: true);
        _journalIds.Rollback(wholeTransaction: true);
        RollbackStatement();
        Quotas.RolledBack();
    }

    private void RollbackStatement()
    {
        IsCommitting = false;
        if (!Tables.Session.IsOpen)
        {
            return;
        }

        try
        {
            Tables.Session.Get("ROLLBACK").Execute();
        }
        catch (System.Data.Common.DbException)
        {
            // After some errors the database has rolled back by itself, and says so here. Nothing is left to undo
            // either way.
        }
    }

    /// <summary>Runs one change inside the transaction; if it throws, only its own effects are undone.</summary>
    public void RunIsolated(Action<TreeWriter> change)
    {
        Now = UnixTime.ToNanoseconds(_time.GetUtcNow());
        _inodes.Mark();
        _journalIds.Mark();
        Tables.Session.Get("SAVEPOINT change").Execute();
        try
        {
            change(this);
            Quotas.Complete();
            Tables.Session.Get("RELEASE SAVEPOINT change").Execute();
        }
        catch (Exception error) when (error is not System.Data.Common.DbException)
        {
            ForgetAttachments();
            _inodes.Rollback(wholeTransaction: false);
            _journalIds.Rollback(wholeTransaction: false);
            Tables.Session.Get("ROLLBACK TO SAVEPOINT change").Execute();
            Tables.Session.Get("RELEASE SAVEPOINT change").Execute();
            Quotas.Fail();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Tables.Dispose();
}
