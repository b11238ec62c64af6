namespace DataLayer.Storage.Objects;

/// <summary>One named store: where it is, how to sign in, and its limits.</summary>
public sealed class ObjectStoreOptions
{
    /// <summary>The name attachments refer to it by.</summary>
    public required string Name { get; init; }

    /// <summary><c>s3</c> or <c>directory</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>
    /// <c>s3</c>: the server's URL, or null for AWS. <c>directory</c>: a folder all sources must be below, or null for no bound; with
    /// it, <c>s3://bucket/prefix</c> is the folder <c>bucket</c> in it.
    /// </summary>
    public string? Endpoint { get; init; }

    /// <summary>The region requests are signed for.</summary>
    public string Region { get; init; } = "us-east-1";

    /// <summary>Whether the bucket is the first part of the path (most servers other than AWS), else of the host name.</summary>
    public bool PathStyle { get; init; } = true;

    /// <summary>The access key, or <c>env:NAME</c> or <c>file:/path</c> that holds it; null for the SDK's own search.</summary>
    public string? AccessKey { get; init; }

    /// <summary>The secret key, or <c>env:NAME</c> or <c>file:/path</c> that holds it. Never logged.</summary>
    public string? SecretKey { get; init; }
}
