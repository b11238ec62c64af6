using System.Net.Sockets;
using System.Xml;
using Amazon.Runtime;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Objects.S3;

/// <summary>
/// Turns what a server or the network did into a fault that names the endpoint, the object and the remedy.
/// </summary>
internal static class S3Fault
{
    /// <summary>
    /// The fault for an exception of the SDK or of HTTP. What is already a fault, or a cancellation, stays what it is.
    /// </summary>
    /// <param name="e">What was thrown.</param>
    /// <param name="what">The request, for instance <c>GET s3://bucket/key</c>.</param>
    /// <param name="endpoint">The server.</param>
    internal static Exception From(Exception e, string what, Uri endpoint) => e switch
    {
        DataLayerException or OperationCanceledException => e,
        AmazonServiceException service when (int)service.StatusCode is > 0 and var status =>
            FromAnswer(status, service.ErrorCode, what, endpoint, e),
        AmazonUnmarshallingException => Unavailable(what, endpoint, "the answer is damaged or not S3's", e),
        HttpRequestException or IOException or SocketException => Unavailable(what, endpoint, Reason(e), e),
        ArgumentException or FormatException or InvalidOperationException =>
            Unavailable(what, endpoint, "the answer is damaged", e), // What HttpClient throws on some broken heads.
        XmlException or OverflowException or NullReferenceException or IndexOutOfRangeException =>
            Unavailable(what, endpoint, "the answer is damaged or not S3's", e), // What the SDK throws on some bodies.
        AmazonServiceException => Unavailable(what, endpoint, Reason(e), e),
        AmazonClientException => new DataLayerException(
            ErrorCode.PermissionDenied, $"{what} at {endpoint} was not sent: {e.Message}", e),
        _ => new DataLayerException(ErrorCode.Internal, $"{what} at {endpoint} failed: {e.Message}", e),
    };

    /// <summary>Whether a request that failed so may have reached the server, who bills it then.</summary>
    internal static bool MayHaveReached(Exception e)
    {
        for (Exception? one = e; one is not null; one = one.InnerException)
        {
            if (one is HttpRequestException
                {
                    HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError
                    or HttpRequestError.SecureConnectionError,
                })
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The fault for a status and S3's error code.</summary>
    internal static DataLayerException FromAnswer(
        int status, string? code, string what, Uri endpoint, Exception? cause = null)
    {
        string answer = string.IsNullOrEmpty(code) ? $"{status}" : $"{status} {code}";
        DataLayerException Fault(ErrorCode error, string text) =>
            new(error, $"{what} at {endpoint} answered {answer}: {text}", cause);
        return (status, code) switch
        {
            (_, "RequestTimeTooSkewed") =>
                Fault(ErrorCode.OriginUnavailable, "the clocks differ. Set this machine's clock."),
            (_, "QuotaExceeded") =>
                Fault(ErrorCode.QuotaExceeded, "the bucket's or user's quota is used up. Raise it or delete objects."),
            (404, "NoSuchBucket") =>
                Fault(ErrorCode.NotFound, "there is no such bucket. Check its name and the endpoint."),
            (404, _) => Fault(ErrorCode.NotFound, "there is no such object."),
            (412, _) => Fault(ErrorCode.Stale, "the object is not the version that was asked for."),
            (_, "InvalidObjectState" or "ObjectNotInActiveTierError") =>
                Fault(ErrorCode.Archived, "the object is in an archive and must be restored before it can be read."),
            (401 or 403, _)
                or (400, "ExpiredToken" or "InvalidToken" or "TokenRefreshRequired"
                    or "AuthorizationHeaderMalformed") =>
                Fault(ErrorCode.PermissionDenied,
                    "the credentials were refused. Check the store's accessKey, secretKey and region, "
                    + "and the bucket's policy."),
            (400, "BadDigest" or "InvalidDigest" or "XAmzContentSHA256Mismatch" or "IncompleteBody"
                or "RequestTimeout") =>
                Fault(ErrorCode.OriginUnavailable, "the body arrived damaged or not in time."),
            (400, "EntityTooLarge") => Fault(ErrorCode.FileTooLarge, "the server has a lower size limit."),
            (507, _) or (_, "XMinioStorageFull" or "InsufficientCapacity") =>
                Fault(ErrorCode.NoSpace, "the server is full."),
            (301 or 307 or 308, _) =>
                Fault(ErrorCode.InvalidArgument, "the bucket is elsewhere. Check the store's endpoint and region."),
            (405 or 501, _) => Fault(ErrorCode.NotSupported, "the server does not know this request."),
            (429, _) or (_, "SlowDown" or "Throttling" or "RequestLimitExceeded" or "TooManyRequests") =>
                new DataLayerException(
                    ErrorCode.OriginUnavailable,
                    $"{what} at {endpoint} answered {answer}: the server asks for fewer requests. "
                    + "Lower the store's 'requests', or have its limit raised.",
                    cause)
                {
                    IsThrottled = true,
                },
            (409 or >= 500, _) =>
                Fault(ErrorCode.OriginUnavailable, "the server is overloaded or failing. Check its load and log."),
            _ => Fault(ErrorCode.InvalidArgument, "the server refuses the request."),
        };
    }

    /// <summary>The fault of a server that stayed silent.</summary>
    internal static DataLayerException TimedOut(string what, Uri endpoint, TimeSpan silence, Exception cause) => new(
        ErrorCode.TimedOut,
        $"{what} at {endpoint} brought no byte for {silence.TotalSeconds:0.###} s. "
        + "Check the server, or raise the store's attemptTimeout.",
        cause);

    /// <summary>The fault of a body that does not match what vouches for it.</summary>
    internal static DataLayerException Damaged(string what, Uri endpoint, string which) => new(
        ErrorCode.Corrupt,
        $"{what} at {endpoint} brought a body that does not match {which}. "
        + "If another tool replaced the content and kept the metadata, "
        + "or the server's ETags only look like MD5, set the store's verifyContent to false.");

    internal static DataLayerException Unavailable(string what, Uri endpoint, string reason, Exception? cause =
        null) => new(
        ErrorCode.OriginUnavailable,
        $"{what} at {endpoint} failed: {reason}. Check that the server runs and the store's endpoint is right.",
        cause);

    private static string Reason(Exception e)
    {
        for (Exception? one = e; one is not null; one = one.InnerException)
        {
            if (one is SocketException socket)
            {
                return socket.SocketErrorCode switch
                {
                    SocketError.ConnectionRefused => "connection refused",
                    SocketError.HostNotFound or SocketError.NoData => "the host is not known",
                    SocketError.ConnectionReset => "the connection was reset",
                    _ => socket.Message,
                };
            }

            if (one is System.Security.Authentication.AuthenticationException)
            {
                return "the server's certificate is not trusted (certificateAuthorityFile names your own authority)";
            }
        }

        return e is HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded }
            ? "the answer ended early"
            : e.InnerException?.Message ?? e.Message;
    }
}
