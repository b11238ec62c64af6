using System.Text;
using DataLayer.Protocol.Http;
using DataLayer.Server.Telemetry;

namespace DataLayer.Server.Http;

/// <summary>The last lines of the service's log.</summary>
internal sealed class LogEndpoint(RecentLog log)
{
    /// <summary>The operation.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Log, "log", "The last lines of the service's log, oldest first.", ReadAsync)
        {
            Tag = "upkeep",
            AnswerMedia = "text/plain",
            Answer = typeof(string),
            Parameters =
            [
                new("lines", ApiParameterPlace.Query, "integer", $"How many, 1 to {RecentLog.LineLimit}: the default."),
            ],
        };
    }

    private Task ReadAsync(HttpContext context)
    {
        long lines = RequestTarget.Number(context, "lines", RecentLog.LineLimit, 1, RecentLog.LineLimit);
        context.Response.ContentType = "text/plain; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        StringBuilder text = new();
        foreach (string line in log.Read((int)lines))
        {
            text.Append(line).Append('\n');
        }

        return context.Response.WriteAsync(text.ToString());
    }
}
