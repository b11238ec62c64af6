using System.Net;
using System.Security.Cryptography.X509Certificates;
using DataLayer.Server.Configuration;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace DataLayer.Server.Access;

/// <summary>
/// Finds out who calls: the holder of a bearer token or of a client certificate; without one, the service's user on the
/// Unix socket, a process of this machine on loopback (auth.anonymousLoopback), or anybody (auth.anonymousAnywhere).
/// </summary>
/// <remarks>
/// A token that is given counts, also where none is wanted: a wrong one is refused, never passed over. Loopback alone
/// does not make a request a local one: a browser sends what any page asks of it, and a proxy passes on what strangers
/// sent. So a request without token has to name a loopback host (no page of another name reaches us by DNS
/// rebinding), must not come from a page of another origin, and must not have been forwarded.
/// </remarks>
internal sealed partial class Authenticator(
    AuthConfiguration configuration, TokenStore tokens, RefusalLog refusals)
{
    private const string Scheme = "Bearer ";
    private string _lastLocalHost = "127.0.0.1:7070";

    /// <summary>Who a request comes from.</summary>
    public Caller Identify(HttpContext context)
    {
        IHeaderDictionary headers = context.Request.Headers;
        StringValues authorization = headers.Authorization;
        if (authorization.Count > 0)
        {
            Caller caller = FromHeader(authorization);
            if (caller.Role is null)
            {
                refusals.Add(context, caller);
            }

            return caller;
        }

        if (context.Features.Get<LocalSocket>() is not null)
        {
            return Caller.OfSocket;
        }

        X509Certificate2? certificate = context.Features.Get<ITlsConnectionFeature>()?.ClientCertificate;
        if (certificate is not null && tokens.FindSubject(certificate.Subject) is { } holder)
        {
            if (holder.Role is null)
            {
                refusals.Add(context, holder);
            }

            return holder;
        }

        if (configuration.AnonymousAnywhere)
        {
            return Caller.OfAnywhere;
        }

        if (!configuration.AnonymousLoopback)
        {
            return Unknown("The request has no token, and this service wants one of everybody.", certificate);
        }

        return WhyNotLocal(context, headers) is { } why ? Unknown(why, certificate) : Caller.OfLoopback;
    }

    /// <summary>Who opens a feed over its socket: there is no header, and only this machine reaches it.</summary>
    /// <param name="token">The token that came; null for none.</param>
    /// <param name="isOwner">Whether the other end is the service's own user, or root.</param>
    public Caller Identify(string? token, bool isOwner)
    {
        if (token is not null)
        {
            return tokens.Find(token.AsSpan().Trim());
        }

        return isOwner ? Caller.OfSocket
            : configuration.AnonymousAnywhere ? Caller.OfAnywhere
            : configuration.AnonymousLoopback ? Caller.OfLoopback
            : Caller.Unknown("The client's Hello has no token, and this service wants one of other users.");
    }

    /// <summary>Whether a caller may go on with what it began.</summary>
    public bool IsStillKnown(Caller caller) => caller.Token is not { } token || tokens.IsInForce(token);

    private static Caller Unknown(string why, X509Certificate2? certificate) => Caller.Unknown(
        certificate is null
            ? why
            : $"{why} Its client certificate '{Cut(certificate.Subject)}' stands for no caller: 'datalayer token "
                + "create --certificate SUBJECT' makes it one.");

    private Caller FromHeader(StringValues authorization)
    {
        string text = authorization.Count == 1 ? authorization[0] ?? string.Empty : string.Empty;
        return text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            ? tokens.Find(text.AsSpan(Scheme.Length).Trim())
            : Caller.Unknown("The request's Authorization is not one 'Bearer TOKEN'.");
    }

    private string? WhyNotLocal(HttpContext context, IHeaderDictionary headers)
    {
        if (context.Connection.RemoteIpAddress is not { } remote || !IPAddress.IsLoopback(remote))
        {
            return "The request has no token; only processes of the service's machine need none.";
        }

        string host = headers.Host.ToString();
        if (host.Length > 0 && host != Volatile.Read(ref _lastLocalHost))
        {
            if (!IsLoopbackName(context.Request.Host.Host))
            {
                return $"The request has no token and asks for the host '{Cut(host)}': without a token ask for "
                    + "127.0.0.1 or localhost.";
            }

            Volatile.Write(ref _lastLocalHost, host);
        }

        if (headers.ContainsKey("X-Forwarded-For") || headers.ContainsKey("Forwarded"))
        {
            return "The request was forwarded by a proxy and has no token.";
        }

        string origin = headers.Origin.ToString();
        return origin.Length == 0 || origin == $"http://{host}" || origin == $"https://{host}"
            ? null
            : $"The request comes from a page of '{Cut(origin)}' and has no token.";
    }

    private static bool IsLoopbackName(string name) =>
        name.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(name.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));

    private static string Cut(string text) => text.Length > 80 ? text[..80] + "…" : text;
}

/// <summary>Marks the connections of the Unix socket.</summary>
internal sealed class LocalSocket
{
    /// <summary>The mark.</summary>
    public static LocalSocket Mark { get; } = new();
}
