using DataLayer.Core.Errors;

namespace DataLayer.Storage.Objects;

/// <summary>A parsed source of an attachment: <c>s3://bucket/prefix</c> or <c>file:///folder</c>.</summary>
/// <param name="Scheme"><c>s3</c> or <c>file</c>.</param>
/// <param name="Bucket">The bucket's name; for <c>file</c> the whole absolute folder without a trailing '/'.</param>
/// <param name="Prefix">What all keys start with, exactly as written after the bucket; empty for <c>file</c>.</param>
public sealed record ObjectSource(string Scheme, string Bucket, string Prefix)
{
    /// <summary>Parses a source.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: names the text and what is wrong with it.</exception>
    public static ObjectSource Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.StartsWith("s3://", StringComparison.OrdinalIgnoreCase))
        {
            return ParseBucket(text, text["s3://".Length..]);
        }

        return text.StartsWith("file://", StringComparison.OrdinalIgnoreCase)
            ? ParseFolder(text, text["file://".Length..])
            : throw Invalid(
                text, "it must start with s3:// or file://, for instance s3://bucket/prefix or file:///folder");
    }

    /// <summary>The source as it is written.</summary>
    public override string ToString() =>
        Scheme == "file" ? "file://" + Bucket : Prefix.Length == 0 ? "s3://" + Bucket : $"s3://{Bucket}/{Prefix}";

    private static ObjectSource ParseBucket(string text, string rest)
    {
        int slash = rest.IndexOf('/', StringComparison.Ordinal);
        string bucket = slash < 0 ? rest : rest[..slash];
        string prefix = slash < 0 ? "" : rest[(slash + 1)..];
        if (bucket.Length is < 3 or > 63)
        {
            throw Invalid(text, bucket.Length == 0
                ? "the bucket is missing after s3://"
                : $"a bucket's name has 3 to 63 characters, '{bucket}' has {bucket.Length}");
        }

        foreach (char one in bucket)
        {
            if (!char.IsAsciiLetterOrDigit(one) && one is not ('-' or '.' or '_'))
            {
                throw Invalid(text, $"a bucket's name has letters, digits, '-' and '.', not '{one}'");
            }
        }

        if (bucket[0] is '.' or '-' || bucket.Contains("..", StringComparison.Ordinal))
        {
            throw Invalid(text, $"'{bucket}' is not a bucket's name: it starts with '{bucket[0]}' or has '..' in it");
        }

        ObjectKey.CheckPrefix(prefix);
        return new ObjectSource("s3", bucket, prefix);
    }

    private static ObjectSource ParseFolder(string text, string path)
    {
        if (!path.StartsWith('/'))
        {
            throw Invalid(text, "a folder is given by its absolute path, file:///folder");
        }

        if (path.Contains('\0', StringComparison.Ordinal))
        {
            throw Invalid(text, "a path has no NUL character");
        }

        foreach (string component in path.Split('/'))
        {
            if (component is "." or "..")
            {
                throw Invalid(text, "the path must not have '.' or '..' in it");
            }
        }

        string folder = path.TrimEnd('/');
        return new ObjectSource("file", folder.Length == 0 ? "/" : folder, "");
    }

    private static DataLayerException Invalid(string text, string what) =>
        new(ErrorCode.InvalidArgument, $"'{text}' is not a source: {what}.");
}
