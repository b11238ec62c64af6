using DataLayer.Core.Errors;

namespace DataLayer.Client;

/// <summary>How a <see cref="DataLayerClient"/> reaches the service and how it behaves when that fails.</summary>
public sealed class DataLayerClientOptions
{
    /// <summary>
    /// The service's URL. Default <c>http://127.0.0.1:7070</c>, where <c>datalayer serve</c> listens.
    /// </summary>
    public Uri ServerUri { get; init; } = new("http://127.0.0.1:7070");

    /// <summary>
    /// A Unix socket the service listens on, or null for TCP. It needs no port and lets only the service's user
    /// in; a small read costs the same either way.
    /// <see cref="ServerUri"/> then only names the host in the requests.
    /// </summary>
    public string? UnixSocketPath { get; init; }

    /// <summary>
    /// The bearer token that says who calls, or null where the service wants none. It goes out in clear text over
    /// <c>http</c>: beyond the machine use <c>https</c>.
    /// </summary>
    public string? Token { get; init; }

    /// <summary>
    /// A file with the token, or null. It is read at the first call, and again where the service refuses the token,
    /// so a token may be exchanged under a running client. Not together with <see cref="Token"/>.
    /// </summary>
    public string? TokenFile { get; init; }

    /// <summary>What counts over <c>https</c>. Default: the system's authorities, no client certificate.</summary>
    public ClientTlsOptions Tls { get; init; } = new();

    /// <summary>
    /// Connections kept to the service, a count, 1 to 4,096. Calls past it wait. Default 64: more than any loader's
    /// workers.
    /// </summary>
    public int MaxConnections { get; init; } = 64;

    /// <summary>
    /// How often an idempotent call is tried again after a failure that may pass, a count, 0 to 20. Default 4.
    /// </summary>
    public int RetryCount { get; init; } = 4;

    /// <summary>
    /// Wait before the first retry; doubles each time, with jitter of ±50 %. 1 ms to 1 min. Default 50 ms.
    /// </summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// The longest wait between tries, also where the service asks for more (Retry-After). 1 ms to 10 min. Default 5
    /// s.
    /// </summary>
    public TimeSpan MaxRetryDelay { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Time for one read, listing or command, retries included; uploads and long operations have no such bound. 10 ms
    /// to 1 day. Default 100 s.
    /// </summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(100);

    /// <summary>Seed of the jitter; a fixed one replays a run. Default 1.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>The clock of waits. Default: the system's.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>
    /// Reads a server's address as people write it: <c>http(s)://host:port</c>, <c>host:port</c>, or
    /// <c>unix:/path/to/socket</c>.
    /// </summary>
    /// <exception cref="DataLayerException"><see cref="ErrorCode.InvalidArgument"/>: the text is none of
    /// these.</exception>
    public static DataLayerClientOptions Parse(string server)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(server);
        if (server.StartsWith("unix:", StringComparison.OrdinalIgnoreCase))
        {
            string path = server["unix:".Length..];
            path = path.StartsWith("///", StringComparison.Ordinal) ? path[2..] : path;
            if (path.Length > 0)
            {
                return new DataLayerClientOptions { UnixSocketPath = path, ServerUri = new Uri("http://localhost") };
            }
        }
        else
        {
            string text = server.Contains("://", StringComparison.Ordinal) ? server : "http://" + server;
            if (
                Uri.TryCreate(text, UriKind.Absolute, out Uri? uri)
                && uri.Scheme is "http" or "https"
                && uri.Host.Length > 0)
            {
                return new DataLayerClientOptions { ServerUri = uri };
            }
        }

        throw new DataLayerException(
            ErrorCode.InvalidArgument,
            $"'{server}' is not a server's address: give http(s)://host:port, host:port or unix:/path/to/socket.");
    }

    /// <summary>Checks all values; the exception names every one that is out of range.</summary>
    internal void Validate()
    {
        List<string> faults = [];
        Check(faults, MaxConnections is >= 1 and <= 4096, $"MaxConnections is {MaxConnections}: give 1 to 4,096.");
        Check(faults, RetryCount is >= 0 and <= 20, $"RetryCount is {RetryCount}: give 0 to 20.");
        Check(faults, InRange(RetryDelay, 1, 60_000), $"RetryDelay is {RetryDelay}: give 1 ms to 1 min.");
        Check(faults, InRange(MaxRetryDelay, 1, 600_000), $"MaxRetryDelay is {MaxRetryDelay}: give 1 ms to 10 min.");
        Check(
            faults, InRange(RequestTimeout, 10, 86_400_000),
            $"RequestTimeout is {RequestTimeout}: give 10 ms to 1 day.");
        Check(
            faults, Token is null || IsToken(Token),
            "Token has characters that no token has: give what 'datalayer token create' printed.");
        Check(faults, Token is null || TokenFile is null, "Token and TokenFile are both given: keep one of them.");
        Check(
            faults, Tls.CertificateFile is not null || (Tls.KeyFile ?? Tls.KeyPasswordFile) is null,
            "Tls.KeyFile or Tls.KeyPasswordFile is given without Tls.CertificateFile: give the certificate.");
        Check(faults, ServerUri.IsAbsoluteUri, $"ServerUri '{ServerUri}' is not absolute: give http://host:port.");
        if (faults.Count > 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, string.Join(' ', faults));
        }
    }

    /// <summary>Whether a text can stand in a header after "Bearer".</summary>
    internal static bool IsToken(string text)
    {
        foreach (char c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '.' or '_' or '~' or '+' or '/' or '='))
            {
                return false;
            }
        }

        return text.Length is > 0 and <= 4096;
    }

    private static bool InRange(TimeSpan value, double minMilliseconds, double maxMilliseconds) =>
        value.TotalMilliseconds >= minMilliseconds && value.TotalMilliseconds <= maxMilliseconds;

    private static void Check(List<string> faults, bool holds, string fault)
    {
        if (!holds)
        {
            faults.Add(fault);
        }
    }
}
