using System.Data.Common;
using System.Diagnostics;
using DataLayer.Core.Errors;
using Microsoft.Extensions.Logging;

namespace DataLayer.Metadata.Commit;

/// <summary>
/// The one writer. Changes queue up; the writer thread takes what is there, up to a limit, into one transaction, each
/// change in a savepoint, commits, and only then answers. While one commit waits for the disk the next batch gathers,
/// so the fsync is shared by as many as are waiting and a lone caller waits for one commit only.
/// </summary>
/// <remarks>
/// A change that fails by its own fault (any error but the database's) undoes itself and answers its caller alone.
/// When the database fails (disk full, locked), the whole transaction is undone and its changes run again one by one,
/// so each gets its own outcome. After an I/O error in a commit nothing is known about the disk: the writer is
/// fenced, every later change fails until the store is opened anew.
/// <para>
/// A relaxed change waits for no disk, so a change of threads would cost more than it: where nothing is queued or
/// under way its caller runs it alone. In a batch with a durable change it becomes durable with it. (Not so where the
/// database is another process: there all changes go through the writer thread.)
/// </para>
/// Lock order: <c>_turn</c> (whose holder uses the writer), then <c>_gate</c>; nothing is called under the latter.
/// </remarks>
internal sealed partial class GroupCommitter : IAsyncDisposable
{
    private readonly TreeWriter _writer;
    private readonly MetadataMeter _meter;
    private readonly ILogger _log;
    private readonly Action<int> _journalAdded;
    private readonly int _batchLimit;
    private readonly SemaphoreSlim _slots;
    private readonly Lock _turn = new();
    private readonly Lock _gate = new();
    private readonly Queue<PendingChange> _queue = new();
    private readonly AutoResetEvent _arrived = new(initialState: false);
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<PendingChange> _batch = [];
    private readonly List<PendingChange> _done = [];
    private readonly List<(PendingChange Change, Exception Error)> _refused = [];
    private readonly bool _isLocal;
    private bool _closing;
    private volatile DataLayerException? _fence;

    /// <summary>Starts the writer thread over <paramref name="writer"/>, which stays the caller's to dispose.</summary>
    public GroupCommitter(TreeWriter writer, MetadataMeter meter, ILogger log, Action<int> journalAdded)
    {
        _writer = writer;
        _meter = meter;
        _log = log;
        _journalAdded = journalAdded;
        _isLocal = writer.Tables.Session.Dialect.IsLocal;
        _batchLimit = writer.Options.GroupCommitLimit;
        _slots = new SemaphoreSlim(writer.Options.QueueLimit);
        Thread thread = new(Loop) { IsBackground = true, Name = "metadata-writer" };
        thread.Start();
    }

    /// <summary>How many changes wait, a count.</summary>
    public int QueueLength
    {
        get
        {
            lock (_gate)
            {
                return _queue.Count;
            }
        }
    }

    /// <summary>Whether relaxed changes were committed since the last durable commit.</summary>
    public bool HasRelaxed => _writer.HasRelaxed && !_writer.Options.IsReader;

    /// <summary>
    /// Runs a change and completes when it is durable, or with <paramref name="relaxed"/> when it is committed, which
    /// happens at once on the caller's thread if nobody else changes anything. Cancellation counts until the writer
    /// takes the change.
    /// </summary>
    public ValueTask<T> RunAsync<T>(
        Func<TreeWriter, T> change, CancellationToken cancellationToken, bool relaxed = false)
    {
        if (_writer.Options.IsReader)
        {
            throw new DataLayerException(
                ErrorCode.ReadOnly,
                "This node only reads the tree. Make changes at the node that writes: 'datalayer node list' names it.");
        }

        if (relaxed && _isLocal && _turn.TryEnter())
        {
            try
            {
                if (IsIdle())
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    return ValueTask.FromResult(RunNowLocked(change));
                }
            }
            finally
            {
                _turn.Exit();
            }
        }

