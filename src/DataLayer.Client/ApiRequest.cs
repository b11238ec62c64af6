using System.Globalization;
using System.Net.Http.Headers;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <summary>When a request may be sent again.</summary>
internal enum RetryMode
{
    /// <summary>Never: the body can be sent once only.</summary>
    Never,

    /// <summary>Only where it was certainly not executed: no connection, or refused with 503.</summary>
    WhenNotExecuted,

    /// <summary>After any failure that may pass: doing it twice is doing it once.</summary>
    Always,
}

/// <summary>One call of the API, from which each try makes its own message.</summary>
internal readonly struct ApiRequest(HttpMethod method, string target)
{
    /// <summary>GET, PUT, …</summary>
    public HttpMethod Method { get; } = method;

    /// <summary>Path and query, encoded.</summary>
    public string Target { get; } = target;

    /// <summary>When it may be sent again.</summary>
    public RetryMode Retry { get; init; }

    /// <summary>First byte wanted, or -1 for the whole.</summary>
    public long RangeStart { get; init; } = -1;

    /// <summary>Bytes wanted from <see cref="RangeStart"/>; -1 for all to the end.</summary>
    public long RangeLength { get; init; } = -1;

    /// <summary>Entity tag without quotes that must hold, or null.</summary>
    public string? IfMatch { get; init; }

    /// <summary>A key that makes sending twice do once, or null.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>The last server-sent event seen, or null.</summary>
    public string? LastEventId { get; init; }

    /// <summary>The protocol that the connection is to become, or null.</summary>
    public string? Upgrade { get; init; }

    /// <summary>There must be nothing at the path.</summary>
    public bool IfAbsent { get; init; }

    /// <summary>Makes the body of one try, or null for none.</summary>
    public Func<HttpContent>? Content { get; init; }

    /// <summary>Makes the message of one try.</summary>
    public HttpRequestMessage ToMessage(string baseAddress)
    {
        // The target is encoded by TreePath already; canonicalization would decode and encode it once more.
        UriCreationOptions verbatim = new() { DangerousDisablePathAndQueryCanonicalization = true };
        Uri.TryCreate(baseAddress + Target, in verbatim, out Uri? uri);
        HttpRequestMessage message = new(Method, uri) { Content = Content?.Invoke() };
        if (RangeStart >= 0)
        {
            string range =
                RangeLength < 0
                    ? string.Create(CultureInfo.InvariantCulture, $"bytes={RangeStart}-")
                    : string.Create(
                        CultureInfo.InvariantCulture, $"bytes={RangeStart}-{RangeStart + RangeLength - 1}");
            message.Headers.TryAddWithoutValidation("Range", range);
        }

        if (IfMatch is not null)
        {
            message.Headers.TryAddWithoutValidation("If-Match", $"\"{IfMatch}\"");
        }

        if (IdempotencyKey is not null)
        {
            message.Headers.TryAddWithoutValidation(ApiRoutes.IdempotencyHeader, IdempotencyKey);
        }

        if (LastEventId is not null)
        {
            message.Headers.TryAddWithoutValidation("Last-Event-ID", LastEventId);
        }

        if (Upgrade is not null)
        {
            message.Headers.Connection.Add("Upgrade");
            message.Headers.Upgrade.Add(new ProductHeaderValue(Upgrade));
        }

        if (IfAbsent)
        {
            message.Headers.IfNoneMatch.Add(EntityTagHeaderValue.Any);
        }

        return message;
    }
}
