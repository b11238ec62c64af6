using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>
/// Prices states and moves of single files by one table. Planner, simulator and cost meter all ask here, so they
/// cannot disagree about a price. Immutable; amounts are in the table's currency.
/// </summary>
/// <param name="table">The prices.</param>
/// <param name="shape">How contents are cut into requests.</param>
public sealed class TierPricing(PriceTable table, TransferShape shape)
{
    private const double Gib = 1L << 30;
    private const double Thousand = 1000;

    /// <summary>The prices.</summary>
    public PriceTable Table { get; } = table;

    /// <summary>How contents are cut into requests.</summary>
    public TransferShape Shape { get; } = shape;

    /// <summary>A hot copy's price a month.</summary>
    /// <param name="pool">The pool it lies in; null for any.</param>
    /// <param name="bytes">Bytes of one copy.</param>
    /// <param name="copyCount">Copies, a count.</param>
    public double HotPerMonth(string? pool, long bytes, int copyCount)
    {
        double perGib = pool is not null && Table.HotPerGibMonthByPool.TryGetValue(pool, out double own)
            ? own
            : Table.HotPerGibMonth;
        return bytes / Gib * perGib * copyCount;
    }

    /// <summary>An object's price a month. A packed file has only its bytes: the pack bears what each object
    /// bears.</summary>
    public double ObjectPerMonth(StorageClassPrice price, long bytes, bool packed = false)
    {
        ArgumentNullException.ThrowIfNull(price);
        if (packed)
        {
            return bytes / (double)Shape.PackBytes * ObjectPerMonth(price, Shape.PackBytes);
        }

        long billed = Math.Max(bytes, price.MinObjectBytes) + price.IndexBytes;
        return (billed / Gib * price.PerGibMonth) + (price.NameBytes / Gib * Table.DefaultClass.PerGibMonth);
    }

    /// <summary>A month of objects of one class.</summary>
    /// <param name="price">The class.</param>
    /// <param name="count">How many they are.</param>
    /// <param name="billedBytes">Their lengths, none below the class's least.</param>
    public double ObjectsPerMonth(StorageClassPrice price, long count, long billedBytes)
    {
        ArgumentNullException.ThrowIfNull(price);
        double extra = (price.IndexBytes * price.PerGibMonth) + (price.NameBytes * Table.DefaultClass.PerGibMonth);
        return ((billedBytes * price.PerGibMonth) + (count * extra)) / Gib;
    }

    /// <summary>
    /// Requests that went out. Listings cost what writing costs in the table's first class; only bodies that were read
    /// cost retrieval and egress.
    /// </summary>
    /// <param name="item">What they were.</param>
    /// <param name="price">The class of their objects.</param>
    /// <param name="count">How many.</param>
    /// <param name="bytes">Their bodies.</param>
    public MoveCost Requests(CostItem item, StorageClassPrice price, long count, long bytes)
    {
        ArgumentNullException.ThrowIfNull(price);
        double per1000 = item switch
        {
            CostItem.Get or CostItem.Head => price.GetPer1000,
            CostItem.List => Table.DefaultClass.PutPer1000,
            CostItem.Put or CostItem.Post or CostItem.Copy => price.PutPer1000,
            CostItem.Delete => price.DeletePer1000,
            CostItem.Restore => price.RestorePer1000,
            _ => throw new ArgumentOutOfRangeException(nameof(item), item, "It is no request."),
        };
        double read = item == CostItem.Get ? bytes / Gib : 0;
        return Requests(count, per1000)
            + new MoveCost(0, 0, read * price.RetrievalPerGib, read * Table.EgressPerGib, 0);
    }

    /// <summary>An upload with the HEAD that verifies it. Bytes that come in are free everywhere we know.</summary>
    public MoveCost Upload(StorageClassPrice to, long bytes, bool packed = false)
    {
        ArgumentNullException.ThrowIfNull(to);
        if (packed)
        {
            return Upload(to, Shape.PackBytes).Multiply(bytes / (double)Shape.PackBytes);
        }

        long puts = Shape.CountUploadRequests(bytes);
        return Requests(puts, to.PutPer1000) + Requests(1, to.GetPer1000);
    }

