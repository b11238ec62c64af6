using System.Text;

namespace DataLayer.Storage.Objects.S3;

/// <summary>Where one bucket's objects are: scheme, host and the path in front of a key.</summary>
internal sealed class S3Address
{
    private static readonly UriCreationOptions _asWritten =
        new() { DangerousDisablePathAndQueryCanonicalization = true };
    private readonly string _origin;
    private readonly string _pathPrefix;

    /// <summary>Makes the address of a bucket, path-style or virtual-host.</summary>
    internal S3Address(Uri endpoint, string bucket, bool pathStyle)
    {
        Host = pathStyle ? endpoint.Authority : $"{bucket}.{endpoint.Authority}";
        _origin = $"{endpoint.Scheme}://{Host}";
        _pathPrefix = pathStyle ? $"/{bucket}/" : "/";
    }

    /// <summary>Host and port, as the Host header has them.</summary>
    internal string Host { get; }

    /// <summary>The endpoint AWS serves a region at.</summary>
    internal static Uri OfRegion(string region) => new($"https://s3.{region}.amazonaws.com");

    /// <summary>The percent-encoded path of a key.</summary>
    internal string PathOf(string key) => _pathPrefix + Encode(key);

    /// <summary>The URL of a path, sent as it is: '..' and double slashes are part of a key.</summary>
    internal Uri UrlOf(string encodedPath) => new(_origin + encodedPath, _asWritten);

    /// <summary>Percent-encodes all bytes but RFC 3986's unreserved ones and '/', as signatures demand.</summary>
    private static string Encode(string key)
    {
        foreach (char one in key)
        {
            if (!IsPlain(one))
            {
                return EncodeSlow(key);
            }
        }

        return key;
    }

    private static string EncodeSlow(string key)
    {
        StringBuilder encoded = new(key.Length * 3);
        foreach (byte one in Encoding.UTF8.GetBytes(key))
        {
            if (IsPlain((char)one))
            {
                encoded.Append((char)one);
            }
            else
            {
                encoded.Append('%').Append("0123456789ABCDEF"[one >> 4]).Append("0123456789ABCDEF"[one & 15]);
            }
        }

        return encoded.ToString();
    }

    private static bool IsPlain(char one) => char.IsAsciiLetterOrDigit(one) || one is '-' or '_' or '.' or '~' or '/';
}
