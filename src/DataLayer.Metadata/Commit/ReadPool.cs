using System.Data.Common;
using System.Diagnostics;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Rows;
using DataLayer.Metadata.Sql;

namespace DataLayer.Metadata.Commit;

/// <summary>
/// A few connections that only read. A read sees what was committed when it began. It runs on the caller's thread and
/// is done at once when a connection is free: a lookup costs less than a change of threads.
/// </summary>
internal sealed class ReadPool : IDisposable
{
    private const int LongestPauseMilliseconds = 400;

    private readonly SemaphoreSlim _free;
    private readonly Lock _gate = new();
    private readonly Stack<TreeTables> _idle = new();
    private readonly ISqlDialect _dialect;
    private readonly int _count;
    private bool _closed;

    /// <summary>Opens <paramref name="count"/> connections.</summary>
    public ReadPool(ISqlDialect dialect, int count)
    {
        _dialect = dialect;
        _count = count;
        _free = new SemaphoreSlim(count);
        try
        {
            for (int i = 0; i < count; i++)
            {
                _idle.Push(new TreeTables(new SqlSession(dialect, forWriting: false)));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Runs a read.</summary>
    /// <exception cref="DataLayerException">ShuttingDown after <see cref="CloseAsync"/>; else what the database or
    /// the read says.</exception>
    public ValueTask<T> RunAsync<T>(Func<TreeTables, T> read, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return !_dialect.IsLocal ? RunRemoteAsync(read, cancellationToken)
            : _free.Wait(0, CancellationToken.None)
            ? new ValueTask<T>(RunNow(read))
            : RunSlowAsync(read, cancellationToken);
    }

    /// <summary>Lets no more reads in and waits for those that run.</summary>
    public async ValueTask CloseAsync()
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
        }

        for (int i = 0; i < _count; i++)
        {
            await _free.WaitAsync().ConfigureAwait(false);
        }

        _free.Release(_count);
        Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            while (_idle.TryPop(out TreeTables? tables))
            {
                tables.Dispose();
            }
        }
    }

    private async ValueTask<T> RunSlowAsync<T>(Func<TreeTables, T> read, CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken).ConfigureAwait(false);
        return RunNow(read);
    }

    /// <summary>
    /// A read of a database that may go away: it is run again over a new connection until the wait for an outage is
    /// over. Reads have no effect, so that they may run twice; they leave nothing behind before they return.
    /// </summary>
    private async ValueTask<T> RunRemoteAsync<T>(Func<TreeTables, T> read, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        for (int tries = 1; ; tries++)
        {
            await _free.WaitAsync(cancellationToken).ConfigureAwait(false);
            (T? result, DbException? error) = TryRunNow(read);
            if (error is null)
            {
                return result!;
            }

            SqlFault fault = _dialect.Classify(error);
            if (fault == SqlFault.Refused)
            {
                throw _dialect.Map(error);
            }

            // The first connection may just be an old one, cut off while idle: another try costs nothing.
            if (tries > 1 && Stopwatch.GetElapsedTime(start) >= _dialect.OutageWait)
            {
                throw fault == SqlFault.Lost ? _dialect.Unreachable(error, isChange: false) : _dialect.Map(error);
            }

            if (tries > 1)
            {
                double most = Math.Min(LongestPauseMilliseconds, 5 * Math.Pow(2, Math.Min(tries, 16)));
                TimeSpan pause = TimeSpan.FromMilliseconds(most * (0.5 + (tries * 37 % 50 / 100.0)));
                await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private (T? Result, DbException? Error) TryRunNow<T>(Func<TreeTables, T> read)
    {
        DbException? lost = null;
        T? result = default;
        result = RunNow(tables =>
        {
            try
            {
                if (!tables.Session.IsOpen)
                {
                    tables.Session.Reopen();
                }

                return read(tables);
            }
            catch (DbException error)
            {
                lost = error;
                if (_dialect.Classify(error) == SqlFault.Lost)
                {
                    tables.Session.Break();
                }

                return default!;
            }
        });
        return (result, lost);
    }

    private T RunNow<T>(Func<TreeTables, T> read)
    {
        TreeTables? tables = null;
        try
        {
            lock (_gate)
            {
                tables = _closed
                    ? throw new DataLayerException(ErrorCode.ShuttingDown, "The metadata store is closed.")
                    : _idle.Pop();
            }

            return read(tables);
        }
        catch (DbException error)
        {
            throw _dialect.Map(error);
        }
        catch (Exception error) when (error is InvalidCastException or InvalidOperationException or OverflowException)
        {
            throw new DataLayerException(
                ErrorCode.Corrupt, $"The metadata database is damaged: a row has a value of the wrong type. "
                    + $"{error.Message}", error);
        }
        finally
        {
            if (tables is not null)
            {
                lock (_gate)
                {
                    _idle.Push(tables);
                }
            }

            _free.Release();
        }
    }
}
