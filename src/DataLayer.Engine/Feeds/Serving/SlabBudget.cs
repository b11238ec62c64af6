namespace DataLayer.Engine.Feeds.Serving;

/// <summary>How much memory all slabs may take. Any thread.</summary>
internal sealed class SlabBudget(long capacityBytes)
{
    private long _usedBytes;

    /// <summary>The bound, bytes.</summary>
    public long CapacityBytes { get; } = capacityBytes;

    /// <summary>What slabs take now, bytes.</summary>
    public long UsedBytes => Volatile.Read(ref _usedBytes);

    /// <summary>Takes bytes; false where the budget has not so many left.</summary>
    public bool TryReserve(long bytes)
    {
        long used = UsedBytes;
        while (used + bytes <= CapacityBytes)
        {
            long seen = Interlocked.CompareExchange(ref _usedBytes, used + bytes, used);
            if (seen == used)
            {
                return true;
            }

            used = seen;
        }

        return false;
    }

    /// <summary>Gives bytes back.</summary>
    public void Return(long bytes) => Interlocked.Add(ref _usedBytes, -bytes);
}
