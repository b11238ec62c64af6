using DataLayer.Core.Objects;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Costs;

/// <summary>
/// What was paid in a span of time beside what the same files and reads would have cost without tiers. Amounts are in
/// the price table's currency.
/// </summary>
/// <remarks>
/// All hot: every file with all its bytes in the default pool, with that pool's copies, for as long as it was there; no
/// objects, no requests. All cold: every file as an object of the class it has (or the table's first), no hot tier;
/// what was read is read from there, at least one GET an open and one for each <see cref="TransferShape.ReadBytes"/>,
/// at the first class's price with its retrieval and the egress of the route; what was written and listed costs what
/// it did.
/// </remarks>
public sealed record ComparedCosts
{
    /// <summary>Paid: requests.</summary>
    public double Requests { get; init; }

    /// <summary>Paid: retrieval.</summary>
    public double Retrieval { get; init; }

    /// <summary>Paid: egress.</summary>
    public double Egress { get; init; }

    /// <summary>Paid: the hot tier.</summary>
    public double HotStorage { get; init; }

    /// <summary>Paid: objects.</summary>
    public double ColdStorage { get; init; }

    /// <summary>All hot: the hot tier, which is all there is.</summary>
    public double AllHot { get; init; }

    /// <summary>All cold: objects.</summary>
    public double AllColdStorage { get; init; }

    /// <summary>All cold: GETs of what was read.</summary>
    public double AllColdReads { get; init; }

    /// <summary>All cold: retrieval and egress of what was read.</summary>
    public double AllColdBytes { get; init; }

    /// <summary>All cold: uploads, deletes and listings, as they were paid.</summary>
    public double AllColdWrites { get; init; }

    /// <summary>All that was paid.</summary>
    public double Paid => Requests + Retrieval + Egress + HotStorage + ColdStorage;

    /// <summary>All that all cold would have cost.</summary>
    public double AllCold => AllColdStorage + AllColdReads + AllColdBytes + AllColdWrites;

    /// <summary>Adds up rows of one level and what was read in the same span.</summary>
    public static ComparedCosts Of(IEnumerable<CostRow> rows, in AccessSums read, TierPricing pricing)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(pricing);
        CostSums paid = default;
        (long hot, long cold, long allHot, long allCold, long writes) = (0, 0, 0, 0, 0);
        foreach (CostRow row in rows)
        {
            paid += row.Key.Item < CostItem.AllHot ? row.Sums : default;
            hot += row.Key.Item == CostItem.HotStorage ? row.Sums.StorageNanos : 0;
            cold += row.Key.Item == CostItem.ColdStorage ? row.Sums.StorageNanos : 0;
            allHot += row.Key.Item == CostItem.AllHot ? row.Sums.StorageNanos : 0;
            allCold += row.Key.Item == CostItem.AllCold ? row.Sums.StorageNanos : 0;
            writes += row.Key.Purpose is OriginPurpose.Upload or OriginPurpose.Listing ? row.Sums.OriginNanos : 0;
        }

        long gets = Math.Max(read.OpenCount, pricing.Shape.CountReadRequests(read.ReadBytes));
        MoveCost reads = pricing.Requests(CostItem.Get, pricing.Table.DefaultClass, gets, read.ReadBytes);
        return new ComparedCosts
        {
            Requests = paid.RequestNanos / 1e9,
            Retrieval = paid.RetrievalNanos / 1e9,
            Egress = paid.EgressNanos / 1e9,
            HotStorage = hot / 1e9,
            ColdStorage = cold / 1e9,
            AllHot = allHot / 1e9,
            AllColdStorage = allCold / 1e9,
            AllColdReads = reads.RequestCost,
            AllColdBytes = reads.RetrievalCost + reads.EgressCost,
            AllColdWrites = writes / 1e9,
        };
    }
}
