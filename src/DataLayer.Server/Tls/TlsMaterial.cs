using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace DataLayer.Server.Tls;

/// <summary>
/// One state of the certificate, its key and the clients' authorities, read from files and checked as a whole.
/// Immutable.
/// </summary>
/// <remarks>
/// All is refused that clients would refuse later, or that promises less than TLS should: see
/// <see cref="CheckLeaf"/>. The key stays in memory of the cryptographic library and is written nowhere.
/// </remarks>
internal sealed class TlsMaterial
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";
    private const string Rsa = "1.2.840.113549.1.1.1";
    private const string EllipticCurve = "1.2.840.10045.2.1";
    private const int MinRsaBits = 2048;
    private const int MinCurveBits = 256;

    /// <summary>MD5 and SHA-1 with RSA, SHA-1 with DSA and ECDSA.</summary>
    private static readonly HashSet<string> _brokenSignatures = new(StringComparer.Ordinal)
    {
        "1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.10040.4.3", "1.2.840.10045.4.1", "1.3.14.3.2.29",
    };

    private readonly TlsConfiguration _configuration;
    private readonly SslStreamCertificateContext _certificate;
    private readonly X509Certificate2Collection? _authorities;

    private TlsMaterial(
        TlsConfiguration configuration, X509Certificate2 leaf, X509Certificate2Collection between,
        X509Certificate2Collection? authorities)
    {
        _configuration = configuration;
        _certificate = SslStreamCertificateContext.Create(leaf, between, offline: true);
        _authorities = authorities;
        Subject = leaf.Subject;
        Expires = new DateTimeOffset(leaf.NotAfter);
    }

    /// <summary>Whom the certificate names.</summary>
    public string Subject { get; }

    /// <summary>When the certificate ends.</summary>
    public DateTimeOffset Expires { get; }

    /// <summary>What tells one state of the files from another: a hash over their bytes.</summary>
    public static string MarkOf(TlsConfiguration configuration)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        List<TlsProblem> ignored = [];
        string?[] files =
        [
            configuration.CertificateFile, configuration.KeyFile, configuration.KeyPasswordFile,
            configuration.ClientAuthorityFile,
        ];
        foreach (string? file in files)
        {
            byte[] bytes = file is null
                ? []
                : PemFile.Read(file, string.Empty, file == configuration.KeyFile, ignored) ?? [];
            hash.AppendData(BitConverter.GetBytes(bytes.Length));
            hash.AppendData(bytes);
            CryptographicOperations.ZeroMemory(bytes);
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    /// <summary>Reads and checks everything; null where anything is wrong, all of which is told.</summary>
    public static TlsMaterial? Read(TlsConfiguration configuration, DateTimeOffset now, List<TlsProblem> problems)
    {
        int before = problems.Count;
        X509Certificate2Collection chain = [];
        if (PemFile.Read(configuration.CertificateFile, "certificateFile", isSecret: false, problems) is { } bytes)
        {
            chain = PemFile.ReadCertificates(bytes, configuration.CertificateFile, "certificateFile", problems);
        }

        X509Certificate2Collection? authorities = ReadAuthorities(configuration, now, problems);
        byte[]? key = PemFile.Read(configuration.KeyFile, "keyFile", isSecret: true, problems);
        if (chain.Count == 0)
        {
            return null;
        }

        CheckLeaf(chain[0], configuration.CertificateFile, now, problems);
        X509Certificate2? leaf = key is null ? null : Join(configuration, chain[0], key, problems);
        CryptographicOperations.ZeroMemory(key);
        if (leaf is null || problems.Count > before)
        {
            leaf?.Dispose();
            return null;
        }

        X509Certificate2Collection between = [.. chain.Skip(1)];
        return new TlsMaterial(configuration, leaf, between, authorities);
    }

    /// <summary>What one connection is to be answered with.</summary>
    public SslServerAuthenticationOptions MakeOptions()
    {
        SslServerAuthenticationOptions options = new()
        {
            ServerCertificateContext = _certificate,
            EnabledSslProtocols = _configuration.Protocols,
            AllowRenegotiation = false,
            ApplicationProtocols = [SslApplicationProtocol.Http11],
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        if (_authorities is not null)
        {
            // A resumed session would bring a client certificate that was checked under other authorities.
            options.AllowTlsResume = false;
            options.ClientCertificateRequired = true;
            options.CertificateChainPolicy = ClientPolicy(_authorities);
            options.RemoteCertificateValidationCallback = (_, certificate, _, faults) => certificate is null
                ? !_configuration.ClientCertificateRequired
                : faults == SslPolicyErrors.None;
        }

        return options;
    }

    private static X509ChainPolicy ClientPolicy(X509Certificate2Collection authorities)
    {
        X509ChainPolicy policy = new()
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(authorities);
        policy.ApplicationPolicy.Add(new Oid(ClientUse));
        return policy;
    }

    private static X509Certificate2Collection? ReadAuthorities(
        TlsConfiguration configuration, DateTimeOffset now, List<TlsProblem> problems)
    {
        if (configuration.ClientAuthorityFile is not { } file
            || PemFile.Read(file, "clientAuthorityFile", isSecret: false, problems) is not { } bytes)
        {
            return null;
        }

        X509Certificate2Collection found = PemFile.ReadCertificates(bytes, file, "clientAuthorityFile", problems);
        foreach (X509Certificate2 authority in found)
        {
            if (!authority.Extensions.OfType<X509BasicConstraintsExtension>().Any(e => e.CertificateAuthority))
            {
                problems.Add(new TlsProblem(
                    "clientAuthorityFile",
                    $"'{file}' holds '{authority.Subject}', which is no authority and can vouch for no client.",
                    "Give the certificate of the authority that issues the clients' ones (basicConstraints CA:TRUE)."));
            }
            else if (new DateTimeOffset(authority.NotAfter) <= now)
            {
                problems.Add(new TlsProblem(
                    "clientAuthorityFile",
                    $"The authority '{authority.Subject}' in '{file}' ended on {Date(authority.NotAfter)}.",
                    "Give the authority's present certificate."));
            }
        }

        return found;
    }

    private static void CheckLeaf(
        X509Certificate2 leaf, string file, DateTimeOffset now, List<TlsProblem> problems)
    {
        void Report(string message, string remedy) =>
            problems.Add(new TlsProblem("certificateFile", $"The certificate in '{file}' {message}.", remedy));

        if (new DateTimeOffset(leaf.NotBefore) > now)
        {
            Report(
                $"holds only from {Date(leaf.NotBefore)}",
                "Wait, correct this machine's clock, or give another certificate.");
        }

        if (new DateTimeOffset(leaf.NotAfter) <= now)
        {
            Report($"has expired on {Date(leaf.NotAfter)}", "Renew it.");
        }

        if (leaf.SignatureAlgorithm.Value is { } signature && _brokenSignatures.Contains(signature))
        {
            Report(
                $"is signed with {leaf.SignatureAlgorithm.FriendlyName ?? signature}, which can be forged",
                "Let it be issued anew with SHA-256.");
        }

        if (leaf.Extensions.OfType<X509EnhancedKeyUsageExtension>().FirstOrDefault() is { } uses
            && !uses.EnhancedKeyUsages.Cast<Oid>().Any(use => use.Value == ServerUse))
        {
            Report(
                "is not for servers (its extended key usage lacks serverAuth)",
                "Give the service's own certificate, with serverAuth.");
        }

        string strength = "Let it be issued anew for a key of RSA from 2,048 bits on, or of the curve P-256 or P-384.";
        switch (leaf.GetKeyAlgorithm())
        {
            case Rsa:
                using (RSA? rsa = leaf.GetRSAPublicKey())
                {
                    if (rsa is { KeySize: < MinRsaBits })
                    {
                        Report($"is of a weak key: RSA of {rsa.KeySize} bits", strength);
                    }
                }

                break;
            case EllipticCurve:
                using (ECDsa? curve = leaf.GetECDsaPublicKey())
                {
                    if (curve is { KeySize: < MinCurveBits })
                    {
                        Report($"is of a weak key: a curve of {curve.KeySize} bits", strength);
                    }
                }

                break;
            default:
                Report($"is of an unsupported kind of key ({leaf.PublicKey.Oid.FriendlyName})", strength);
                break;
        }
    }

    /// <summary>The certificate with its key; null with a problem where they do not go together.</summary>
    private static X509Certificate2? Join(
        TlsConfiguration configuration, X509Certificate2 leaf, byte[] key, List<TlsProblem> problems)
    {
        string file = configuration.KeyFile;
        char[] pem = Encoding.UTF8.GetChars(key);
        try
        {
            bool isEncrypted = pem.AsSpan().Contains("ENCRYPTED PRIVATE KEY", StringComparison.Ordinal);
            string? password = null;
            if (pem.AsSpan().Contains("Proc-Type: 4,ENCRYPTED", StringComparison.Ordinal))
            {
                problems.Add(new TlsProblem(
                    "keyFile", $"The key in '{file}' is encrypted in an old way that is not supported.",
                    $"Convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in {file} -out NEW.key"));
                return null;
            }

            if (isEncrypted && !TryReadPassword(configuration, problems, out password))
            {
                return null;
            }

            using AsymmetricAlgorithm? opened = Open(leaf, pem, password);
            switch (opened)
            {
                case RSA rsa:
                    return leaf.CopyWithPrivateKey(rsa);
                case ECDsa curve:
                    return leaf.CopyWithPrivateKey(curve);
                default:
                    return null;
            }
        }
        catch (ArgumentException)
        {
            problems.Add(new TlsProblem(
                "keyFile", $"The key in '{file}' is not that of the certificate in '{configuration.CertificateFile}'.",
                "Give the two files that were made together."));
        }
        catch (CryptographicException e)
        {
            problems.Add(new TlsProblem(
                "keyFile", $"'{file}' holds no key that can be used with the certificate: {e.Message.TrimEnd('.')}.",
                "Give the certificate's private key as PEM, and the right password where it is encrypted."));
        }
        finally
        {
            Array.Clear(pem);
        }

        return null;
    }

    private static AsymmetricAlgorithm? Open(X509Certificate2 leaf, ReadOnlySpan<char> pem, string? password)
    {
        AsymmetricAlgorithm? made = leaf.GetKeyAlgorithm() switch
        {
            Rsa => RSA.Create(),
            EllipticCurve => ECDsa.Create(),
            _ => null,
        };
        try
        {
            if (password is not null)
            {
                made?.ImportFromEncryptedPem(pem, password);
            }
            else
            {
                made?.ImportFromPem(pem);
            }

            return made;
        }
        catch (ArgumentException e)
        {
            made?.Dispose();
            throw new CryptographicException(e.Message, e);
        }
        catch
        {
            made?.Dispose();
            throw;
        }
    }

    private static bool TryReadPassword(
        TlsConfiguration configuration, List<TlsProblem> problems, out string? password)
    {
        password = configuration.KeyPassword;
        if (configuration.KeyPasswordFile is { } file)
        {
            byte[]? bytes = PemFile.Read(file, "keyPasswordFile", isSecret: true, problems);
            password = bytes is null ? null : Encoding.UTF8.GetString(bytes).TrimEnd('\r', '\n');
            if (bytes is null)
            {
                return false;
            }
        }

        if (password is null)
        {
            problems.Add(new TlsProblem(
                "keyFile", $"The key in '{configuration.KeyFile}' is encrypted and there is no password.",
                "Give listen.tls.keyPasswordFile (mode 0600) or keyPasswordEnv, or a key without password."));
            return false;
        }

        return true;
    }

    private static string Date(DateTime time) =>
        time.ToUniversalTime().ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture);
}
