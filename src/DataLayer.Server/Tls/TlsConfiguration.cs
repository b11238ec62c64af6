using System.Security.Authentication;

namespace DataLayer.Server.Tls;

/// <summary>Section <c>listen.tls</c>. It names the places of secrets, never a secret.</summary>
internal sealed record TlsConfiguration
{
    /// <summary>PEM: the service's certificate, then those between it and its authority.</summary>
    public required string CertificateFile { get; init; }

    /// <summary>PEM: the certificate's private key.</summary>
    public required string KeyFile { get; init; }

    /// <summary>File with the key's password; null for a key without, or one whose password is a variable.</summary>
    public string? KeyPasswordFile { get; init; }

    /// <summary>Environment variable with the key's password, or null.</summary>
    public string? KeyPasswordVariable { get; init; }

    /// <summary>The password in that variable, or null. Never logged, shown or kept elsewhere.</summary>
    public string? KeyPassword { get; init; }

    /// <summary>The versions that are spoken.</summary>
    public SslProtocols Protocols { get; init; } = SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>PEM: the authorities of client certificates; null where clients are not asked for one.</summary>
    public string? ClientAuthorityFile { get; init; }

    /// <summary>Whether a connection without a client certificate is refused.</summary>
    public bool ClientCertificateRequired { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"TLS by {CertificateFile}";
}
