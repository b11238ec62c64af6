using DataLayer.Core.Objects;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;

namespace DataLayer.Tests.Tiering.Costs;

/// <summary>What the tiers save, against numbers made by hand.</summary>
public sealed class ComparedCostsTests
{
    private const long Gib = 1L << 30;
    private static readonly TierPricing _pricing = new(CostFixture.Prices, new TransferShape { ReadBytes = 8 << 20 });

    [Fact]
    public void Each_part_is_added_up_where_it_belongs()
    {
        // Paid: 3 + 2 + 1 of a read, 10 of an upload, 5 of a listing, 40 hot, 20 cold = 81.
        CostRow[] rows =
        [
            Row(OriginPurpose.Foreground, CostItem.Get, request: 3, retrieval: 2, egress: 1),
            Row(OriginPurpose.Upload, CostItem.Put, request: 10),
            Row(OriginPurpose.Listing, CostItem.List, request: 5),
            Row(OriginPurpose.Other, CostItem.HotStorage, storage: 40),
            Row(OriginPurpose.Other, CostItem.ColdStorage, storage: 20),
            Row(OriginPurpose.Other, CostItem.AllHot, storage: 400),
            Row(OriginPurpose.Other, CostItem.AllCold, storage: 30),
        ];

        // Read: 2 GiB in 100 opens: 256 GETs of 8 MiB at 1, 2 × 1,000 of retrieval, 2 × 100 of egress.
        ComparedCosts costs = ComparedCosts.Of(rows, new AccessSums(100, 5000, Gib, Gib / 2, Gib / 2, 0, 0), _pricing);
        Assert.Equal((18, 2, 1, 40, 20), (costs.Requests, costs.Retrieval, costs.Egress, costs.HotStorage, costs.ColdStorage));
        Assert.Equal(81, costs.Paid, 9);
        Assert.Equal(400, costs.AllHot, 9);
        Assert.Equal((30, 256, 2200, 15), (costs.AllColdStorage, costs.AllColdReads, costs.AllColdBytes, costs.AllColdWrites));
        Assert.Equal(2501, costs.AllCold, 9);
    }

    [Fact]
    public void Small_files_cost_a_GET_an_open()
    {
        ComparedCosts costs = ComparedCosts.Of([], new AccessSums(1000, 1000, 0, 1000 * 1024, 0, 0, 0), _pricing);
        Assert.Equal(1000, costs.AllColdReads, 9);
        Assert.Equal((0, 0), (costs.Paid, costs.AllHot));
    }

    private static CostRow Row(
        OriginPurpose purpose, CostItem item, long request = 0, long retrieval = 0, long egress = 0, long storage = 0) => new(
        0, 0, new CostKey("/data", "", purpose, item, "STANDARD"),
        new CostSums(1, 0, 0, 0, request * 1_000_000_000, retrieval * 1_000_000_000, egress * 1_000_000_000, storage * 1_000_000_000));
}
