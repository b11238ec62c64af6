using DataLayer.Core.Errors;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Metadata;
using DataLayer.Storage.Objects;
using DataLayer.TestSupport.Objects;
using DataLayer.TestSupport.Origins;
using Microsoft.Data.Sqlite;

namespace DataLayer.Tests.Tiering.Costs;

/// <summary>Known sequences of requests over HTTP, billed by hand.</summary>
public sealed class CostMeterTests
{
    private const int MiB = 1 << 20;
    private const double GiB = 1L << 30;

    [Fact]
    public async Task Every_verb_costs_what_the_table_says()
    {
        await using CostFixture t = await new CostFixture().StartAsync();
        OriginUse.Current = new OriginUse(OriginPurpose.Upload);
        ObjectProperties put = await t.Store.WriteAsync("a", new BytesContent(new byte[3 * MiB]), default, default);
        await t.Store.HeadAsync("a", default);
        OriginUse.Current = new OriginUse(OriginPurpose.Foreground);
        await t.Store.ReadAsync("a", MiB, new byte[2 * MiB], put.ETag, default);
        await t.Store.HeadAsync("none", default);
        OriginUse.Current = new OriginUse(OriginPurpose.Listing);
        await t.Store.ListAsync(new ObjectListRequest("", null, null, null, 1000), default);
        OriginUse.Current = new OriginUse(OriginPurpose.Upload);
        await t.Store.DeleteAsync("a", default, default);

        IReadOnlyList<CostRow> rows = await t.RowsAsync();
        Assert.Equal(
            [
                "Foreground Get 1/0 2097152 1 1.953125 0.1953125",
                "Foreground Head 1/0 0 1 0 0",
                "Upload Head 1/0 0 1 0 0",
                "Upload Put 1/0 3145728 10 0 0",
                "Upload Delete 1/0 0 2 0 0",
                "Listing List 1/0 0 10 0 0",
            ],
            rows.Select(Text));
        Assert.Equal(t.Origin.RequestCount, rows.Sum(r => r.Sums.Requests));
        Assert.Equal(25 + (1100.0 * 2 * MiB / GiB), rows.Sum(r => r.Sums.TotalNanos) / 1e9, 6);
        Assert.All(rows, r => Assert.Equal(("/data", "STANDARD"), (r.Key.Dataset, r.Key.Class)));
    }

    [Fact]
    public async Task A_long_read_is_billed_range_by_range_and_pages_of_a_listing_one_by_one()
    {
        await using CostFixture t = await new CostFixture().StartAsync();
        for (int i = 0; i < 25; i++)
        {
            t.Origin.Put(CostFixture.Bucket, $"k{i:00}", [1]);
        }

        t.Origin.Put(CostFixture.Bucket, "large", new byte[20 * MiB]);
        string? token = null;
        do
        {
            ObjectListPage page = await t.Store.ListAsync(new ObjectListRequest("", null, null, token, 10), default);
            token = page.ContinuationToken;
        }
        while (token is not null);
        await t.Store.ReadAsync("large", 0, new byte[20 * MiB], t.Origin.Get(CostFixture.Bucket, "large")!.ETag, default);

        IReadOnlyList<CostRow> rows = await t.RowsAsync();
        Assert.Equal(["Other Get 3/0 20971520 3 19.53125 1.953125", "Other List 3/0 0 30 0 0"], rows.Select(Text));
    }

    [Fact]
    public async Task An_upload_in_parts_is_billed_begin_parts_and_end_and_one_given_up_its_abort_too()
    {
        await using CostFixture t = await new CostFixture().StartAsync();
        await t.Store.WriteAsync("large", new BytesContent(new byte[20 * MiB]), default, default);
        Assert.Equal(
            ["Other Head 1/0 0 1 0 0", "Other Put 3/0 20971520 30 0 0", "Other Post 2/0 0 20 0 0"], (await t.RowsAsync()).Select(Text));

        t.Origin.Script = r => r.Verb == "COMPLETE" ? OriginScript.AccessDenied : OriginScript.Serve;
        await Assert.ThrowsAsync<DataLayerException>(
            async () => await t.Store.WriteAsync("denied", new BytesContent(new byte[20 * MiB]), default, default));
        IReadOnlyList<CostRow> rows = await t.RowsAsync();
        Assert.Contains("Other Delete 1/0 0 2 0 0", rows.Select(Text));
        Assert.Contains("Other Post 4/1 0 40 0 0", rows.Select(Text));
        Assert.Equal(t.Origin.RequestCount, rows.Sum(r => r.Sums.Requests));
    }

