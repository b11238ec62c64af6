using DataLayer.Core.Errors;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>
/// The slabs of one feed: at most so many, made as they are needed, replaced where a batch needs a longer one. Without
/// a free one the feed waits: this is what holds a feed back whose client releases nothing.
/// </summary>
/// <remarks>One taker (the feed's pipeline); anybody gives back.</remarks>
internal sealed class SlabSet(SlabBudget budget, int count) : IDisposable
{
    private const int SmallUnit = 64 << 10;
    private const int LargeUnit = 2 << 20;
    private readonly Lock _lock = new();
    private readonly Slab?[] _slabs = new Slab?[count];
    private TaskCompletionSource? _waiter;

    /// <summary>What the slabs take, bytes.</summary>
    public long UsedBytes
    {
        get
        {
            lock (_lock)
            {
                long sum = 0;
                foreach (Slab? slab in _slabs)
                {
                    sum += slab?.LengthBytes ?? 0;
                }

                return sum;
            }
        }
    }

    /// <summary>A slab with room for a batch, the caller's until <see cref="Free"/>.</summary>
    /// <param name="bytes">Length of the batch, bytes.</param>
    /// <param name="spareBytes">What a new slab gets beyond that, for longer batches to come.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">
    /// Overloaded: the budget has no room for a single one. NoSpace: the kernel has none.
    /// </exception>
    public async ValueTask<Slab> TakeAsync(int bytes, int spareBytes, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task freed;
            lock (_lock)
            {
                if (TryTakeFreeLocked(bytes) is { } free)
                {
                    return free;
                }

                _waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                freed = _waiter.Task;
            }

            if (TryMake(bytes, spareBytes) is { } made)
            {
                return made;
            }

            await freed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Gives a slab back.</summary>
    public void Free(Slab slab)
    {
        TaskCompletionSource? waiter;
        lock (_lock)
        {
            slab.IsTaken = false;
            waiter = _waiter;
            _waiter = null;
        }

        waiter?.TrySetResult();
    }

    /// <summary>Unmaps all slabs; nobody reads into one any more.</summary>
    public void Dispose()
    {
        for (int i = 0; i < _slabs.Length; i++)
        {
            Drop(i);
        }
    }

    private Slab? TryTakeFreeLocked(int bytes)
    {
        Slab? best = null;
        foreach (Slab? slab in _slabs)
        {
            if (slab is { IsTaken: false } && slab.LengthBytes >= bytes
                && (best is null || slab.LengthBytes < best.LengthBytes))
            {
                best = slab;
            }
        }

        if (best is not null)
        {
            best.IsTaken = true;
        }

        return best;
    }

    private Slab? TryMake(int bytes, int spareBytes)
    {
        int wanted = RoundUp((int)Math.Min((long)bytes + spareBytes, int.MaxValue));
        int least = RoundUp(bytes);
        int empty = FindEmpty();
        if (empty >= 0 && TryMakeAt(empty, wanted, least) is { } made)
        {
            return made;
        }

        // Free ones are all too short for this batch: they make room.
        bool isAnyTaken = false;
        for (int i = 0; i < _slabs.Length; i++)
        {
            bool isTaken;
            lock (_lock)
            {
                isTaken = _slabs[i]?.IsTaken ?? false;
                isAnyTaken |= isTaken;
                if (_slabs[i] is null || isTaken || _slabs[i]!.LengthBytes >= bytes)
                {
                    continue;
                }
            }

            Drop(i);
            if (TryMakeAt(i, wanted, least) is { } replaced)
            {
                return replaced;
            }
        }

        return isAnyTaken || HasLong(bytes)
            ? null
            : throw new DataLayerException(
                ErrorCode.Overloaded,
                $"A batch of {bytes} bytes finds no room: slabs take {budget.UsedBytes} of {budget.CapacityBytes} bytes"
                + ". Take a smaller batch, close other feeds, or raise feeds.slabMemory.");
    }

    /// <summary>Whether a slab that is long enough was given back a moment ago.</summary>
    private bool HasLong(int bytes)
    {
        lock (_lock)
        {
            foreach (Slab? slab in _slabs)
            {
                if (slab is not null && slab.LengthBytes >= bytes)
                {
                    return true;
                }
            }

            return false;
        }
    }

    private int FindEmpty()
    {
        lock (_lock)
        {
            return Array.IndexOf(_slabs, null);
        }
    }

    private Slab? TryMakeAt(int at, int wanted, int least)
    {
        int length = wanted;
        if (!budget.TryReserve(length))
        {
            length = least;
            if (!budget.TryReserve(length))
            {
                return null;
            }
        }

        try
        {
            Slab slab = new((uint)at, length) { IsTaken = true };
            lock (_lock)
            {
                _slabs[at] = slab;
            }

            return slab;
        }
        catch
        {
            budget.Return(length);
            throw;
        }
    }

    private void Drop(int at)
    {
        Slab? slab;
        lock (_lock)
        {
            slab = _slabs[at];
            _slabs[at] = null;
        }

        if (slab is not null)
        {
            ((IDisposable)slab).Dispose();
            budget.Return(slab.LengthBytes);
        }
    }

    private static int RoundUp(int bytes)
    {
        int unit = bytes > LargeUnit ? LargeUnit : SmallUnit;
        return (int)Math.Min(((long)bytes + unit - 1) / unit * unit, int.MaxValue & ~4095);
    }
}
