using System.Net;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>listen</c>.</summary>
internal static class ListenSection
{
    private const string Expected = "IP:PORT, [IPv6]:PORT or none";

    /// <summary>The kernel takes 107 bytes; the rest is room for what tools append.</summary>
    private const int MaxSocketPathBytes = 100;

    /// <summary>Reads the section; completes who needs no token.</summary>
    public static ListenConfiguration Read(SettingReader section, ref AuthConfiguration auth)
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
            "insecure", false, "Let everybody who reaches the address do everything, without a token.");
        auth = auth with { AnonymousAnywhere = insecure };
        if (socket is not null && System.Text.Encoding.UTF8.GetByteCount(socket) > MaxSocketPathBytes)
        {
            section.Report(
                "unixSocket", $"The path has more than {MaxSocketPathBytes} bytes: '{socket}'.",
                "The system takes 107; choose a shorter folder.");
        }

        ListenConfiguration listen = new()
        {
            EndPoint = ReadEndPoint(section, address, socket, auth),
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
        SettingReader section, string address, string? socket, AuthConfiguration auth)
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
        else if (auth is { TokenCount: 0, AnonymousAnywhere: false })
        {
            if (!IPAddress.IsLoopback(endPoint!.Address))
            {
                section.Report(
                    "address",
                    $"'{address}' is reachable from other machines and there is no token: '{auth.TokenFile}' has none.",
                    "Make one with 'datalayer token create --role admin', or listen on 127.0.0.1; 'insecure: true' "
                    + "lets everybody do everything.");
            }
            else if (!auth.AnonymousLoopback && socket is null)
            {
                section.Report(
                    "address",
                    $"Nobody could call: there is no token in '{auth.TokenFile}', and auth.anonymousLoopback is off.",
                    "Make one with 'datalayer token create --role admin', or give a unixSocket.");
            }
        }

        return endPoint;
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
