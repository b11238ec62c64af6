using System.Data.Common;
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
        return _free.Wait(0, CancellationToken.None)
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
