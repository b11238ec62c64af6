using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DataLayer.Core.Errors;

namespace DataLayer.Client;

/// <summary>Makes a connection a TLS one: checks the service's certificate and name, shows the client's own.</summary>
internal static class TlsHandshake
{
    /// <summary>Shakes hands; on a fault the inner stream is closed.</summary>
    /// <param name="inner">The connection.</param>
    /// <param name="host">The name that the service's certificate has to be of.</param>
    /// <param name="options">Authorities and the own certificate.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">InvalidArgument: a file is wrong. NotAuthenticated: the service's
    /// certificate is not trusted, or it has not taken ours.</exception>
    public static async ValueTask<Stream> ConnectAsync(
        Stream inner, string host, ClientTlsOptions options, CancellationToken cancellationToken)
    {
        SslStream? stream = null;
        try
        {
            SslClientAuthenticationOptions authentication = MakeOptions(host, options);
            stream = new SslStream(inner, leaveInnerStreamOpen: false);
            await stream.AuthenticateAsClientAsync(authentication, cancellationToken).ConfigureAwait(false);
            return stream;
        }
        catch (Exception e)
        {
            if (stream is not null)
            {
                await stream.DisposeAsync().ConfigureAwait(false);
            }
            else
            {
                await inner.DisposeAsync().ConfigureAwait(false);
            }

            if (e is AuthenticationException)
            {
                throw new DataLayerException(
                    ErrorCode.NotAuthenticated,
                    $"No protected connection to '{host}' came about: {e.Message} Give the authority of the service's "
                    + "certificate (--ca-file, DATALAYER_CA_FILE), a name that the certificate has, and a client "
                    + "certificate where the service wants one (--client-cert, DATALAYER_CLIENT_CERT).",
                    e);
            }

            throw;
        }
    }

    private static SslClientAuthenticationOptions MakeOptions(string host, ClientTlsOptions options)
    {
        SslClientAuthenticationOptions made = new()
        {
            TargetHost = host,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        if (options.CertificateAuthorityFile is { } file)
        {
            X509ChainPolicy policy = new()
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
                DisableCertificateDownloads = true,
            };
            policy.CustomTrustStore.AddRange(Certificates(file));
            made.CertificateChainPolicy = policy;
        }

        if (options.CertificateFile is { } own)
        {
            made.ClientCertificateContext = OwnCertificate(own, options.KeyFile ?? own, options.KeyPasswordFile);
        }

        return made;
    }

    private static SslStreamCertificateContext OwnCertificate(string file, string keyFile, string? passwordFile)
    {
        X509Certificate2Collection chain = Certificates(file);
        try
        {
            X509Certificate2 leaf = passwordFile is null
                ? X509Certificate2.CreateFromPemFile(file, keyFile)
                : X509Certificate2.CreateFromEncryptedPemFile(
                    file, File.ReadAllText(passwordFile).TrimEnd('\r', '\n'), keyFile);
            chain.RemoveAt(0);
            return SslStreamCertificateContext.Create(leaf, chain, offline: true);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or IOException
            or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"The client certificate '{file}' cannot be used with the key in '{keyFile}': {e.Message}", e);
        }
    }

    private static X509Certificate2Collection Certificates(string file)
    {
        string reason = "there is no 'BEGIN CERTIFICATE' in it.";
        Exception? cause = null;
        try
        {
            X509Certificate2Collection found = [];
            found.ImportFromPemFile(file);
            if (found.Count > 0)
            {
                return found;
            }
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            reason = e.Message;
            cause = e;
        }

        throw new DataLayerException(
            ErrorCode.InvalidArgument, $"'{file}' gives no certificates: {reason} Give a PEM file.", cause);
    }
}
