using System.Data.Common;
using System.Diagnostics;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Sql;
using Microsoft.Extensions.Logging;

namespace DataLayer.Metadata.Commit;

/// <content>
/// What the writer does about a database in another process that gives a transaction up, or goes away.
/// <para>
/// A transaction that is certainly undone runs again, a few times at once and later with pauses that grow and vary. A
/// lost connection is made anew, and then the database says whether the transaction under way was committed
/// (<see cref="ISqlDialect.Rejoin"/>): if so its callers get their results, if not it runs again. Meanwhile each
/// change waits up to its deadline and then fails, except those whose COMMIT was sent: they are answered when it is
/// known what became of them, since whoever hears "not made" may throw away what a committed change points to.
/// </para>
/// </content>
internal sealed partial class GroupCommitter
{
    private const int AgainLimit = 12;
    private static readonly TimeSpan _firstPause = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan _longestPause = TimeSpan.FromMilliseconds(400);

    // Only spreads the pauses; nothing depends on the numbers.
    private readonly Random _jitter = new();

    // Never set: its waits are the pauses of the writer's own thread.
    private readonly ManualResetEventSlim _pause = new(initialState: false);

    private long DeadlineOfNow() => _isLocal ? long.MaxValue : Stopwatch.GetTimestamp()
        + (long)(_writer.Tables.Session.Dialect.OutageWait.TotalSeconds * Stopwatch.Frequency);

    /// <summary>Commits changes, or answers them otherwise.</summary>
    /// <returns>The error where the database refuses them; then they are undone and not answered.</returns>
    private DbException? TryCommit(List<PendingChange> changes)
    {
        for (int tries = 1; ; tries++)
        {
            DbException error;
            try
            {
                if (!_isLocal && !_writer.Tables.Session.IsOpen && !TryRejoin(changes, cause: null))
                {
                    return null;
                }

                CommitTogether(changes);
                return null;
            }
            catch (DbException caught)
            {
                error = caught;
            }
            catch (DataLayerException taken)
            {
                // The changes' own errors are theirs; this comes from the beginning of the transaction.
                _writer.Rollback();
                Fence(taken);
                FailAll(changes, _fence!);
                return null;
            }

            switch (_writer.Tables.Session.Dialect.Classify(error))
            {
                case SqlFault.Again when tries < AgainLimit:
                    _writer.Rollback();
                    LogAgain(changes.Count, error.Message);
                    Pause(tries);
                    break;
                case SqlFault.Lost:
                    if (!TryRejoin(changes, error))
                    {
                        return null;
                    }

                    break;
                default:
                    _writer.Rollback();
                    return error;
            }
        }
    }

    /// <summary>Gets the writer a connection again.</summary>
    /// <returns>Whether the changes that are left are to be run (again); else all are answered.</returns>
    private bool TryRejoin(List<PendingChange> changes, DbException? cause)
    {
        long start = Stopwatch.GetTimestamp();
        bool isUnknown = _writer.IsCommitting;
        _writer.Tables.Session.Break();
        if (!isUnknown)
        {
            _writer.Rollback();
        }

        for (int tries = 1; ; tries++)
        {
            try
            {
                if (_writer.Rejoin())
                {
                    LogRejoined(Stopwatch.GetElapsedTime(start).TotalSeconds, "was committed");
                    Answer();
                    return false;
                }

                if (isUnknown)
                {
                    _writer.Rollback();
                }

                LogRejoined(Stopwatch.GetElapsedTime(start).TotalSeconds, "is run again");
                return true;
            }
            catch (DbException error)
            {
                if (tries == 1)
                {
                    LogLost((cause ?? error).Message);
                }

                cause = error;
            }
            catch (DataLayerException final)
            {
                _writer.Rollback();
                Fence(final);
                FailAll(changes, _fence!);
                return false;
            }

            if (!WaitMore(changes, isUnknown, cause, start))
            {
                return false;
            }

            Pause(tries);
        }
    }

    /// <summary>Answers those whose time is up; whether anybody waits still.</summary>
    private bool WaitMore(List<PendingChange> changes, bool isUnknown, DbException cause, long start)
    {
        bool closing;
        lock (_gate)
        {
            closing = _closing;
        }

        DataLayerException late = _writer.Tables.Session.Dialect.Unreachable(cause, isChange: true);
        FailLateQueued(late, closing);
        if (!isUnknown)
        {
            for (int i = changes.Count - 1; i >= 0; i--)
            {
                if (closing || Stopwatch.GetTimestamp() >= changes[i].Deadline)
                {
                    changes[i].Fail(late);
                    changes.RemoveAt(i);
                }
            }

            return changes.Count > 0;
        }

        if (!closing || Stopwatch.GetElapsedTime(start) < _writer.Tables.Session.Dialect.OutageWait)
        {
            return true;
        }

        _writer.Rollback();
        Fence(new DataLayerException(
            ErrorCode.TargetFailed, "The service stops while nobody knows whether its last transaction was committed; "
                + $"it finds out when it starts again. {cause.Message}", cause));
        FailAll(changes, _fence!);
        return false;
    }

    private void FailLateQueued(DataLayerException late, bool all)
    {
        lock (_gate)
        {
            while (_queue.TryPeek(out PendingChange? next)
                && (all || next.IsAnswered || Stopwatch.GetTimestamp() >= next.Deadline))
            {
                _queue.Dequeue();
                if (next.TryTake())
                {
                    next.Fail(late);
                }
            }
        }
    }

    private void Pause(int tries)
    {
        double most = Math.Min(
            _longestPause.TotalMilliseconds, _firstPause.TotalMilliseconds * Math.Pow(2, Math.Min(tries, 16)));
#pragma warning disable CA5394 // Not for secrets.
        _pause.Wait(TimeSpan.FromMilliseconds(most * (0.5 + (_jitter.NextDouble() / 2))));
#pragma warning restore CA5394
    }

    [LoggerMessage(4, LogLevel.Information, "The database gave up a transaction of {Changes} changes, which is run "
        + "again. {Cause}")]
    private partial void LogAgain(int changes, string cause);

    [LoggerMessage(5, LogLevel.Warning, "The metadata database is away; changes wait. {Cause}")]
    private partial void LogLost(string cause);

    [LoggerMessage(6, LogLevel.Warning, "The metadata database is back after {Seconds:0.000} s; the transaction that "
        + "was under way {Outcome}")]
    private partial void LogRejoined(double seconds, string outcome);
}
