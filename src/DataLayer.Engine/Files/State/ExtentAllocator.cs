namespace DataLayer.Engine.Files.State;

/// <summary>
/// Buddy allocation of extents of 2^k × 4 KiB, up to 1 MiB, in an area whose length is a multiple of 1 MiB. An extent
/// lies at a multiple of its length; a freed one joins its free buddy. Costs O(8) a call. The caller locks.
/// </summary>
internal sealed class ExtentAllocator
{
    /// <summary>The smallest extent, bytes.</summary>
    public const int UnitBytes = 4 << 10;

    /// <summary>The largest extent, bytes.</summary>
    public const int MaxExtentBytes = 1 << 20;

    private const int TopOrder = 8;
    private readonly HashSet<long>[] _free = new HashSet<long>[TopOrder + 1];

    public ExtentAllocator(long areaBytes)
    {
        for (int order = 0; order <= TopOrder; order++)
        {
            _free[order] = [];
        }

        for (long at = 0; at + MaxExtentBytes <= areaBytes; at += MaxExtentBytes)
        {
            _free[TopOrder].Add(at);
        }

        FreeBytes = areaBytes / MaxExtentBytes * MaxExtentBytes;
    }

    public long FreeBytes { get; private set; }

    /// <summary>The order of the smallest extent that holds so many bytes.</summary>
    public static int OrderOf(long bytes)
    {
        int order = 0;
        while (LengthOf(order) < bytes)
        {
            order++;
        }

        return order;
    }

    public static int LengthOf(int order) => UnitBytes << order;

    /// <summary>Takes an extent; -1 if there is none.</summary>
    public long Take(int order)
    {
        int from = order;
        while (from <= TopOrder && _free[from].Count == 0)
        {
            from++;
        }

        if (from > TopOrder)
        {
            return -1;
        }

        long at = First(_free[from]);
        _free[from].Remove(at);
        while (from > order)
        {
            from--;
            _free[from].Add(at + LengthOf(from));
        }

        FreeBytes -= LengthOf(order);
        return at;
    }

    /// <summary>Takes a given extent, at a start; false if it is not free as a whole.</summary>
    public bool TryTake(long at, int order)
    {
        for (int from = order; from <= TopOrder; from++)
        {
            long whole = at / LengthOf(from) * LengthOf(from);
            if (!_free[from].Remove(whole))
            {
                continue;
            }

            while (from > order)
            {
                from--;
                long low = at / LengthOf(from) * LengthOf(from);
                _free[from].Add(low == whole ? whole + LengthOf(from) : whole);
                whole = low;
            }

            FreeBytes -= LengthOf(order);
            return true;
        }

        return false;
    }

    public void Free(long at, int order)
    {
        FreeBytes += LengthOf(order);
        while (order < TopOrder)
        {
            long buddy = at ^ LengthOf(order);
            if (!_free[order].Remove(buddy))
            {
                break;
            }

            at = Math.Min(at, buddy);
            order++;
        }

        _free[order].Add(at);
    }

    private static long First(HashSet<long> set)
    {
        foreach (long at in set)
        {
            return at;
        }

        return -1;
    }
}
