using System.Collections;
using System.Net;
using DataLayer.Server.Tls;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>listen</c>.</summary>
internal static class ListenSection
{
    private const string Expected = "IP:PORT, [IPv6]:PORT or none";

    /// <summary>The kernel takes 107 bytes; the rest is room for what tools append.</summary>
    private const int MaxSocketPathBytes = 100;

    /// <summary>Reads the section.</summary>
    public static ListenConfiguration Read(
        SettingReader section, AuthConfiguration auth, IDictionary environment)
    {
        string address = section.Text(
            "address",
            "127.0.0.1:7070",
            "Address and port of the API; port 0 takes a free one; 'none' listens on the Unix socket only.",
            Expected
        )!;
        string? socket = section.Text(
            "unixSocket", null,
            "Path of a Unix socket (mode 0600) that serves the same API to the service's user only.",
            "a path of at most 100 bytes");
        bool insecure = section.Flag(
            "insecure", false,
            "Listen beyond loopback without TLS: whoever sees the network's traffic reads contents and tokens.");
        TlsConfiguration? tls = TlsSection.Read(section.Section("tls"), environment);
        if (socket is not null && System.Text.Encoding.UTF8.GetByteCount(socket) > MaxSocketPathBytes)
        {
            section.Report(
                "unixSocket", $"The path has more than {MaxSocketPathBytes} bytes: '{socket}'.",
                "The system takes 107; choose a shorter folder.");
        }

        ListenConfiguration listen = new()
        {
            EndPoint = ReadEndPoint(section, address, socket, auth, isProtected: insecure || tls is not null),
            Tls = tls,
            UnixSocketPath = socket is null ? null : Path.GetFullPath(socket),
            MaxConnections = section.Count(
                "maxConnections", 4096, 1, 1_000_000, "Connections at once; more are closed."),
            MaxRequests = section.Count(
                "maxRequests", 1024, 1, 1_000_000, "Requests at once; more get 503 with Retry-After."),
            MinUploadRateBytes = section.Size(
                "minUploadRate", 240, 0, 1L << 30,
                "Slowest upload, bytes a second, that is not cut off after 5 s of grace. 0 allows any."),
            ShutdownTimeout = section.Duration(
                "shutdownTimeout", TimeSpan.FromSeconds(30), TimeSpan.Zero, TimeSpan.FromHours(1),
                "How long requests in flight may take when the service stops."),
        };
        section.Done();
        return listen;
    }

    private static IPEndPoint? ReadEndPoint(
        SettingReader section, string address, string? socket, AuthConfiguration auth, bool isProtected)
    {
        IPEndPoint? endPoint = null;
        if (address == "none")
        {
            if (socket is null)
            {
                section.Report(
                    "address", "With 'none' and no 'unixSocket' the service would listen nowhere.",
                    "Give one of them.");
            }
        }
        else if (!TryParse(address, out endPoint))
        {
            section.Report("address", $"'{address}' is not an address with a port.", $"Accepted: {Expected}.");
        }
        else
        {
            CheckCallers(section, address, endPoint!, socket, auth);
            if (!isProtected && !IPAddress.IsLoopback(endPoint!.Address))
            {
                section.Report(
                    "address",
                    $"'{address}' is reachable from other machines and what goes there could be read on the way: there "
                    + "is no TLS.",
                    "Give listen.tls.certificateFile and keyFile, or listen on 127.0.0.1; 'insecure: true' in 'listen' "
                    + "does without, for a network that nobody else sees.");
            }
        }

        return endPoint;
    }

    private static void CheckCallers(
        SettingReader section, string address, IPEndPoint endPoint, string? socket, AuthConfiguration auth)
    {
        if (auth is { TokenCount: 0, AnonymousAnywhere: false })
        {
            if (!IPAddress.IsLoopback(endPoint.Address))
            {
                section.Report(
                    "address",
                    $"'{address}' is reachable from other machines and there is no token: '{auth.TokenFile}' has none.",
                    "Make one with 'datalayer token create --role admin', or listen on 127.0.0.1; "
                    + "'auth.anonymousAnywhere: true' lets everybody do everything.");
            }
            else if (!auth.AnonymousLoopback && socket is null)
            {
                section.Report(
                    "address",
                    $"Nobody could call: there is no token in '{auth.TokenFile}', and auth.anonymousLoopback is off.",
                    "Make one with 'datalayer token create --role admin', or give a unixSocket.");
            }
        }
    }

    private static bool TryParse(string text, out IPEndPoint? endPoint)
    {
        endPoint = null;
        const string Local = "localhost:";
        string numeric = text.StartsWith(Local, StringComparison.OrdinalIgnoreCase)
            ? "127.0.0.1:" + text[Local.Length..]
            : text;
        int colon = numeric.LastIndexOf(':');
        bool bracketed = colon > 0 && numeric[0] == '[' && numeric[colon - 1] == ']';
        bool plain = colon > 0 && numeric[0] != '[' && numeric.IndexOf(':', StringComparison.Ordinal) == colon;
        return (bracketed || plain) && char.IsAsciiDigit(numeric[^1]) && IPEndPoint.TryParse(numeric, out endPoint);
    }
}