    /// <summary>
    /// Puts an object's bytes into a pack: what is not hot is read, the file bears its part of the pack's requests
    /// (upload, index, reading back to compare), and its object is deleted.
    /// </summary>
    /// <param name="from">The object's class.</param>
    /// <param name="to">The pack's class.</param>
    /// <param name="bytes">Length of the content.</param>
    /// <param name="coldBytes">The part of it that has to be read from the object.</param>
    /// <param name="storedAt">Since when the object is in <paramref name="from"/>; null counts as long ago.</param>
    /// <param name="now">The time of the move.</param>
    public MoveCost Pack(
        StorageClassPrice from, StorageClassPrice to, long bytes, long coldBytes, DateTimeOffset? storedAt,
        DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        StorageClassPrice first = Table.DefaultClass;
        MoveCost whole = Upload(first, Shape.PackBytes) + Upload(first, 1) + Recall(first, Shape.PackBytes);
        if (to.Name != first.Name)
        {
            whole += Reclass(first, to, Shape.PackBytes, now, now);
        }

        return whole.Multiply(bytes / (double)Shape.PackBytes) + Recall(from, coldBytes)
            + Delete(from, bytes, storedAt, now);
    }

    /// <summary>The HEAD that verifies an object before its hot copy goes.</summary>
    public static MoveCost Verify(StorageClassPrice price)
    {
        ArgumentNullException.ThrowIfNull(price);
        return Requests(1, price.GetPer1000);
    }

    /// <summary>Reads bytes of one object back, restoring it first where its class wants that.</summary>
    public MoveCost Recall(StorageClassPrice from, long bytes)
    {
        ArgumentNullException.ThrowIfNull(from);
        long gets = Shape.CountReadRequests(bytes);
        if (gets == 0)
        {
            return default;
        }

        double gibibytes = bytes / Gib;
        MoveCost read = Requests(gets, from.GetPer1000)
            + new MoveCost(0, 0, gibibytes * from.RetrievalPerGib, gibibytes * Table.EgressPerGib, 0);
        return from.NeedsRestore ? read + Requests(1, from.RestorePer1000) : read;
    }

    /// <summary>Copies an object to another class inside the store, with the HEAD that verifies it.</summary>
    /// <param name="from">The class it is in.</param>
    /// <param name="to">The class it is to have.</param>
    /// <param name="bytes">Its length.</param>
    /// <param name="storedAt">Since when it is in <paramref name="from"/>; null counts as long ago.</param>
    /// <param name="now">The time of the copy.</param>
    public MoveCost Reclass(
        StorageClassPrice from, StorageClassPrice to, long bytes, DateTimeOffset? storedAt, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        MoveCost copy = Requests(Shape.CountCopyRequests(bytes), to.PutPer1000)
            + Requests(1, to.GetPer1000)
            + new MoveCost(0, 0, bytes / Gib * from.RetrievalPerGib, 0, 0)
            + EarlyDeletion(from, bytes, storedAt, now);
        return from.NeedsRestore ? copy + Requests(1, from.RestorePer1000) : copy;
    }

    /// <summary>Deletes or replaces an object.</summary>
    public MoveCost Delete(StorageClassPrice from, long bytes, DateTimeOffset? storedAt, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(from);
        return Requests(1, from.DeletePer1000) + EarlyDeletion(from, bytes, storedAt, now);
    }

    /// <summary>
    /// What leaving a class before its minimum duration costs: storage for the days that are left. Unknown storage
    /// times count as long ago.
    /// </summary>
    public MoveCost EarlyDeletion(
        StorageClassPrice from, long bytes, DateTimeOffset? storedAt, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(from);
        if (from.MinDays == 0 || storedAt is not { } since)
        {
            return default;
        }

        double left = from.MinDays - Math.Max(0, (now - since).TotalDays);
        return left <= 0
            ? default
            : new MoveCost(0, 0, 0, 0, ObjectPerMonth(from, bytes) * left / PriceTable.DaysPerMonth);
    }

    private static MoveCost Requests(double count, double per1000) =>
        new(count, count / Thousand * per1000, 0, 0, 0);
}
