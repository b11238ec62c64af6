using System.Net;
using Microsoft.AspNetCore.Http.Features;

namespace DataLayer.Server.Access;

/// <summary>Who sends a request, and whether it is too soon for that caller's next one.</summary>
internal sealed class CallerDesk(Authenticator authenticator, RateLimiter limiter)
{
    /// <summary>Who sends it.</summary>
    public Caller Identify(HttpContext context) => authenticator.Identify(context);

    /// <summary>
    /// How long the caller is to wait; null where it may go on. The Unix socket's has no limit, and other nodes bound
    /// themselves.
    /// </summary>
    public TimeSpan? WaitOf(HttpContext context, Caller caller)
    {
        if (!limiter.IsOn || caller == Caller.OfSocket || caller.Role == TokenRole.Node)
        {
            return null;
        }

        object who = caller.Token is { } token
            ? token.Id
            : context.Features.Get<IHttpConnectionFeature>()?.RemoteIpAddress ?? IPAddress.None;
        return limiter.Take(who);
    }
}
