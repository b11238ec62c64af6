using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;

namespace DataLayer.Server.Http;

/// <summary>
/// The console: the pages below <c>console/</c> beside the program, read once and served from memory to anybody. They
/// hold no data; what they show they ask the API for, as the caller whose token was typed in.
/// </summary>
/// <remarks>
/// The page itself is asked about each time (ETag); all else lies below a folder named by the hash of everything, so
/// that modules of two versions never mix and browsers keep them for good. The content security policy lets the page
/// load and call nothing but this service, and run no script that stands in a page.
/// </remarks>
internal sealed class ConsolePages
{
    private const string Page = "index.html";
    private const string ChartModule = "vendor/uPlot.js";
    private const string AssetRoute = ApiRoutes.Console + "/assets/{version}/{**file}";

    private const string SecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        + "trusted-types 'none'";

    private static readonly Dictionary<string, string> _mediaTypes = new(StringComparer.Ordinal)
    {
        [".html"] = "text/html; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".svg"] = "image/svg+xml",
        [".txt"] = "text/plain; charset=utf-8",
    };

    private readonly Dictionary<string, PageFile> _files = new(StringComparer.Ordinal);
    private readonly string _version;

    /// <summary>Reads the pages; there are none where the program was copied without them.</summary>
    /// <param name="folder">The folder; null for the one beside the program.</param>
    public ConsolePages(string? folder = null)
    {
        folder ??= Path.Combine(AppContext.BaseDirectory, "console");
        SortedDictionary<string, byte[]> contents = new(StringComparer.Ordinal);
        if (Directory.Exists(folder))
        {
            foreach (string path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            {
                contents.Add(Path.GetRelativePath(folder, path), File.ReadAllBytes(path));
            }
        }

        _version = HashOf(contents);
        if (contents.TryGetValue(Page, out byte[]? page))
        {
            string charts = contents.ContainsKey(ChartModule) ? ChartModule : string.Empty;
            string text = Encoding.UTF8.GetString(page)
                .Replace("{{version}}", _version, StringComparison.Ordinal)
                .Replace("{{charts}}", charts, StringComparison.Ordinal);
            contents[Page] = Encoding.UTF8.GetBytes(text);
        }

        foreach ((string name, byte[] content) in contents)
        {
            if (_mediaTypes.TryGetValue(Path.GetExtension(name), out string? media))
            {
                _files.Add(name, new PageFile(content, Compress(content), media));
            }
        }
    }

    /// <summary>The pages' routes. They are no part of the API: its document does not list them.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        foreach (string method in new[] { "GET", "HEAD" })
        {
            yield return new ApiOperation(method, ApiRoutes.Console, "console", "The console.", ShowAsync)
            {
                Access = ApiAccess.Anyone,
            };
            yield return new ApiOperation(method, AssetRoute, "consoleFile", "A file of the console.", SendAsync)
            {
                Access = ApiAccess.Anyone,
            };
        }
    }

    private Task ShowAsync(HttpContext context)
    {
        if (!context.Request.Path.Value!.EndsWith('/'))
        {
            // Relative, so that it also holds behind a proxy that serves us below a path of its own.
            context.Response.StatusCode = StatusCodes.Status308PermanentRedirect;
            context.Response.Headers.Location = "console/";
            return Task.CompletedTask;
        }

        IHeaderDictionary headers = context.Response.Headers;
        headers.ContentSecurityPolicy = SecurityPolicy;
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()";
        return WriteAsync(context, Find(Page), "no-cache");
    }

    private Task SendAsync(HttpContext context)
    {
        string name = context.Request.RouteValues["file"] as string ?? string.Empty;
        if (context.Request.RouteValues["version"] as string != _version || name == Page)
        {
            throw new DataLayerException(
                ErrorCode.NotFound, "The console has changed since this page was loaded: load it again.");
        }

        return WriteAsync(context, Find(name), "public, max-age=31536000, immutable");
    }

    private PageFile Find(string name) =>
        _files.TryGetValue(name, out PageFile? file)
            ? file
            : throw new DataLayerException(
                ErrorCode.NotFound,
                _files.Count == 0
                    ? "This program was installed without its console: copy the folder 'console' beside it."
                    : $"The console has no file '{name}'.");

    private static async Task WriteAsync(HttpContext context, PageFile file, string caching)
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.CacheControl = caching;
        headers.ETag = file.EntityTag;
        headers.Vary = "Accept-Encoding";
        headers.XContentTypeOptions = "nosniff";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        ConditionOutcome outcome = EntityTags.EvaluateRead(
            context.Request.Headers, file.EntityTag, DateTimeOffset.MaxValue);
        if (outcome == ConditionOutcome.NotModified)
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        bool compressed = context.Request.Headers.AcceptEncoding.ToString()
            .Contains("gzip", StringComparison.OrdinalIgnoreCase);
        byte[] body = compressed ? file.Compressed : file.Content;
        if (compressed)
        {
            headers.ContentEncoding = "gzip";
        }

        context.Response.ContentType = file.MediaType;
        context.Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
        }
    }

    private static string HashOf(SortedDictionary<string, byte[]> contents)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[8];
        foreach ((string name, byte[] content) in contents)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(name + "\0"));
            System.Buffers.Binary.BinaryPrimitives.WriteInt64LittleEndian(length, content.Length);
            hash.AppendData(length);
            hash.AppendData(content);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    private static byte[] Compress(byte[] content)
    {
        using MemoryStream buffer = new();
        using (GZipStream gzip = new(buffer, CompressionLevel.SmallestSize))
        {
            gzip.Write(content);
        }

        return buffer.ToArray();
    }

    private sealed class PageFile(byte[] content, byte[] compressed, string mediaType)
    {
        public byte[] Content { get; } = content;

        public byte[] Compressed { get; } = compressed;

        public string MediaType { get; } = mediaType;

        // Weak: plain and compressed bytes share it.
        public string EntityTag { get; } = $"W/\"{Convert.ToHexStringLower(SHA256.HashData(content))[..32]}\"";
    }
}
