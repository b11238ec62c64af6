using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace DataLayer.Workloads.Cold;

/// <summary>
/// The least that can read an object from an S3 gateway in C#: HttpClient, Signature Version 4 by hand, no checks, no retries. The
/// baseline of what the gateway gives.
/// </summary>
internal sealed class MinimalS3Client : IDisposable
{
    private const string EmptyBodyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    private static readonly ConcurrentDictionary<string, byte[]> _dayKeys = new(StringComparer.Ordinal);
    private readonly Uri _endpoint;
    private readonly string _accessKey;
    private readonly string _secretKey;
    private readonly HttpClient _http;

    public MinimalS3Client(Uri endpoint, string accessKey, string secretKey, int connections)
    {
        (_endpoint, _accessKey, _secretKey) = (endpoint, accessKey, secretKey);
        _http = new HttpClient(new SocketsHttpHandler
        {
            MaxConnectionsPerServer = connections,
            UseProxy = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
        });
    }

    /// <summary>Reads a range into the buffer; the bytes read.</summary>
    public async Task<int> GetAsync(string bucket, string key, long offset, Memory<byte> buffer)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri(_endpoint, $"/{bucket}/{key}"));
        request.Headers.TryAddWithoutValidation(
            "Range", string.Create(CultureInfo.InvariantCulture, $"bytes={offset}-{offset + buffer.Length - 1}"));
        Sign(request);
        using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        Stream body = await response.Content.ReadAsStreamAsync();
        return await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false);
    }

    public void Dispose() => _http.Dispose();

    private void Sign(HttpRequestMessage request)
    {
        string time = DateTimeOffset.UtcNow.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        string scope = $"{time[..8]}/us-east-1/s3/aws4_request";
        const string Names = "host;x-amz-content-sha256;x-amz-date";
        string canonical =
            $"GET\n{request.RequestUri!.AbsolutePath}\n\nhost:{request.RequestUri.Authority}\nx-amz-content-sha256:{EmptyBodyHash}\n"
            + $"x-amz-date:{time}\n\n{Names}\n{EmptyBodyHash}";
        string toSign = $"AWS4-HMAC-SHA256\n{time}\n{scope}\n{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}";
        byte[] key = _dayKeys.GetOrAdd(time[..8], day =>
        {
            byte[] derived = Encoding.UTF8.GetBytes("AWS4" + _secretKey);
            foreach (string part in new[] { day, "us-east-1", "s3", "aws4_request" })
            {
                derived = HMACSHA256.HashData(derived, Encoding.UTF8.GetBytes(part));
            }

            return derived;
        });
        string signature = Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(toSign)));
        request.Headers.TryAddWithoutValidation("x-amz-date", time);
        request.Headers.TryAddWithoutValidation("x-amz-content-sha256", EmptyBodyHash);
        request.Headers.TryAddWithoutValidation(
            "Authorization", $"AWS4-HMAC-SHA256 Credential={_accessKey}/{scope}, SignedHeaders={Names}, Signature={signature}");
    }
}
