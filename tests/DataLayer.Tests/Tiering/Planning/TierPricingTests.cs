using DataLayer.Engine.Tiering.Planning;
using FsCheck;
using FsCheck.Fluent;
using static DataLayer.Tests.Tiering.Planning.PriceFixture;

namespace DataLayer.Tests.Tiering.Planning;

/// <summary>Each price rule against a bill computed by hand.</summary>
public sealed class TierPricingTests
{
    [Fact]
    public void A_hot_copy_costs_its_bytes_times_copies_at_its_pools_price()
    {
        Assert.Equal(0.30, Pricing.HotPerMonth("default", 3 * GiB, 1), 12);
        Assert.Equal(0.60, Pricing.HotPerMonth(null, 3 * GiB, 2), 12);
        Assert.Equal(0.60, Pricing.HotPerMonth("nvme", 3 * GiB, 1), 12);
    }

    [Fact]
    public void A_small_object_is_billed_at_the_minimum_size()
    {
        // 1 KiB in IA counts as 128 KiB: 0.01 × 128 KiB / 1 GiB = 0.01 / 8192.
        Assert.Equal(0.01 / 8192, Pricing.ObjectPerMonth(Class("IA"), KiB), 15);
        Assert.Equal(0.01 / 8192, Pricing.ObjectPerMonth(Class("IA"), 128 * KiB), 15);
        Assert.Equal(0.01 / 4096, Pricing.ObjectPerMonth(Class("IA"), 256 * KiB), 15);
    }

    [Fact]
    public void An_archived_object_bears_its_index_and_its_name_at_the_first_class_price()
    {
        // 32 KiB more at 0.001 and 8 KiB at STANDARD's 0.02: per GiB 0.001/32768 and 0.02/131072.
        Assert.Equal(0.001 + (0.001 / 32768) + (0.02 / 131072), Pricing.ObjectPerMonth(Class("ARCHIVE"), GiB), 12);
    }

    [Fact]
    public void Packed_files_share_the_minimum_size_and_the_requests()
    {
        // 1,024 files of 64 KiB are a pack of 64 MiB: 1/16 GiB at 0.01, not 1,024 × 128 KiB.
        Assert.Equal(0.01 / 16, 1024 * Pricing.ObjectPerMonth(Class("IA"), 64 * KiB, packed: true), 12);
        MoveCost all = Pricing.Upload(Class("IA"), 64 * KiB, packed: true) * 1024;
        Assert.Equal(2 + 8 + 1, all.Requests, 9); // 64 MiB in 8 parts of 8 MiB, begun, completed, verified
        Assert.Equal((10 * 0.010) + 0.001, all.RequestCost, 9);
    }

    [Fact]
    public void An_upload_costs_its_puts_and_the_head_that_verifies_it()
    {
        Assert.Equal(new MoveCost(2, 0.005 + 0.0005, 0, 0, 0), Round(Pricing.Upload(Class("STANDARD"), MiB)));

        // 1 GiB = 128 parts of 8 MiB, begun and completed: 130 PUTs.
        Assert.Equal(new MoveCost(131, (130 * 0.005) + 0.0005, 0, 0, 0), Round(Pricing.Upload(Class("STANDARD"), GiB)));
    }

    [Fact]
    public void Reading_back_costs_requests_retrieval_and_egress()
    {
        // 2 GiB = 256 GETs of 8 MiB; 2 × 0.01 out of the class; 2 × 0.05 out of the store.
        Assert.Equal(new MoveCost(256, 0.256, 0.02, 0.10, 0), Round(Pricing.Recall(Class("IA"), 2 * GiB)));
        Assert.Equal(default, Pricing.Recall(Class("IA"), 0));
    }

    [Fact]
    public void Reading_back_an_archived_object_costs_a_restore_as_well()
    {
        Assert.Equal(new MoveCost(129, (128 * 0.0005) + 0.1, 0.02, 0.05, 0), Round(Pricing.Recall(Class("ARCHIVE"), GiB)));
    }

