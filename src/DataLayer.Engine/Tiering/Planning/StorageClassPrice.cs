namespace DataLayer.Engine.Tiering.Planning;

/// <summary>What one storage class of an object store charges. Amounts are in the table's currency.</summary>
public sealed record StorageClassPrice
{
    /// <summary>The class as the store names it (<c>STANDARD_IA</c>).</summary>
    public required string Name { get; init; }

    /// <summary>Price of one GiB for a month of <see cref="PriceTable.DaysPerMonth"/> days.</summary>
    public required double PerGibMonth { get; init; }

    /// <summary>An object that leaves the class earlier pays the rest of this time at once, days.</summary>
    public int MinDays { get; init; }

    /// <summary>A smaller object is billed as if it had this size, bytes.</summary>
    public long MinObjectBytes { get; init; }

    /// <summary>What the store keeps beside each object and bills in this class, bytes.</summary>
    public long IndexBytes { get; init; }

    /// <summary>What the store keeps beside each object and bills in the table's first class, bytes.</summary>
    public long NameBytes { get; init; }

    /// <summary>Price of 1,000 requests that write: PUT, COPY into the class, parts of an upload.</summary>
    public double PutPer1000 { get; init; }

    /// <summary>Price of 1,000 requests that read: GET, HEAD.</summary>
    public double GetPer1000 { get; init; }

    /// <summary>Price of 1,000 deletes.</summary>
    public double DeletePer1000 { get; init; }

    /// <summary>Price of each GiB read out of the class, where the object is readable at once or restored.</summary>
    public double RetrievalPerGib { get; init; }

    /// <summary>Price of 1,000 restores, for classes that want one before an object can be read.</summary>
    public double RestorePer1000 { get; init; }

    /// <summary>How long a restore takes; zero where objects are readable at once.</summary>
    public TimeSpan RestoreTime { get; init; }

    /// <summary>Whether an object must be restored before it can be read.</summary>
    public bool NeedsRestore => RestoreTime > TimeSpan.Zero;
}