        return RunQueuedAsync(change, relaxed, cancellationToken);
    }

    private bool IsIdle()
    {
        lock (_gate)
        {
            return !_closing && _queue.Count == 0 && _fence is null;
        }
    }

    private T RunNowLocked<T>(Func<TreeWriter, T> change)
    {
        long start = Stopwatch.GetTimestamp();
        T result;
        try
        {
            result = _writer.RunAlone(change, durable: false);
        }
        catch (DbException error)
        {
            if (IsFatal(error))
            {
                Fence(error);
            }

            throw _writer.Tables.Session.Dialect.Map(error);
        }

        _meter.RecordCommit(1, Stopwatch.GetElapsedTime(start));
        if (_writer.AddedJournalKinds != 0)
        {
            _journalAdded(_writer.AddedJournalKinds);
        }

        return result;
    }

    private async ValueTask<T> RunQueuedAsync<T>(
        Func<TreeWriter, T> change, bool relaxed, CancellationToken cancellationToken)
    {
        await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            PendingChange<T> pending = new(change) { IsRelaxed = relaxed, Deadline = DeadlineOfNow() };
            lock (_gate)
            {
                if (_closing)
                {
                    throw new DataLayerException(ErrorCode.ShuttingDown, "The metadata store is closing; the change "
                        + "was not made.");
                }

                _queue.Enqueue(pending);
            }

            _arrived.Set();
            using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
                static (state, token) => ((PendingChange<T>)state!).Cancel(token), pending);
            return await pending.Task.ConfigureAwait(false);
        }
        finally
        {
            _slots.Release();
        }
    }

    /// <summary>Lets no more changes in, finishes those that wait, and ends the thread.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _closing = true;
        }

        _arrived.Set();
        await _stopped.Task.ConfigureAwait(false);
        _pause.Dispose();
    }

    private void Loop()
    {
        while (TakeBatch())
        {
            try
            {
                lock (_turn)
                {
                    RunBatch();
                }
            }
            catch (Exception error)
            {
                // The batch answers its callers itself; what comes here is a fault of ours. No caller may be left
                // waiting.
                LogBatchFault(error);
                Fence(error);
                FailAll(_batch, _fence!);
            }
        }

        _stopped.SetResult();
    }

    private bool TakeBatch()
    {
        _batch.Clear();
        while (true)
        {
            bool closing;
            lock (_gate)
            {
                closing = _closing;
                while (_batch.Count < _batchLimit && _queue.TryDequeue(out PendingChange? change))
                {
                    if (change.TryTake())
                    {
                        _batch.Add(change);
                    }
                }
            }

            if (_batch.Count > 0)
            {
                return true;
            }

            if (closing)
            {
                return false;
            }

            _arrived.WaitOne();
        }
    }

    private void RunBatch()
    {
        if (_fence is not null)
        {
            FailAll(_batch, _fence);
            return;
        }

        long start = Stopwatch.GetTimestamp();
        if (TryCommit(_batch) is { } error)
        {
            LogBatchUndone(_batch.Count, error.Message);
            RunOneByOne(error);
        }

        _meter.RecordCommit(_batch.Count, Stopwatch.GetElapsedTime(start));
    }

    private void CommitTogether(List<PendingChange> changes)
    {
        _done.Clear();
        _refused.Clear();
        _writer.Begin(IsDurable(changes));
        foreach (PendingChange change in changes)
        {
            try
            {
                _writer.RunIsolated(change.Run);
                _done.Add(change);
            }
            catch (Exception error) when (error is not DbException)
            {
                // A refusal may rest on a change before it in this batch ("exists already"), so it is told only when
                // that one can be read; and if the batch is undone, the change has not been answered and runs again.
                _refused.Add((change, error));
            }
        }

        _writer.Commit();
        Answer();
    }

    private void Answer()
    {
        foreach ((PendingChange change, Exception error) in _refused)
        {
            change.Fail(error);
        }

        foreach (PendingChange change in _done)
        {
            change.Complete();
        }

        if (_writer.AddedJournalKinds != 0)
        {
            _journalAdded(_writer.AddedJournalKinds);
        }
    }

    private static bool IsDurable(List<PendingChange> changes)
    {
        foreach (PendingChange change in changes)
        {
            if (!change.IsRelaxed)
            {
                return true;
            }
        }

        return false;
    }

    private void RunOneByOne(DbException first)
    {
        if (IsFatal(first))
        {
            Fence(first);
            FailAll(_batch, _fence!);
            return;
        }

        List<PendingChange> one = [];
        foreach (PendingChange change in _batch)
        {
            one.Clear();
            one.Add(change);
            if (!change.IsAnswered && TryCommit(one) is { } error)
            {
                change.Fail(_writer.Tables.Session.Dialect.Map(error));
                if (IsFatal(error))
                {
                    Fence(error);
                    FailAll(_batch, _fence!);
                    return;
                }
            }

            if (_fence is not null)
            {
                FailAll(_batch, _fence);
                return;
            }
        }
    }

    private bool IsFatal(DbException error) =>
        _writer.Tables.Session.Dialect.Map(error).Code == ErrorCode.TargetFailed;

    private void Fence(Exception error)
    {
        string cause = error is DbException database ? _writer.Tables.Session.Dialect.Map(database).Message
            : error.Message;
        ErrorCode code = error is DbException ? ErrorCode.TargetFailed
            : error is DataLayerException known ? known.Code : ErrorCode.Internal;
        _fence = new DataLayerException(
            code, $"A commit of the metadata failed, and no change is taken until the service is restarted. Cause: "
                + $"{cause}", error);
        LogFenced(error);
    }

    // Completed changes ignore the error.
    private static void FailAll(List<PendingChange> changes, Exception error)
    {
        foreach (PendingChange change in changes)
        {
            change.Fail(error);
        }
    }

    [LoggerMessage(1, LogLevel.Warning, "The database refused a batch of {Changes} changes; they run again one by "
        + "one. {Cause}")]
    private partial void LogBatchUndone(int changes, string cause);

    [LoggerMessage(2, LogLevel.Critical, "The metadata writer is fenced: no change is taken until the service is "
        + "restarted")]
    private partial void LogFenced(Exception error);

    [LoggerMessage(3, LogLevel.Critical, "The metadata writer failed in a way it does not know")]
    private partial void LogBatchFault(Exception error);
}
