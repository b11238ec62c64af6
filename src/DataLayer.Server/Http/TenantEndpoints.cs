using DataLayer.Core.Errors;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tenants;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>Tenants. They are made by the configuration, which can be read again.</summary>
internal sealed class TenantEndpoints(NodeHost node, ServerConfiguration configuration)
{
    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Tenants, "listTenants", "The tenants, what each holds and what it got.", ListAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "tenants",
            Answer = typeof(IReadOnlyList<TenantReport>),
        };
        yield return new ApiOperation(
            "POST", ApiRoutes.Tenants + "/reload", "reloadTenants",
            "Reads the configuration again and puts its tenants in the place of those there are; nothing else of it.",
            ReloadAsync)
        {
            Access = ApiAccess.Administer,
            IsAudited = true,
            Tag = "tenants",
            Answer = typeof(IReadOnlyList<TenantReport>),
        };
    }

    private async Task ReloadAsync(HttpContext context)
    {
        FileEngine engine = node.Engine;
        ConfigurationResult read = configuration.ReadAgain?.Invoke() ?? throw new DataLayerException(
            ErrorCode.InvalidArgument,
            "This service was not started from a configuration file: give it one with --config, and start it again.");
        if (read.Configuration is null)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                "The configuration cannot be read as it is now, so the tenants stay as they were: "
                + string.Join(" ", read.Reading.Problems));
        }

        await engine.ChangeTenantsAsync(read.Configuration.Engine.Tenants, context.RequestAborted);
        await ListAsync(context);
    }

    private Task ListAsync(HttpContext context)
    {
        IReadOnlyList<TenantReport> answer = [.. node.Engine.DescribeTenants().Select(ToReport)];
        return ApiJson.WriteAsync(context, answer, ProtocolJson.Default.IReadOnlyListTenantReport);
    }

    private static TenantReport ToReport(TenantStatus tenant) => new()
    {
        Name = tenant.Options.Name,
        Folder = tenant.Options.Folder,
        Class = WireWord.Of(tenant.Options.Class),
        Weight = tenant.Options.Weight,
        LimitBytes = tenant.Space.LimitBytes,
        UsedBytes = tenant.Space.UsedBytes,
        LimitInodes = tenant.Space.LimitInodes,
        UsedInodes = tenant.Space.UsedInodes,
        Active = tenant.Active,
        Waiting = tenant.Waiting,
        Transfers = tenant.Transfers,
        TransferredBytes = tenant.Bytes,
        WaitedSeconds = tenant.Waited.TotalSeconds,
    };
}
