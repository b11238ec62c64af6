using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace DataLayer.TestSupport.Origins;

/// <summary>
/// Reads the body of an S3 request, unwrapping the <c>aws-chunked</c> encoding the SDKs send over plain HTTP: chunks of
/// <c>hex-length[;chunk-signature=…]CRLF bytes CRLF</c>, ended by a chunk of length 0 and trailers.
/// </summary>
internal static class S3RequestBody
{
    internal static async Task<byte[]> ReadAsync(HttpRequest request)
    {
        using var raw = new MemoryStream();
        await request.Body.CopyToAsync(raw, request.HttpContext.RequestAborted);
        var bytes = raw.ToArray();
        var isChunked = request.Headers["x-amz-content-sha256"].ToString().StartsWith("STREAMING-", StringComparison.Ordinal);
        return isChunked ? Unwrap(bytes) : bytes;
    }

    private static byte[] Unwrap(ReadOnlySpan<byte> wrapped)
    {
        using var content = new MemoryStream(wrapped.Length);
        while (true)
        {
            var line = wrapped.IndexOf("\r\n"u8);
            var head = Encoding.ASCII.GetString(wrapped[..line]);
            var length = int.Parse(head.Split(';')[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (length == 0)
            {
                return content.ToArray();
            }

            content.Write(wrapped.Slice(line + 2, length));
            wrapped = wrapped[(line + 2 + length + 2)..];
        }
    }
}
