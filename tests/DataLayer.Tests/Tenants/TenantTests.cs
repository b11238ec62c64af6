using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tenants;
using DataLayer.Engine.Tiering;
using DataLayer.Metadata;
using DataLayer.Tests.Engine;

namespace DataLayer.Tests.Tenants;

/// <summary>Whose a file is, what tenants may hold, and that it follows names and configuration.</summary>
public sealed class TenantTests
{
    private static readonly CancellationToken _none = CancellationToken.None;
    private static readonly TenantOptions _risk = new() { Name = "risk", Folder = "/risk", Class = TenantClass.Production };
    private static readonly TenantOptions _lab = new() { Name = "lab", Folder = "/teams/lab", LimitBytes = 10_000, LimitInodes = 20 };

    [Fact]
    public async Task A_file_is_the_nearest_tenants_above_it_also_in_quotas_below_and_after_renames()
    {
        await using EngineFixture fixture = await OpenAsync(_risk, _lab);
        FileEngine engine = fixture.Engine;
        await engine.MakeDirectoryAsync("/risk/volumes/a", 0x1FD, parents: true, _none);
        await engine.SetXattrAsync("/risk/volumes/a", TreeStore.QuotaBytesAttribute, "5000"u8.ToArray(), XattrCondition.None, _none);
        await fixture.WriteFileAsync("/risk/x", new byte[10]);
        await fixture.WriteFileAsync("/risk/volumes/a/y", new byte[10]);
        await fixture.WriteFileAsync("/free", new byte[10]);

        Assert.Equal("risk", await TenantOfAsync(fixture, "/risk/x"));
        Assert.Equal("risk", await TenantOfAsync(fixture, "/risk/volumes/a/y"));
        Assert.Null(await TenantOfAsync(fixture, "/free"));

        await engine.RenameAsync("/risk/volumes", "/teams/lab/volumes", RenameFlags.None, _none);
        Assert.Equal("lab", await TenantOfAsync(fixture, "/teams/lab/volumes/a/y"));
    }

