using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes.Rados;

/// <summary>
/// A target in a namespace of a Ceph RADOS pool: 4 MiB of a column an object, its checksums an attribute of the same
/// object (docs/FORMATS/stripes.md, docs/decisions/0240 and 0241).
/// </summary>
/// <remarks>
/// <para>Bytes and checksums of an object change in one operation, which is durable when it is answered. So there are
/// no marks and no recovery: a flush only writes down which objects there are, so that one that is lost later is known
/// to be. Each change demands that the object is as this process thinks; where it is not (an earlier change that seemed
/// to time out was made after all), the object is looked at again.</para>
/// <para>Operations wait in librados, on no thread of ours; at most <see cref="RadosTargetOptions.ConcurrencyCount"/>
/// are under way, the rest wait their turn, a bounded time. What it cannot do: share bytes among contents (they are
/// copied), and give a file descriptor to readers that bypass us.</para>
/// <para>Lock order: a column's turn, then a unit's turn, then the gate of operations, each held over calls; a unit's
/// turn is never waited for with another unit's held.</para>
/// </remarks>
internal sealed partial class RadosTarget : ITarget
{
    private const int UnitTurnCount = 256;
    private readonly TargetIdentity _identity;
    private readonly RadosSite _site;
    private readonly RadosConnection _connection;
    private readonly RadosTargetOptions _options;
    private readonly TargetGate _gate;
    private readonly SemaphoreSlim[] _unitTurns = new SemaphoreSlim[UnitTurnCount];
    private readonly RadosColumnCache _columns;

    /// <summary>Makes a target of a namespace; call <see cref="CheckAsync"/> before the first use.</summary>
    internal RadosTarget(
        TargetIdentity identity, RadosSite site, RadosConnection connection, RadosTargetOptions options)
    {
        _identity = identity;
        _site = site;
        _connection = connection;
        _options = options;
        _gate = new TargetGate(
            options.ConcurrencyCount, options.WaitLimit, "operations are under way. Look at 'ceph -s'.");
        _condition = new TargetCondition(options.Time, options.FenceTime);
        _room = new TargetRoom(site.Location, options.ReserveBytes, options.Time, read: null);
        _columns = new RadosColumnCache(options.ColumnCount);
        for (int i = 0; i < UnitTurnCount; i++)
        {
            _unitTurns[i] = new SemaphoreSlim(1);
        }
    }

    /// <inheritdoc/>
    public int Number => _identity.Target;

    /// <inheritdoc/>
    public string Pool => _identity.Pool;

    /// <inheritdoc/>
    public string Location => _site.Location;

    /// <summary>This client as the cluster's blocklist would name it.</summary>
    internal string ClientAddress => _connection.ClientAddress;

    /// <inheritdoc/>
    public int LoadCount => _gate.LoadCount;

