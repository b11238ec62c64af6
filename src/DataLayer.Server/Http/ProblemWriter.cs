using System.Globalization;
using System.Text;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Http;

/// <summary>
/// Turns faults into <c>application/problem+json</c> answers, and cuts the connection where an answer already began.
/// </summary>
internal static partial class ProblemWriter
{
    private const string TypePrefix = "urn:datalayer:error:";

    /// <summary>Seconds a refused client is asked to wait.</summary>
    private const string RetryAfterSeconds = "1";

    /// <summary>Describes a fault.</summary>
    public static Problem Describe(ErrorCode code, string detail, int? status = null, string? instance = null) =>
        new()
        {
            Type = TypePrefix + ErrorCodeText.ToText(code),
            Title = TitleOf(code),
            Status = status ?? ErrorCodeMapping.ToHttpStatus(code),
            Detail = detail,
            Code = ErrorCodeText.ToText(code),
            Remedy = ErrorCodeText.Remedy(code),
            Instance = instance,
        };

    /// <summary>
    /// Describes any exception; one that is not ours becomes <see cref="ErrorCode.Internal"/> without its details.
    /// </summary>
    public static Problem Describe(Exception fault, string? instance) =>
        fault switch
        {
            DataLayerException e => Describe(e.Code, e.Message, instance: instance),
            BadHttpRequestException e => Describe(
                e.StatusCode is 408 ? ErrorCode.TimedOut
                    : e.StatusCode is 413 ? ErrorCode.FileTooLarge
                    : ErrorCode.InvalidArgument,
                e.Message, e.StatusCode, instance),
            IOException { InnerException: OverflowException } => Describe(
                ErrorCode.InvalidArgument, "The body has a chunk whose size is no number that can be.",
                StatusCodes.Status400BadRequest, instance),
            JsonException e => Describe(
                ErrorCode.InvalidArgument, $"The body is not the JSON this operation takes: {e.Message}",
                instance: instance),
            OperationCanceledException => Describe(
                ErrorCode.ShuttingDown, "The operation was given up because the service stops.", instance: instance),
            _ => Describe(
                ErrorCode.Internal,
                $"An unexpected fault ({fault.GetType().Name}); the service's log has its details.",
                instance: instance),
        };

    /// <summary>Answers with a fault.</summary>
    public static async Task WriteAsync(HttpContext context, Exception fault, ILogger log)
    {
        string path = context.Request.Path.Value ?? "/";
        if (context.RequestAborted.IsCancellationRequested)
        {
            return;
        }

        Problem problem = Describe(fault, path);
        if (problem.Code == ErrorCodeText.ToText(ErrorCode.Internal))
        {
            LogUnexpected(log, context.Request.Method, path, fault);
        }
        else if (problem.Status >= 500 && problem.Status != 503)
        {
            LogFault(log, context.Request.Method, path, problem.Code, problem.Detail);
        }
        else
        {
            LogRefused(log, context.Request.Method, path, problem.Code, problem.Detail);
        }

        if (context.Response.HasStarted)
        {
            // The length was promised already: only a cut connection tells the reader that the body is not whole.
            LogCut(log, context.Request.Method, path);
            context.Abort();
            return;
        }

        await WriteAsync(context, problem, (fault as DataLayerException)?.RetryAfter);
    }

    /// <summary>Answers with a described fault.</summary>
    /// <param name="context">The request.</param>
    /// <param name="problem">What went wrong.</param>
    /// <param name="retryAfter">When trying again may help, where somebody knows.</param>
    public static Task WriteAsync(HttpContext context, Problem problem, TimeSpan? retryAfter = null)
    {
        HttpResponse response = context.Response;
        bool keepContentRange = problem.Status == StatusCodes.Status416RangeNotSatisfiable;
        string contentRange = keepContentRange ? response.Headers.ContentRange.ToString() : string.Empty;
        response.Clear();
        response.StatusCode = problem.Status;
        if (contentRange.Length > 0)
        {
            response.Headers.ContentRange = contentRange;
        }

        if (problem.Status is StatusCodes.Status503ServiceUnavailable or StatusCodes.Status429TooManyRequests)
        {
            response.Headers.RetryAfter = retryAfter is { } wait
                ? Math.Max(1, Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture)
                : RetryAfterSeconds;
        }

        string? challenge = ChallengeOf(context, problem.Status);
        if (challenge is not null)
        {
            response.Headers.WWWAuthenticate = challenge;
        }

        byte[] body = JsonSerializer.SerializeToUtf8Bytes(problem, ProtocolJson.Default.Problem);
        response.ContentType = ApiRoutes.ProblemMediaType;
        response.ContentLength = body.Length;
        return HttpMethods.IsHead(context.Request.Method)
            ? Task.CompletedTask
            : response.Body.WriteAsync(body, 0, body.Length);
    }

    /// <summary>What RFC 6750 has a refusal say; null for other answers.</summary>
    private static string? ChallengeOf(HttpContext context, int status) => status switch
    {
        StatusCodes.Status401Unauthorized when context.Request.Headers.Authorization.Count == 0 =>
            "Bearer realm=\"datalayer\"",
        StatusCodes.Status401Unauthorized => "Bearer realm=\"datalayer\", error=\"invalid_token\"",
        StatusCodes.Status403Forbidden when context.Request.Headers.Authorization.Count > 0 =>
            "Bearer realm=\"datalayer\", error=\"insufficient_scope\"",
        _ => null,
    };

    /// <summary>"NotFound" → "Not found".</summary>
    private static string TitleOf(ErrorCode code)
    {
        StringBuilder title = new();
        foreach (char c in code.ToString())
        {
            _ =
                char.IsAsciiLetterUpper(c) && title.Length > 0
                    ? title.Append(' ').Append(char.ToLowerInvariant(c))
                    : title.Append(c);
        }

        return title.ToString();
    }

    [LoggerMessage(1, LogLevel.Error, "{Method} {Path} failed unexpectedly")]
    private static partial void LogUnexpected(ILogger log, string method, string path, Exception fault);

    [LoggerMessage(2, LogLevel.Warning, "{Method} {Path} failed: {Code}: {Detail}")]
    private static partial void LogFault(ILogger log, string method, string path, string code, string detail);

    [LoggerMessage(3, LogLevel.Debug, "{Method} {Path} refused: {Code}: {Detail}")]
    private static partial void LogRefused(ILogger log, string method, string path, string code, string detail);

    [LoggerMessage(4, LogLevel.Warning, "{Method} {Path}: the answer had begun, so the connection is cut")]
    private static partial void LogCut(ILogger log, string method, string path);
}
