using System.Text;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;
using DataLayer.Server.Telemetry;

namespace DataLayer.Server.Http;

/// <summary>What orchestrators and collectors ask: alive, ready, metrics.</summary>
internal sealed class ProbeEndpoints(NodeHost host, MetricsCollector metrics)
{
    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Health, "healthz", "200 while the process is alive.", HealthAsync)
        {
            Access = ApiAccess.Anyone,
            Tag = "probes",
            AnswerMedia = "text/plain",
            Answer = typeof(string),
        };
        yield return new ApiOperation(
            "GET", ApiRoutes.Ready, "readyz", "200 while requests can be served, else 503 with the reasons.",
            ReadyAsync)
        {
            Access = ApiAccess.Anyone,
            Tag = "probes",
            Answer = typeof(ReadyReport),
        };
        yield return new ApiOperation(
            "GET", ApiRoutes.Metrics, "metrics", "Metrics as Prometheus text 0.0.4.", MetricsAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "probes",
            AnswerMedia = "text/plain",
            Answer = typeof(string),
        };
    }

    private static Task HealthAsync(HttpContext context)
    {
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync("ok\n");
    }

    private Task ReadyAsync(HttpContext context)
    {
        List<string> reasons = [];
        bool ready = host.Node is not null;
        if (host.Node is { } node)
        {
            int good = 0;
            int all = 0;
            foreach (Storage.Stripes.TargetStatus target in node.Hot.GetTargets())
            {
                all++;
                good += target.Fault is null ? 1 : 0;
                if (target.Fault is { } fault)
                {
                    reasons.Add($"target {target.Target} ({target.Location}): {fault}");
                }
            }

            // One fenced target impairs; only when none is left there is nothing to write to.
            ready = all == 0 || good > 0;
        }
        else
        {
            reasons.Add(host.Why);
        }

        if (RequestCaller.Of(context).Role is null)
        {
            // Where the targets are is not everybody's business.
            reasons.Clear();
        }

        int status = ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        return ApiJson.WriteAsync(
            context, new ReadyReport { Ready = ready, Reasons = reasons }, ProtocolJson.Default.ReadyReport, status);
    }

    private Task MetricsAsync(HttpContext context)
    {
        byte[] body = Encoding.UTF8.GetBytes(metrics.Collect());
        context.Response.ContentType = MetricsCollector.MediaType;
        context.Response.ContentLength = body.Length;
        return context.Response.Body.WriteAsync(body, 0, body.Length);
    }
}
