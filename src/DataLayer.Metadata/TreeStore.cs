using System.Data.Common;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Metadata.Commit;
using DataLayer.Metadata.Operations;
using DataLayer.Metadata.Sql;
using Microsoft.Extensions.Logging;

namespace DataLayer.Metadata;

/// <summary>
/// The tree: inodes, names, contents and their places, extended attributes, attachments, and the journal of work owed
/// to the tiers.
/// </summary>
/// <remarks>
/// Every change is one transaction and durable when its task completes, except those of <see cref="Relaxed"/>;
/// concurrent changes share commits. A read sees
/// what was committed when it began, and is done at once unless all read connections are busy. All members are safe
/// for concurrent use.
/// <para>
/// Errors are <see cref="Core.Errors.DataLayerException"/>. Every change may fail with NoSpace (the database's disk
/// is full; nothing was lost), TargetFailed (I/O error; after one in a commit no change is taken until the store is
/// opened anew), Corrupt (damaged rows or pages, found by checksum), ShuttingDown and Overloaded (locked by another
/// process). Cancellation counts until the writer takes a change; then its outcome is awaited.
/// </para>
/// <para>
/// Permissions are not checked here: the kernel does it for mounts, the API for its callers. Below a read-only
/// attachment every change by a user fails with ReadOnly; imports, residency and tier states change there as
/// everywhere.
/// </para>
/// Life: OpenAsync → use → <see cref="DisposeAsync"/>, which finishes what is queued and checkpoints.
/// </remarks>
public sealed partial class TreeStore : IAsyncDisposable
{
    private readonly ISqlDialect _dialect;
    private readonly TreeWriter _writer;
    private readonly GroupCommitter _committer;
    private readonly ReadPool _reads;
    private readonly MetadataMeter _meter;
    private readonly TimeProvider _time;
    private readonly ILogger<TreeStore> _log;
    private readonly InodeReserve _newInodes;
    private int _disposed;

    private TreeStore(ISqlDialect dialect, TreeWriter writer, ReadPool reads, TimeProvider time, ILogger<TreeStore> log)
    {
        _dialect = dialect;
        _writer = writer;
        _reads = reads;
        _time = time;
        _log = log;
        _meter = new MetadataMeter(() => _committer?.QueueLength ?? 0);
        _committer = new GroupCommitter(writer, _meter, log, OnJournalAdded);
        _newInodes = new InodeReserve(_committer);
        Relaxed = new RelaxedTree(this);
    }

    /// <summary>Where the tree lies.</summary>
    internal ISqlDialect Dialect => _dialect;

    /// <summary>All quotas, with what is written and not flushed yet.</summary>
    public Quotas.QuotaBook Quotas => _writer.QuotaBook;

    /// <summary>
    /// Called after a commit that added journal entries, with a bit mask by kind (bit <c>1 &lt;&lt;
    /// (int)JournalKind</c>), or null. Runs on the writer's thread: it sets a signal and returns.
    /// </summary>
    public Action<int>? JournalAdded { get; set; }

    /// <summary>
    /// Opens the tree, and makes it where there is none. Migrates an older schema, checks the pages after an unclean
    /// stop.
    /// </summary>
    /// <exception cref="Core.Errors.DataLayerException">
    /// InvalidArgument: options. Overloaded: another service has it open. NotSupported: written by a newer program.
    /// Corrupt: damaged. TargetFailed: I/O.
    /// </exception>
    public static ValueTask<TreeStore> OpenAsync(
        TreeStoreOptions options, TimeProvider time, ILogger<TreeStore> log, CancellationToken cancellationToken) =>
        OpenAsync(options, TreeSchema.Steps, time, log, cancellationToken);

