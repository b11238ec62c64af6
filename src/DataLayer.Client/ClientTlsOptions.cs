namespace DataLayer.Client;

/// <summary>
/// How a client knows its service over <c>https</c>, and shows who it is itself. The files are read at each connection:
/// exchanged ones count from the next connection on.
/// </summary>
public sealed class ClientTlsOptions
{
    /// <summary>
    /// PEM file with the authorities whose certificates count, in place of the system's; null for the system's.
    /// </summary>
    public string? CertificateAuthorityFile { get; init; }

    /// <summary>
    /// PEM file with the client's certificate, then those between it and its authority; null for none.
    /// </summary>
    public string? CertificateFile { get; init; }

    /// <summary>PEM file with the certificate's key; null where it is in <see cref="CertificateFile"/>.</summary>
    public string? KeyFile { get; init; }

    /// <summary>File with the password of an encrypted key; null for a key without.</summary>
    public string? KeyPasswordFile { get; init; }
}
