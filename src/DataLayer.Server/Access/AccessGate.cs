using System.Globalization;
using DataLayer.Engine.Files;
using DataLayer.Server.Http;

namespace DataLayer.Server.Access;

/// <summary>
/// Lets through what a caller may do, after routing and before the handler, and writes down what admins do. What
/// nobody described as an operation is for callers that are known.
/// </summary>
internal sealed partial class AccessGate(ILogger<AccessGate> log)
{
    private const string TreeSuffix = "/{**path}";

    /// <summary>Checks and goes on.</summary>
    public static async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        Caller caller = RequestCaller.Of(context);
        ApiOperation? operation = OperationOf(context);
        caller.Demand(operation?.Access ?? ApiAccess.Caller);
        if (operation is not null && operation.Pattern.EndsWith(TreeSuffix, StringComparison.Ordinal))
        {
            string prefix = operation.Pattern[..^TreeSuffix.Length];
            RequestCaller.DemandPath(context, RequestTarget.TreePathOf(context, prefix));
        }

        if (caller.Confinement is { } scope)
        {
            FileEngine.Confine(scope);
        }

        await next(context);
    }

    /// <summary>Writes an audit line for a request that ended, where its operation wants one.</summary>
    public void Audit(HttpContext context)
    {
        if (OperationOf(context) is not { IsAudited: true } operation
            || context.Features.Get<RequestCaller>() is not { } request)
        {
            return;
        }

        LogAudit(
            request.Caller.Name, context.Connection.RemoteIpAddress?.ToString() ?? "unix", operation.Id,
            context.Request.Method, Printable(context.Request.Path.Value ?? "/"),
            Printable(string.Join(" ", request.Paths)), context.Response.StatusCode);
    }

    /// <summary>A text whose control characters cannot forge a line or move a terminal's cursor.</summary>
    internal static string Printable(string text) => !text.Any(char.IsControl)
        ? text
        : string.Concat(text.Select(c => char.IsControl(c)
            ? string.Create(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}")
            : c.ToString()));

    private static ApiOperation? OperationOf(HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<ApiOperation>();

    [LoggerMessage(
        24, LogLevel.Information,
        "audit: {Caller} from {Remote}: {Operation} ({Method} {Route}) on [{Paths}]: {Status}")]
    private partial void LogAudit(
        string caller, string remote, string operation, string method, string route, string paths, int status);
}