    internal static async ValueTask<TreeStore> OpenAsync(
        TreeStoreOptions options,
        IReadOnlyList<SchemaStep> schema,
        TimeProvider time,
        ILogger<TreeStore> log,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(log);
        options.Validate();
        TreeStore store = await Task.Run(() => Open(options, schema, time, log), cancellationToken)
            .ConfigureAwait(false);
        try
        {
            if (!options.IsReader)
            {
                await store.FinishRemovalsAsync(cancellationToken).ConfigureAwait(false);
            }

            return store;
        }
        catch
        {
            await store.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// The changes as a mount makes them: acknowledged when they are committed without waiting for the disk. They
    /// survive the end of the process, and are durable after <see cref="FlushAsync"/> or any durable change.
    /// </summary>
    public RelaxedTree Relaxed { get; }

    /// <summary>
    /// Makes all relaxed changes that were acknowledged before durable, by one sync of the log; nothing happens where
    /// there is none.
    /// </summary>
    public ValueTask FlushAsync(CancellationToken cancellationToken) =>
        _committer.HasRelaxed
            ? ChangeVoidAsync(static w => w.Tables.Reserve("sync", 1), cancellationToken)
            : ValueTask.CompletedTask;

    /// <summary>Finishes queued changes, waits for reads, checkpoints and closes.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _committer.DisposeAsync().ConfigureAwait(false);
        await _reads.CloseAsync().ConfigureAwait(false);
        try
        {
            _dialect.Checkpoint(_writer.Tables.Session);
        }
        catch (DbException error)
        {
            // What was committed stands in the log and is found there at the next start.
            LogNoCheckpoint(error.Message);
        }

        _writer.Dispose();
        _meter.Dispose();
        _dialect.Dispose();
    }

    private static TreeStore Open(
        TreeStoreOptions options, IReadOnlyList<SchemaStep> schema, TimeProvider time, ILogger<TreeStore> log)
    {
        PostgresDialect? postgres = options.Postgres is null ? null : new PostgresDialect(options.Postgres, time);
        ISqlDialect dialect = postgres ?? (ISqlDialect)new SqliteDialect(options);
        TreeWriter? writer = null;
        ReadPool? reads = null;
        try
        {
            writer = new TreeWriter(new SqlSession(dialect, forWriting: !options.IsReader), options, time);
            if (options.IsReader)
            {
                postgres!.Watch(writer.Tables.Session);
                TreeSchema.CheckNewest(writer.Tables.Session, schema);
                writer.Quotas.Open();
                reads = new ReadPool(dialect, options.ReadConnectionCount);
                LogOpened(log, dialect.DisplayName, schema[^1].Version, schema[^1].Version);
                return new TreeStore(dialect, writer, reads, time, log);
            }

            postgres?.Take(writer.Tables.Session);
            if (dialect.WasStoppedUncleanly && options.CheckAfterUncleanStop)
            {
                IReadOnlyList<string> faults = dialect.CheckIntegrity(writer.Tables.Session, quick: true);
                if (faults.Count > 0)
                {
                    throw dialect.DamagedDatabase(string.Join("; ", faults), null);
                }
            }

            int found = TreeSchema.Migrate(writer.Tables.Session, schema);
            if (Prepare(writer) is { } fault)
            {
                LogQuotasRebuilt(log, fault);
            }

            LogOpened(log, dialect.DisplayName, found, schema[^1].Version);
            reads = new ReadPool(dialect, options.ReadConnectionCount);
            return new TreeStore(dialect, writer, reads, time, log);
        }
        catch (Exception error)
        {
            reads?.Dispose();
            writer?.Dispose();
            dialect.Dispose();
            if (error is DbException database)
            {
                throw dialect.Map(database);
            }

            throw;
        }
    }

    /// <summary>Readies the tree; returns what was wrong with its quotas, or null.</summary>
    private static string? Prepare(TreeWriter writer)
    {
        string? fault = null;
        writer.Begin();
        writer.RunIsolated(w =>
        {
            w.Tables.Journal.ReleaseAllLeases();
            try
            {
                w.Quotas.Open();
            }
            catch (DataLayerException error) when (error.Code == ErrorCode.Corrupt)
            {
                fault = error.Message;
                QuotaChanges.Rebuild(w);
                w.Quotas.Open();
            }

            QuotaChanges.Adopt(w);
            if (w.Tables.Inodes.FindAttributes(InodeId.Root) is null)
            {
                NewInode attributes = new(0x1ED);
                w.Tables.Inodes.Add(NameChanges.NewRow(w, InodeId.Root, FileKind.Directory, attributes, 0,
                    target: null));
            }
        });
        writer.Commit();
        return fault;
    }

    private async ValueTask FinishRemovalsAsync(CancellationToken cancellationToken)
    {
        List<Attachment> begun = await _reads.RunAsync(static t => t.Attachments.List(removing: true),
            cancellationToken)
            .ConfigureAwait(false);
        foreach (Attachment attachment in begun)
        {
            await ContinueRemovalAsync(attachment.Id, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask ContinueRemovalAsync(long attachmentId, CancellationToken cancellationToken)
    {
        while (!await ChangeAsync(w => AttachmentChanges.ContinueRemoval(w, attachmentId), cancellationToken)
            .ConfigureAwait(false))
        {
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    internal ValueTask<T> ChangeAsync<T>(
        Func<TreeWriter, T> change, CancellationToken cancellationToken, bool relaxed = false) =>
        _committer.RunAsync(change, cancellationToken, relaxed);

    private async ValueTask ChangeVoidAsync<T>(Func<TreeWriter, T> change, CancellationToken cancellationToken) =>
        await _committer.RunAsync(change, cancellationToken).ConfigureAwait(false);

    private void OnJournalAdded(int kinds) => JournalAdded?.Invoke(kinds);

    private static void CheckLimit(int limit) => ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);

    [LoggerMessage(10, LogLevel.Information, "Opened {Database}: schema version {Found}, now {Current}")]
    private static partial void LogOpened(ILogger log, string database, int found, int current);

    [LoggerMessage(12, LogLevel.Warning, "The accounts of quotas were made anew from the folders' limits and a count "
        + "of what is there: {Fault}")]
    private static partial void LogQuotasRebuilt(ILogger log, string fault);

    [LoggerMessage(11, LogLevel.Warning, "The metadata could not be checkpointed while closing: {Cause}")]
    private partial void LogNoCheckpoint(string cause);
}