    [Fact]
    public async Task A_request_that_failed_and_was_made_again_costs_twice_and_one_that_never_arrived_nothing()
    {
        await using CostFixture t = await new CostFixture().StartAsync();
        t.Origin.Put(CostFixture.Bucket, "a", new byte[MiB]);
        int refused = 0;
        t.Origin.Script = r => r.Verb == "GET" && Interlocked.Increment(ref refused) <= 2 ? OriginScript.SlowDown : OriginScript.Serve;
        await t.Store.ReadAsync("a", 0, new byte[MiB], null, default);
        Assert.Equal(["Other Get 3/2 1048576 3 0.9765625 0.09765625"], (await t.RowsAsync()).Select(Text));

        await t.StopOriginAsync();
        await Assert.ThrowsAsync<DataLayerException>(async () => await t.Store.ReadAsync("a", 0, new byte[MiB], null, default));
        await Assert.ThrowsAsync<DataLayerException>(async () => await t.Store.HeadAsync("a", default));
        Assert.Equal(3, (await t.RowsAsync()).Sum(r => r.Sums.Requests));
    }

    [Fact]
    public async Task A_read_that_is_asked_for_a_second_time_costs_both()
    {
        await using CostFixture t = await new CostFixture { HedgedReads = true }.StartAsync();
        t.Origin.Put(CostFixture.Bucket, "a", new byte[1000]);
        int reads = 0;
        t.Origin.Script = r => r.Verb == "GET" && Interlocked.Increment(ref reads) == 101
            ? new OriginScript(OriginAct.Delay, Wait: TimeSpan.FromSeconds(20)) : OriginScript.Serve;
        for (int i = 0; i < 101; i++)
        {
            await t.Store.ReadAsync("a", 0, new byte[1000], null, default);
        }

        CostRow row = Assert.Single(await t.RowsAsync());
        Assert.InRange(t.Origin.RequestCount, 102, 120);
        Assert.Equal(t.Origin.RequestCount, row.Sums.Requests);
        Assert.Equal(row.Sums.Requests * 1_000_000_000, row.Sums.RequestNanos);
    }

    [Fact]
    public async Task Classes_jobs_and_tenants_are_told_apart()
    {
        await using CostFixture t = await new CostFixture().StartAsync();
        t.Origin.Put(CostFixture.Bucket, "a", new byte[1000]);
        OriginUse.Current = OriginUse.Within(new OriginUse(OriginPurpose.Warm, 7, "ann"), OriginPurpose.Readahead, "COLD");
        await t.Store.ReadAsync("a", 0, new byte[1000], null, default);
        OriginUse.Current = OriginUse.Within(new OriginUse(OriginPurpose.Foreground, 0, "bo"), OriginPurpose.Readahead, "UNHEARD_OF");
        await t.Store.ReadAsync("a", 0, new byte[1000], null, default);

        IReadOnlyList<CostRow> rows = await t.RowsAsync();
        Assert.Equal(
            [("ann", OriginPurpose.Warm, "COLD", 5L), ("bo", OriginPurpose.Readahead, "UNHEARD_OF", 1L)],
            rows.Select(r => (r.Key.Tenant, r.Key.Purpose, r.Key.Class, r.Sums.RequestNanos / 1_000_000_000)));
        CostRow job = Assert.Single(await t.Tree.Tree.ListJobCostsAsync("USD", 7, default));
        Assert.Equal((1L, 1000L, 5L), (job.Sums.Requests, job.Sums.Bytes, job.Sums.TotalNanos / 1_000_000_000));
    }

    [Fact]
    public async Task Storage_is_billed_by_time_by_what_was_found_hour_by_hour()
    {
        await using CostFixture t = await new CostFixture().StartAsync();
        await t.Tree.PublishAsync("/hot", 1L << 30);
        await t.Tree.AttachAsync("/data", AttachmentMode.ReadOnly);
        Attachment attachment = Assert.Single(await t.Tree.Tree.ListAttachmentsAsync(default));
        await t.Tree.Tree.ImportAsync(
            attachment.Id,
            [
                new ImportedObject("a", "a", "e", null, 2L << 30, 5),
                new ImportedObject("b", "b", "e", null, 1000, 5, "COLD"),
            ],
            null,
            default);
        await t.Meter.StartAsync(default);
        await t.Meter.LookAsync(fresh: true, default);
        t.Tree.Clock.Advance(TimeSpan.FromHours(36));
        IReadOnlyList<CostRow> rows = await t.RowsAsync();

        double months = 1.5 / 30;
        double cold = (MiB + 1024) / GiB * 3;
        Dictionary<(string, CostItem, string), double> expected = new()
        {
            [("", CostItem.HotStorage, "pool" + PoolOf(rows))] = 300 * months,
            [("", CostItem.AllHot, "default")] = 300 * months,
            [("", CostItem.AllCold, "STANDARD")] = 30 * months,
            [("/data", CostItem.ColdStorage, "STANDARD")] = 60 * months,
            [("/data", CostItem.ColdStorage, "COLD")] = cold * months,
            [("/data", CostItem.AllHot, "default")] = 300 * (2 + (1000 / GiB)) * months,
            [("/data", CostItem.AllCold, "STANDARD")] = 60 * months,
            [("/data", CostItem.AllCold, "COLD")] = cold * months,
        };
        Assert.Equal(expected.Count, rows.Count);
        Assert.All(rows, r => Assert.Equal(expected[(r.Key.Dataset, r.Key.Item, r.Key.Class)], r.Sums.StorageNanos / 1e9, 6));
        Assert.Equal(36, (await t.RowsAsync(CostLevel.Hour)).Count(r => r.Key.Item == CostItem.HotStorage));
        Assert.Equal(2 * months, rows.Single(r => r.Key is { Item: CostItem.ColdStorage, Class: "STANDARD" }).Sums.GibMonthNanos / 1e9, 6);

        static string PoolOf(IReadOnlyList<CostRow> all) => all.Single(r => r.Key.Item == CostItem.HotStorage).Key.Class[4..];
    }