    [Theory]
    [InlineData(0, 0.01)] // at once: all 30 days
    [InlineData(10, 0.01 * 20 / 30)]
    [InlineData(29.25, 0.01 * 0.75 / 30)]
    [InlineData(30, 0)]
    [InlineData(400, 0)]
    public void Leaving_early_pays_the_days_that_are_left(double storedDays, double cost)
    {
        MoveCost fee = Pricing.EarlyDeletion(Class("IA"), GiB, Now.AddDays(-storedDays), Now);
        Assert.Equal(cost, fee.EarlyDeletionCost, 12);
        Assert.Equal(fee.Total, Pricing.Delete(Class("IA"), GiB, Now.AddDays(-storedDays), Now).Total);
    }

    [Fact]
    public void Leaving_early_pays_for_the_minimum_size_and_nothing_where_the_time_is_unknown()
    {
        Assert.Equal(0.01 / 8192, Pricing.EarlyDeletion(Class("IA"), 1, Now, Now).Total, 15);
        Assert.Equal(0, Pricing.EarlyDeletion(Class("IA"), GiB, null, Now).Total);
        Assert.Equal(0, Pricing.EarlyDeletion(Class("STANDARD"), GiB, Now, Now).Total);
    }

    [Fact]
    public void Another_class_costs_the_copy_the_retrieval_and_the_early_leave()
    {
        // From IA after 15 of 30 days: retrieval 0.01, 15 days of 0.01 a month, COPY at ARCHIVE's price, HEAD.
        Assert.Equal(
            new MoveCost(2, 0.050 + 0.0005, 0.01, 0, 0.005),
            Round(Pricing.Reclass(Class("IA"), Class("ARCHIVE"), GiB, Now.AddDays(-15), Now)));

        // Above 5 GiB a copy goes in parts: 12 GiB = 3 parts, begun and completed.
        Assert.Equal(5 + 1, Pricing.Reclass(Class("STANDARD"), Class("IA"), 12 * GiB, null, Now).Requests);
        Assert.Equal(0.1, Pricing.Reclass(Class("ARCHIVE"), Class("STANDARD"), MiB, null, Now).RequestCost - 0.005 - 0.0005, 9);
    }

    [Fact]
    public void No_price_is_negative_and_more_bytes_never_cost_less()
    {
        Prop.ForAll(
            ArbMap.Default.ArbFor<PositiveInt>(), ArbMap.Default.ArbFor<NonNegativeInt>(),
            (step, start) =>
            {
                long small = start.Get * 4096L;
                long large = small + (step.Get * 4096L);
                foreach (StorageClassPrice price in Table.Classes)
                {
                    MoveCost[] smalls = [Pricing.Upload(price, small), Pricing.Recall(price, small), Pricing.EarlyDeletion(price, small, Now, Now)];
                    MoveCost[] larges = [Pricing.Upload(price, large), Pricing.Recall(price, large), Pricing.EarlyDeletion(price, large, Now, Now)];
                    for (int i = 0; i < smalls.Length; i++)
                    {
                        Assert.True(smalls[i].Total >= 0 && larges[i].Total >= smalls[i].Total, $"{price.Name} {i}: {small} → {large}");
                    }

                    Assert.True(Pricing.ObjectPerMonth(price, large) >= Pricing.ObjectPerMonth(price, small));
                }
            }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void The_hash_of_a_table_follows_its_amounts_and_not_its_prose()
    {
        PriceTable same = new("another name", Table.Classes)
        {
            Title = "prose",
            HotPerGibMonth = Table.HotPerGibMonth,
            HotPerGibMonthByPool = Table.HotPerGibMonthByPool,
            EgressPerGib = Table.EgressPerGib,
        };
        PriceTable dearer = new("round", Table.Classes) { HotPerGibMonth = 0.11, HotPerGibMonthByPool = Table.HotPerGibMonthByPool, EgressPerGib = 0.05 };
        Assert.Equal(Table.ComputeHash(), same.ComputeHash());
        Assert.NotEqual(Table.ComputeHash(), dearer.ComputeHash());
    }

    private static MoveCost Round(MoveCost cost) => new(
        cost.Requests, Math.Round(cost.RequestCost, 12), Math.Round(cost.RetrievalCost, 12), Math.Round(cost.EgressCost, 12),
        Math.Round(cost.EarlyDeletionCost, 12));
}