    [Fact]
    public async Task What_a_tenant_may_hold_is_what_the_configuration_says_last()
    {
        await using EngineFixture fixture = await OpenAsync(_risk, _lab);
        await fixture.WriteFileAsync("/teams/lab/a", new byte[9000]);
        DataLayerException refused = await Assert.ThrowsAsync<DataLayerException>(() => fixture.WriteFileAsync("/teams/lab/b", new byte[2000]));
        Assert.Equal(ErrorCode.QuotaExceeded, refused.Code);
        await fixture.WriteFileAsync("/risk/b", new byte[20_000]);
        TenantStatus lab = fixture.Engine.DescribeTenants()[1];
        Assert.Equal((10_000, 9000, 20), (lab.Space.LimitBytes, lab.Space.UsedBytes, lab.Space.LimitInodes));
        TenantStatus risk = fixture.Engine.DescribeTenants()[0];
        Assert.Equal((0, 0, 20_000), (risk.Space.LimitBytes, risk.Space.LimitInodes, risk.Space.UsedBytes));

        fixture.Options = () => new FileEngineOptions { Tenants = [_lab with { LimitBytes = 12_000 }] };
        await fixture.ReopenAsync();
        await fixture.WriteFileAsync("/teams/lab/b", new byte[2000]);
        Assert.Null(await TenantOfAsync(fixture, "/risk/b"));

        fixture.Options = () => new FileEngineOptions();
        await fixture.ReopenAsync();
        await fixture.WriteFileAsync("/teams/lab/c", new byte[200_000]);
        Assert.Empty(fixture.Engine.DescribeTenants());
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Tenants_change_while_the_engine_runs_and_those_that_stay_keep_what_they_got()
    {
        await using EngineFixture fixture = await OpenAsync(_risk, _lab);
        FileEngine engine = fixture.Engine;
        await fixture.PutObjectAsync("cold", new byte[300_000]);
        await fixture.AttachAsync(path: "/risk/data");
        await fixture.ReadAllAsync("/risk/data/cold");
        await fixture.SettleAsync();
        long transfers = engine.DescribeTenants()[0].Transfers;
        TenantOptions desk = new() { Name = "desk", Folder = "/desk", LimitBytes = 1000 };
        await fixture.WriteFileAsync("/teams/lab/a", new byte[9000]);
        await engine.MakeDirectoryAsync("/desk/in", 0x1FD, parents: true, _none);
        await fixture.WriteFileAsync("/desk/in/a", new byte[400]);

        await engine.ChangeTenantsAsync([desk, _risk with { Weight = 5, LimitInodes = 100 }], _none);

        TenantStatus[] all = [.. engine.DescribeTenants()];
        Assert.Equal(["desk", "risk"], all.Select(t => t.Options.Name));
        Assert.Equal((5, 100L, transfers), (all[1].Options.Weight, all[1].Space.LimitInodes, all[1].Transfers));
        Assert.Equal(400, all[0].Space.UsedBytes);
        Assert.Equal("desk", await TenantOfAsync(fixture, "/desk/in/a"));
        Assert.Null(await TenantOfAsync(fixture, "/teams/lab/a"));
        await fixture.WriteFileAsync("/teams/lab/b", new byte[9000]);
        DataLayerException full = await Assert.ThrowsAsync<DataLayerException>(() => fixture.WriteFileAsync("/desk/b", new byte[700]));
        Assert.Equal(ErrorCode.QuotaExceeded, full.Code);

        await fixture.WriteFileAsync("/file", new byte[1]);
        DataLayerException refused = await Assert.ThrowsAsync<DataLayerException>(
            async () => await engine.ChangeTenantsAsync([_risk, new TenantOptions { Name = "file", Folder = "/file" }], _none));
        Assert.Equal(ErrorCode.NotADirectory, refused.Code);
        refused = await Assert.ThrowsAsync<DataLayerException>(async () => await engine.ChangeTenantsAsync([_risk, _risk], _none));
        Assert.Equal(ErrorCode.InvalidArgument, refused.Code);
        Assert.Equal(["desk", "risk"], engine.DescribeTenants().Select(t => t.Options.Name));

        await engine.ChangeTenantsAsync([_lab, desk], _none);
        Assert.Equal([18_000L, 400L], engine.DescribeTenants().Select(t => t.Space.UsedBytes));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Readers_go_on_while_their_tenants_come_and_go()
    {
        await using EngineFixture fixture = await OpenAsync(_risk);
        FileEngine engine = fixture.Engine;
        byte[] bytes = new byte[200_000];
        new Random(7).NextBytes(bytes);
        await fixture.PutObjectAsync("cold", bytes);
        await fixture.AttachAsync(path: "/risk/data");
        using CancellationTokenSource enough = new();
        Task changing = Task.Run(async () =>
        {
            for (int i = 0; i < 30; i++)
            {
                await engine.ChangeTenantsAsync(i % 3 == 0 ? [] : i % 3 == 1 ? [_lab] : [_lab, _risk with { Weight = i + 1 }], _none);
            }

            await enough.CancelAsync();
        });

        do
        {
            await engine.EvictAsync("/risk/data", hotToo: true, _none);
            Assert.Equal(bytes, await fixture.ReadAllAsync("/risk/data/cold"));
        }
        while (!enough.IsCancellationRequested);
        await changing;
        await fixture.SettleAsync();

        Assert.All(engine.DescribeTenants(), t => Assert.Equal((0, 0), (t.Active, t.Waiting)));
        Assert.Equal(["lab", "risk"], engine.DescribeTenants().Select(t => t.Options.Name));
    }

    [Fact]
    public async Task Reads_of_object_stores_and_hot_tier_are_counted_for_whose_file_it_is()
    {
        await using EngineFixture fixture = await OpenAsync(_risk, _lab);
        await fixture.PutObjectAsync("cold", new byte[300_000]);
        await fixture.AttachAsync(path: "/risk/data");

        byte[] read = await fixture.ReadAllAsync("/risk/data/cold");
        await fixture.SettleAsync();

        Assert.Equal(300_000, read.Length);
        TenantStatus[] all = [.. fixture.Engine.DescribeTenants()];
        Assert.True(all[0].Transfers > 0);
        Assert.InRange(all[0].Bytes, 300_000, 700_000);
        Assert.Equal((0, 0L), (all[1].Transfers, all[1].Bytes));
        Assert.All(all, t => Assert.Equal((0, 0), (t.Active, t.Waiting)));
    }

    [Fact]
    public async Task A_file_where_a_tenants_folder_should_be_is_refused_with_its_name()
    {
        await using EngineFixture fixture = await OpenAsync();
        await fixture.WriteFileAsync("/risk", new byte[1]);
        fixture.Options = () => new FileEngineOptions { Tenants = [_risk] };
        await fixture.StopAsync();

        DataLayerException refused = await Assert.ThrowsAsync<DataLayerException>(fixture.StartAsync);
        await fixture.StopAsync();

        Assert.Equal(ErrorCode.NotADirectory, refused.Code);
        Assert.Contains("Tenant 'risk'", refused.Message, StringComparison.Ordinal);
        fixture.Options = () => new FileEngineOptions();
        await fixture.StartAsync();
    }

    [Theory]
    [InlineData("", "/a", 1, "has no name")]
    [InlineData("a", "a", 1, "not an absolute path")]
    [InlineData("a", "/", 1, "not an absolute path")]
    [InlineData("a", "/a", 0, "not 1 to 1000")]
    [InlineData("risk", "/a", 1, "'risk' is given twice")]
    [InlineData("a", "/risk", 1, "given to two tenants")]
    public void Bad_tenants_are_named(string name, string folder, int weight, string message)
    {
        FileEngineOptions options = new() { Tenants = [_risk, new TenantOptions { Name = name, Folder = folder, Weight = weight }] };

        DataLayerException refused = Assert.Throws<DataLayerException>(options.Validate);

        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
    }

    private static async Task<EngineFixture> OpenAsync(params TenantOptions[] tenants)
    {
        EngineFixture fixture = new() { Options = () => new FileEngineOptions { Tenants = tenants } };
        return await fixture.StartAsync();
    }

    private static async Task<string?> TenantOfAsync(EngineFixture fixture, string path)
    {
        await foreach (FileFacts file in fixture.Engine.Facts.ReadAsync(path, _none))
        {
            return file.Tenant;
        }

        throw new InvalidOperationException($"{path} has no facts.");
    }
}
