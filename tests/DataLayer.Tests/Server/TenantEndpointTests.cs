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