    /// <inheritdoc/>
    public async ValueTask ReadAsync(
        ColumnId column, long offsetBytes, int lengthBytes, StripeView view, CancellationToken cancellationToken)
    {
        Begin(isWrite: false, cancellationToken);
        RadosColumn found = await LoadAsync(column, create: false, cancellationToken).ConfigureAwait(false);
        await EachUnitAsync(
            found, offsetBytes, lengthBytes, view,
            static (target, found, part, view, stop) => target.ReadUnitAsync(found, part, view, stop),
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask PrepareWriteAsync(
        ColumnId column, long offsetBytes, int lengthBytes, bool create, CancellationToken cancellationToken)
    {
        Begin(isWrite: true, cancellationToken);
        if (create)
        {
            _room.Take(ChunkEntry.ChunkBytes, column.Content.Inode);
        }

        RadosColumn found = await LoadAsync(column, create, cancellationToken).ConfigureAwait(false);
        found.IsAdopted |= create;
        if (lengthBytes > 0)
        {
            // Nothing need be marked before bytes are replaced; only that the units may be made.
            DemandAdopted(found);
            (int first, int last) = UnitsOf(offsetBytes, lengthBytes);
            await ReserveAsync(found, first, last, cancellationToken).ConfigureAwait(false);
            found.End(first, last);
        }
    }

    /// <inheritdoc/>
    public async ValueTask WriteAsync(
        ColumnId column, long offsetBytes, int lengthBytes, StripeView view, CancellationToken cancellationToken)
    {
        Begin(isWrite: true, cancellationToken);
        RadosColumn found = await LoadAsync(column, create: false, cancellationToken).ConfigureAwait(false);
        DemandAdopted(found);
        (int first, int last) = UnitsOf(offsetBytes, lengthBytes);
        await ReserveAsync(found, first, last, cancellationToken).ConfigureAwait(false);
        try
        {
            await EachUnitAsync(
                found, offsetBytes, lengthBytes, view,
                static (target, found, part, view, stop) => target.WriteUnitAsync(found, part, view, stop),
                cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            found.End(first, last);
        }
    }

    /// <summary>Bytes are durable when they are written: what is left is to note which units there are.</summary>
    /// <inheritdoc/>
    public async ValueTask FlushAsync(ColumnId column, CancellationToken cancellationToken)
    {
        Begin(isWrite: true, cancellationToken);
        RadosColumn found = await LoadAsync(column, create: false, cancellationToken).ConfigureAwait(false);
        if (found.IsEmptyAndFresh && !found.IsAdopted)
        {
            return; // One that was never written stays so until its set is known to be complete.
        }

        await found.Turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await FlushLockedAsync(found, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            found.Turn.Release();
        }
    }

    /// <summary>No bytes are shared: they are to be copied.</summary>
    /// <inheritdoc/>
    public ValueTask<bool> TryShareAsync(
        ColumnId from, ColumnId to, long lengthBytes, CancellationToken cancellationToken) =>
        ValueTask.FromResult(false);

    /// <summary>Nothing ever needs a recovery.</summary>
    /// <inheritdoc/>
    public ValueTask<List<long>> BeginRecoveryAsync(ColumnId column, CancellationToken cancellationToken) =>
        ValueTask.FromResult<List<long>>([]);

    /// <inheritdoc/>
    public ValueTask EndRecoveryAsync(ColumnId column, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _gate.CloseAsync().ConfigureAwait(false); // What is under way ends, at the latest by its time limit.
        _site.Dispose();
    }

    private static (int First, int Last) UnitsOf(long offsetBytes, long lengthBytes)
    {
        long last = (offsetBytes + Math.Max(lengthBytes, 1) - 1) / UnitHead.UnitBytes;
        return last < UnitLimit ? ((int)(offsetBytes / UnitHead.UnitBytes), (int)last)
            : throw new DataLayerException(ErrorCode.FileTooLarge, string.Create(CultureInfo.InvariantCulture,
                $"Byte {offsetBytes + lengthBytes} of a column is past what a RADOS target takes, "
                    + $"{(long)UnitLimit * UnitHead.UnitBytes} bytes. Use a pool of more targets and a larger width."));
    }

    private static void DemandAdopted(RadosColumn column)
    {
        if (!column.IsAdopted && column.IsEmptyAndFresh)
        {
            throw new UnbornColumnException(column.Id);
        }
    }

    private static string NameOf(in ColumnId column, int unit) =>
        string.Create(CultureInfo.InvariantCulture, $"{column.FileName}.{unit:x6}");

    private void Begin(bool isWrite, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _condition.ThrowUnlessUsable(this, isWrite);
    }

    /// <summary>Runs something for each unit that a range touches, side by side; waits for all, throws the first
    /// fault.</summary>
    private async ValueTask EachUnitAsync(
        RadosColumn column, long offsetBytes, int lengthBytes, StripeView view,
        Func<RadosTarget, RadosColumn, UnitPart, StripeView, CancellationToken, Task> run,
        CancellationToken cancellationToken)
    {
        using System.Buffers.MemoryHandle pin = view.Pin();
        (int first, int last) = UnitsOf(offsetBytes, lengthBytes);
        Task[] tasks = new Task[last - first + 1];
        for (int unit = first; unit <= last; unit++)
        {
            long start = (long)unit * UnitHead.UnitBytes;
            int from = (int)(Math.Max(offsetBytes, start) - start);
            int to = (int)(Math.Min(offsetBytes + lengthBytes, start + UnitHead.UnitBytes) - start);
            tasks[unit - first] = run(this, column, new UnitPart(unit, from, to), view, cancellationToken);
        }

        await Gather.AllAsync(tasks).ConfigureAwait(false);
    }

    /// <summary>Carries out a change of an object; its result, of which those in <paramref name="expected"/> are no
    /// faults.</summary>
    private async ValueTask<int> ChangeAsync(
        string name, RadosWrite write, CancellationToken cancellationToken, params int[] expected)
    {
        await _gate.EnterAsync(this, cancellationToken).ConfigureAwait(false);
        try
        {
            int result = await RadosCall.WriteAsync(_connection.GetPool(), name, write).ConfigureAwait(false);
            return result >= 0 || expected.AsSpan().Contains(-result) ? result
                : throw Explain(result, $"write of '{name}'", isWrite: true);
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Carries out a read of an object; false if it is not there.</summary>
    private async ValueTask<bool> LookAsync(string name, RadosRead read, CancellationToken cancellationToken)
    {
        await _gate.EnterAsync(this, cancellationToken).ConfigureAwait(false);
        try
        {
            int result = await RadosCall.ReadAsync(_connection.GetPool(), name, read, cancellationToken)
                .ConfigureAwait(false);
            if (result == -RadosError.Cancelled)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }

            return result >= 0 || (result == -Errno.NoEntry ? false
                : throw Explain(result, $"read of '{name}'", isWrite: false));
        }
        finally
        {
            _gate.Leave();
        }
    }

    private async ValueTask RemoveAsync(string name, CancellationToken cancellationToken)
    {
        using RadosWrite write = new();
        write.Remove();
        await ChangeAsync(name, write, cancellationToken, Errno.NoEntry).ConfigureAwait(false);
    }

    /// <summary>A range of one unit, bytes from the unit's start.</summary>
    private readonly record struct UnitPart(int Unit, int From, int To);
}
