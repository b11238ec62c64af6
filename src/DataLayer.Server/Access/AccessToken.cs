namespace DataLayer.Server.Access;

/// <summary>
/// One caller as the service knows it: all of a token but the secret, of which only a hash is kept; or the subject of a
/// client certificate. docs/FORMATS/tokens.md.
/// </summary>
internal sealed record AccessToken
{
    /// <summary>The number that lists, revocations and the audit log name it by: 12 hexadecimal digits.</summary>
    public required string Id { get; init; }

    /// <summary>What people call it.</summary>
    public required string Name { get; init; }

    /// <summary>What it allows.</summary>
    public required TokenRole Role { get; init; }

    /// <summary>SHA-256 of the token's text, 32 bytes; empty for the entry of a client certificate.</summary>
    public ReadOnlyMemory<byte> Hash { get; init; }

    /// <summary>The subject of the client certificate that stands for the caller; null for a token.</summary>
    public string? Subject { get; init; }

    /// <summary>The folders it reaches; empty for the whole tree.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = [];

    /// <summary>When it was made.</summary>
    public DateTimeOffset Created { get; init; }

    /// <summary>When it ends, or null for never.</summary>
    public DateTimeOffset? Expires { get; init; }
}
