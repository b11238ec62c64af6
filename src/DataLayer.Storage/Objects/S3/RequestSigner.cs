using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Amazon.Runtime;

namespace DataLayer.Storage.Objects.S3;

/// <summary>
/// Signs requests without a body (Signature Version 4, "Authenticating Requests: Using the Authorization Header" of the
/// Amazon S3 API reference). The SDK signs all others; reads are signed here because the SDK spends more on a small
/// read than the network does (decision 0030).
/// </summary>
/// <remarks>Thread-safe. The signing key of a day is derived once. Headers that are not signed (Range, If-Match) may be
/// added freely.</remarks>
internal sealed class RequestSigner(string region)
{
    private const string EmptyBodyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    private volatile DayKey? _dayKey;

    /// <summary>Adds the headers that sign a request for a path that is already percent-encoded; no query.</summary>
    internal void Sign(
        HttpRequestMessage request, string host, string encodedPath, ImmutableCredentials keys, DateTimeOffset now)
    {
        string time = now.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        string day = time[..8];
        bool hasToken = !string.IsNullOrEmpty(keys.Token);
        string names = hasToken
            ? "host;x-amz-content-sha256;x-amz-date;x-amz-security-token"
            : "host;x-amz-content-sha256;x-amz-date";
        string canonical = string.Concat(
            $"{request.Method.Method}\n{encodedPath}\n\n",
            $"host:{host}\nx-amz-content-sha256:{EmptyBodyHash}\nx-amz-date:{time}\n",
            hasToken ? $"x-amz-security-token:{keys.Token}\n" : "",
            $"\n{names}\n{EmptyBodyHash}");
        Span<byte> hash = stackalloc byte[32];
        Hash(canonical, hash);
        string scope = $"{day}/{region}/s3/aws4_request";
        string toSign = $"AWS4-HMAC-SHA256\n{time}\n{scope}\n{Convert.ToHexStringLower(hash)}";
        Authenticate(KeyOf(keys, day), toSign, hash);
        request.Headers.TryAddWithoutValidation("x-amz-date", time);
        request.Headers.TryAddWithoutValidation("x-amz-content-sha256", EmptyBodyHash);
        if (hasToken)
        {
            request.Headers.TryAddWithoutValidation("x-amz-security-token", keys.Token);
        }

        request.Headers.TryAddWithoutValidation("Authorization",
            $"AWS4-HMAC-SHA256 Credential={keys.AccessKey}/{scope}, SignedHeaders={names}, "
            + $"Signature={Convert.ToHexStringLower(hash)}");
    }

    private static void Hash(string text, Span<byte> destination)
    {
        Span<byte> utf8 = stackalloc byte[1024];
        if (Encoding.UTF8.TryGetBytes(text, utf8, out int count))
        {
            SHA256.HashData(utf8[..count], destination);
        }
        else
        {
            SHA256.HashData(Encoding.UTF8.GetBytes(text), destination);
        }
    }

    private static void Authenticate(ReadOnlySpan<byte> key, string text, Span<byte> destination)
    {
        Span<byte> utf8 = stackalloc byte[512];
        int count = Encoding.UTF8.GetBytes(text, utf8);
        HMACSHA256.HashData(key, utf8[..count], destination);
    }

    private byte[] KeyOf(ImmutableCredentials keys, string day)
    {
        DayKey? known = _dayKey;
        if (known is not null && known.Day == day && known.Secret == keys.SecretKey)
        {
            return known.Key;
        }

        byte[] key = Encoding.UTF8.GetBytes("AWS4" + keys.SecretKey);
        foreach (string part in new[] { day, region, "s3", "aws4_request" })
        {
            key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        }

        _dayKey = new DayKey(day, keys.SecretKey, key);
        return key;
    }

    private sealed record DayKey(string Day, string Secret, byte[] Key);
}
