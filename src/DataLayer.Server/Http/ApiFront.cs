using System.Diagnostics;
using DataLayer.Core.Errors;
using DataLayer.Engine.Files;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;
using DataLayer.Server.Telemetry;
using DataLayer.Storage.Objects;

namespace DataLayer.Server.Http;

/// <summary>
/// The first and only middleware before routing: bounds the requests in flight, finds out who calls, turns faults into
/// problem documents, counts. Reads of contents are served from here, without routing: of a small file's request that
/// is a measurable part.
/// </summary>
internal sealed class ApiFront(
    RequestGate gate, CallerDesk callers, AccessGate access, FileReadEndpoint reads, ServerMeter meter,
    TimeProvider time, ILogger<ApiFront> log)
{
    private const string FilesPrefix = ApiRoutes.Files + "/";

    /// <summary>Serves one request; <paramref name="next"/> is routing.</summary>
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        string path = context.Request.Path.Value ?? string.Empty;
        if (path == ApiRoutes.Health)
        {
            // Alive is alive, also under a flood.
            await next(context);
            return;
        }

        long start = time.GetTimestamp();
        if (!gate.TryEnter())
        {
            await RefuseAsync(context);
            return;
        }

        try
        {
            string method = context.Request.Method;
            Caller caller = callers.Identify(context);
            if (callers.WaitOf(context, caller) is { } wait)
            {
                await RefuseForNowAsync(context, wait);
                return;
            }

            RefuseEncodedBody(context);
            if (caller.Use is { } use)
            {
                OriginUse.Current = use;
            }

            if (
                path.StartsWith(FilesPrefix, StringComparison.Ordinal)
                && (HttpMethods.IsGet(method) || HttpMethods.IsHead(method)))
            {
                using Activity? traced = FileEngine.IsTraced ? BeginTrace(context) : null;
                await ReadAsync(context, caller);
            }
            else
            {
                context.Features.Set(new RequestCaller(caller));
                RequestTarget.RefuseDotSegments(context);
                await next(context);
                if (!context.Response.HasStarted && context.GetEndpoint() is null or { RequestDelegate: not null })
                {
                    await DescribeUnroutedAsync(context, path);
                }
            }
        }
        catch (Exception fault)
        {
            await ProblemWriter.WriteAsync(context, fault, log);
        }
        finally
        {
            int status = context.Response.StatusCode;
            gate.Leave(status);
            access.Audit(context);
            meter.Count(ServerMeter.RouteOf(context.Request.Path), status, time.GetElapsedTime(start));
        }
    }

    /// <summary>Lets the spans of a read go on with the trace that its caller says it is of; null for none.</summary>
    private static Activity? BeginTrace(HttpContext context)
    {
        string? parent = context.Request.Headers.TraceParent;
        return ActivityContext.TryParse(parent, context.Request.Headers.TraceState, out _)
            ? new Activity("request").SetParentId(parent!).Start()
            : null;
    }

    private Task ReadAsync(HttpContext context, Caller caller)
    {
        caller.Demand(ApiAccess.Read);
        string path = RequestTarget.TreePathOf(context, ApiRoutes.Files);
        if (caller.Confinement is not { } scope)
        {
            return reads.HandleAsync(context, path);
        }

        caller.DemandPath(path);
        FileEngine.Confine(scope);
        return reads.HandleAsync(context, path);
    }

    private Task RefuseAsync(HttpContext context) =>
        ProblemWriter.WriteAsync(
            context,
            ProblemWriter.Describe(
                ErrorCode.Overloaded,
                $"{gate.MaxRequests} requests are in flight, the most the service takes (listen.maxRequests).",
                instance: context.Request.Path.Value));

    private static Task RefuseForNowAsync(HttpContext context, TimeSpan wait) =>
        ProblemWriter.WriteAsync(
            context,
            ProblemWriter.Describe(
                ErrorCode.Overloaded,
                "This caller sent more requests a second than the service takes of one (listen.rateLimit).",
                StatusCodes.Status429TooManyRequests, context.Request.Path.Value),
            wait);

    /// <summary>
    /// A compressed body is refused: commands would grow without bound, and contents are kept as they come.
    /// </summary>
    private static void RefuseEncodedBody(HttpContext context)
    {
        string encoding = context.Request.Headers.ContentEncoding.ToString();
        if (encoding.Length > 0 && !encoding.Equals("identity", StringComparison.OrdinalIgnoreCase))
        {
            throw new BadHttpRequestException(
                "The body is encoded (Content-Encoding), which the service does not take: send it as it is.",
                StatusCodes.Status415UnsupportedMediaType);
        }
    }

    /// <summary>Routing answers an unknown path or method without a body; ours has one.</summary>
    private static Task DescribeUnroutedAsync(HttpContext context, string path)
    {
        if (context.Response.ContentLength is not null || context.Response.ContentType is not null)
        {
            return Task.CompletedTask;
        }

        switch (context.Response.StatusCode)
        {
            case StatusCodes.Status404NotFound:
                return ProblemWriter.WriteAsync(
                    context,
                    ProblemWriter.Describe(
                        ErrorCode.NotFound, $"There is no route '{path}'; {ApiRoutes.OpenApi} lists them.",
                        instance: path));
            case StatusCodes.Status405MethodNotAllowed:
                string allow = context.Response.Headers.Allow.ToString();
                Task written = ProblemWriter.WriteAsync(
                    context,
                    ProblemWriter.Describe(
                        ErrorCode.InvalidArgument,
                        $"'{path}' does not take {context.Request.Method}; it takes {allow}.",
                        StatusCodes.Status405MethodNotAllowed, path));
                return written;
            default:
                return Task.CompletedTask;
        }
    }
}
