using System.Security.Cryptography;

namespace DataLayer.TestSupport.Origins;

/// <summary>One object of a <see cref="ScriptedS3"/>: immutable bytes with the ETag S3 gives them.</summary>
/// <param name="Bytes">The content.</param>
/// <param name="ETag">MD5 in hex, or MD5 of MD5s with a part count for a multipart upload; without quotes.</param>
/// <param name="LastModified">When it was written.</param>
public sealed record ScriptedObject(byte[] Bytes, string ETag, DateTimeOffset LastModified)
{
    /// <summary>The storage class.</summary>
    public string StorageClass { get; init; } = "STANDARD";

    /// <summary>The user's metadata, names without their prefix.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether a copy of it is on its way out of the archive.</summary>
    public bool IsRestoring { get; init; }

    /// <summary>Whether a copy of it is out of the archive.</summary>
    public bool IsRestored { get; init; }

    /// <summary>Whether it must be restored before it can be read.</summary>
    public bool IsArchived => StorageClass is "GLACIER" or "DEEP_ARCHIVE" && !IsRestored;

    /// <summary>An object as a single PUT makes it.</summary>
    public static ScriptedObject Of(byte[] bytes, DateTimeOffset now) => new(bytes, Md5(bytes), now);

    /// <summary>An object as a multipart upload makes it.</summary>
    public static ScriptedObject OfParts(IReadOnlyList<byte[]> parts, DateTimeOffset now)
    {
        var digests = new List<byte>();
        var all = new List<byte>();
        foreach (var part in parts)
        {
            digests.AddRange(MD5.HashData(part));
            all.AddRange(part);
        }

        return new ScriptedObject([.. all], $"{Md5([.. digests])}-{parts.Count}", now);
    }

    private static string Md5(byte[] bytes) => Convert.ToHexStringLower(MD5.HashData(bytes));
}
