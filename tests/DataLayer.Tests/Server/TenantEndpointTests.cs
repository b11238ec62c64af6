using System.Collections;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server;

/// <summary>Tenants of a configuration over HTTP, and configurations that cannot be.</summary>
public sealed class TenantEndpointTests
{
    [Fact]
    public async Task Tenants_have_their_limits_and_are_listed_with_what_they_hold()
    {
        using TempFolder folder = new("tenants");
        ServerConfiguration configuration = RunningService.Configure(
            folder, more: "tenants: [{name: serving, folder: /serving, class: production}, {name: lab, folder: /teams/lab, class: experiment, weight: 2, bytes: 1000B, inodes: 10}]");
        await using DataLayerService service = DataLayerService.Build(configuration);
        await service.StartAsync(CancellationToken.None);
        using DataLayerClient client = new(service.Url!.ToString());
        await client.WriteFileAsync("/teams/lab/a", new byte[900]);
        DataLayerException refused = await Assert.ThrowsAsync<DataLayerException>(async () => await client.WriteFileAsync("/teams/lab/b", new byte[200]));

        IReadOnlyList<TenantReport> tenants = await client.Admin.ListTenantsAsync();

        Assert.Equal(ErrorCode.QuotaExceeded, refused.Code);
        Assert.Equal(
            [("serving", "/serving", "production", 1, 0L, 0L, 0L), ("lab", "/teams/lab", "experiment", 2, 1000L, 900L, 10L)],
            tenants.Select(t => (t.Name, t.Folder, t.Class, t.Weight, t.LimitBytes, t.UsedBytes, t.LimitInodes)));
    }

    [Fact]
    public async Task A_changed_configuration_is_read_again_and_one_that_is_wrong_changes_nothing()
    {
        using TempFolder folder = new("tenants");
        string file = folder.Combine("service.yaml");
        string basis = RunningService.Text(folder);
        await File.WriteAllTextAsync(file, basis + "\ntenants: [{name: serving, folder: /serving}]\n");
        ServerConfiguration configuration = ServerConfigurationReader.Read(file, new Hashtable()).Configuration!;
        await using DataLayerService service = DataLayerService.Build(configuration);
        await service.StartAsync(CancellationToken.None);
        using DataLayerClient client = new(service.Url!.ToString());

        await File.WriteAllTextAsync(file, basis + "\ntenants: [{name: serving, folder: /serving, weight: 7}, {name: lab, folder: /lab, inodes: 10}]\n");
        IReadOnlyList<TenantReport> tenants = await client.Admin.ReloadTenantsAsync();
        Assert.Equal([("serving", 7, 0L), ("lab", 1, 10L)], tenants.Select(t => (t.Name, t.Weight, t.LimitInodes)));

        await File.WriteAllTextAsync(file, basis + "\ntenants: [{name: serving, folder: /serving, weight: many}]\n");
        DataLayerException refused = await Assert.ThrowsAsync<DataLayerException>(async () => await client.Admin.ReloadTenantsAsync());
        Assert.Equal(ErrorCode.InvalidArgument, refused.Code);
        Assert.Contains("tenants[0].weight", refused.Message, StringComparison.Ordinal);
        File.Delete(file);
        refused = await Assert.ThrowsAsync<DataLayerException>(async () => await client.Admin.ReloadTenantsAsync());
        Assert.Contains("service.yaml", refused.Message, StringComparison.Ordinal);
        Assert.Equal(2, (await client.Admin.ListTenantsAsync()).Count);
    }

    [Fact]
    public async Task A_service_without_a_file_says_so()
    {
        using TempFolder folder = new("tenants");
        await using DataLayerService service = DataLayerService.Build(RunningService.Configure(folder));
        await service.StartAsync(CancellationToken.None);
        using DataLayerClient client = new(service.Url!.ToString());

        DataLayerException refused = await Assert.ThrowsAsync<DataLayerException>(async () => await client.Admin.ReloadTenantsAsync());

        Assert.Contains("--config", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{name: a, folder: relative}", "tenants[0].folder")]
    [InlineData("{name: a, folder: /}", "tenants[0].folder")]
    [InlineData("{name: a, folder: /a/../b}", "tenants[0].folder")]
    [InlineData("{name: a, folder: /a//b}", "tenants[0].folder")]
    [InlineData("{name: a b, folder: /a}", "tenants[0].name")]
    [InlineData("{name: a, folder: /a, class: gold}", "tenants[0].class")]
    [InlineData("{name: a, folder: /a, weight: 0}", "tenants[0].weight")]
    [InlineData("{name: a, folder: /a}, {name: a, folder: /b}", "tenants")]
    [InlineData("{name: a, folder: /a}, {name: b, folder: /a}", "tenants")]
    public void A_tenant_that_cannot_be_is_named_with_its_place(string tenants, string place)
    {
        ConfigurationResult result = ServerConfigurationReader.ReadText($"tenants: [{tenants}]", "test.yaml", new Hashtable());

        Assert.Null(result.Configuration);
        Assert.Contains(result.Reading.Problems, p => p.Key == place);
    }
}
