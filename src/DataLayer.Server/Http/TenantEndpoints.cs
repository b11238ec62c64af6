using DataLayer.Engine.Tenants;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>Tenants. They are made by the configuration.</summary>
internal sealed class TenantEndpoints(NodeHost node)
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