    [Fact]
    public async Task A_meter_goes_on_from_the_last_flush_of_the_one_before_and_bills_storage_of_the_time_between_once()
    {
        await using CostFixture t = await new CostFixture().StartAsync();
        await t.Tree.PublishAsync("/hot", 1L << 30);
        await t.Meter.StartAsync(default);
        await t.Meter.LookAsync(fresh: true, default);
        await t.Store.HeadAsync("none", default);
        t.Tree.Clock.Advance(TimeSpan.FromHours(1));
        await t.Meter.FlushAsync(default);
        await t.Meter.DisposeAsync(); // At the time of its flush: it writes nothing that a kill would have lost.

        t.Tree.Clock.Advance(TimeSpan.FromHours(2));
        t.Make();
        await t.Meter.StartAsync(default);
        await t.Meter.LookAsync(fresh: true, default);
        await t.Store.HeadAsync("none", default);
        t.Tree.Clock.Advance(TimeSpan.FromHours(1));
        IReadOnlyList<CostRow> rows = await t.RowsAsync();
        Assert.Equal(2, rows.Single(r => r.Key.Item == CostItem.Head).Sums.Requests);
        Assert.Equal(300 * 4 / 720.0, rows.Single(r => r.Key.Item == CostItem.HotStorage).Sums.StorageNanos / 1e9, 6);
    }

    [Fact]
    public async Task A_flush_that_fails_keeps_its_amounts_for_the_next()
    {
        await using CostFixture t = await new CostFixture().StartAsync();
        await t.Store.HeadAsync("none", default);
        await RunSqlAsync(t, "CREATE TRIGGER full BEFORE INSERT ON costs BEGIN SELECT RAISE(FAIL, 'no room'); END");
        await Assert.ThrowsAsync<DataLayerException>(async () => await t.Meter.FlushAsync(default));
        await t.Store.HeadAsync("none", default);
        await RunSqlAsync(t, "DROP TRIGGER full");
        Assert.Equal(2, Assert.Single(await t.RowsAsync()).Sums.Requests);
    }

    [Fact]
    public async Task Amounts_too_small_for_a_billionth_are_carried_and_not_lost()
    {
        await using CostFixture t = await new CostFixture().StartAsync();
        t.Origin.Put(CostFixture.Bucket, "a", [1]);
        for (int i = 0; i < 32; i++)
        {
            await t.Store.ReadAsync("a", 0, new byte[1], null, default);
            await t.Meter.FlushAsync(default);
        }

        // A byte costs 931.3 billionths of retrieval and 93.1 of egress.
        CostSums sums = Assert.Single(await t.RowsAsync()).Sums;
        Assert.Equal((long)Math.Round(32e12 / GiB), sums.RetrievalNanos);
        Assert.Equal((long)Math.Round(32e11 / GiB), sums.EgressNanos);
    }

    private static async Task RunSqlAsync(CostFixture t, string sql)
    {
        await using SqliteConnection connection = new($"Data Source={t.Tree.DatabasePath};Pooling=False");
        await connection.OpenAsync();
        await using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync();
    }

    private static string Text(CostRow row) => string.Create(
        System.Globalization.CultureInfo.InvariantCulture,
        $"{row.Key.Purpose} {row.Key.Item} {row.Sums.Requests}/{row.Sums.Failures} {row.Sums.Bytes} "
        + $"{row.Sums.RequestNanos / 1e9} {row.Sums.RetrievalNanos / 1e9} {row.Sums.EgressNanos / 1e9}");
}
