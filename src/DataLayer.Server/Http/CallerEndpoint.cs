using DataLayer.Protocol.Http;
using DataLayer.Server.Access;

namespace DataLayer.Server.Http;

/// <summary>
/// Tells a caller who it is and what it may call, from the same list that the gate goes by. The console shows by it
/// only what will work.
/// </summary>
internal sealed class CallerEndpoint(IReadOnlyList<ApiOperation> operations)
{
    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Caller, "caller", "Who the caller is and which operations its role allows.", ShowAsync)
        {
            Access = ApiAccess.Caller,
            Tag = "service",
            Answer = typeof(CallerReport),
        };
    }

    private Task ShowAsync(HttpContext context)
    {
        Caller caller = RequestCaller.Of(context);
        CallerReport report = new()
        {
            Name = caller.Name,
            Role = caller.Role is { } role ? TokenFile.RoleText(role) : "nobody",
            Scopes = caller.Scopes,
            Operations = [.. operations.Where(o => caller.Allows(o.Access)).Select(o => o.Id)],
        };
        return ApiJson.WriteAsync(context, report, ProtocolJson.Default.CallerReport);
    }
}
