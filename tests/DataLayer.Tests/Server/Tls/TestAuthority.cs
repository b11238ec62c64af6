using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server.Tls;

/// <summary>An authority that issues what tests need, right and wrong, as PEM files of a folder.</summary>
internal sealed class TestAuthority : IDisposable
{
    public static readonly DateTimeOffset Begin = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly DateTimeOffset End = new(2046, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly TempFolder _folder;
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _certificate;
    private int _next;

    public TestAuthority(TempFolder folder, string name)
    {
        _folder = folder;
        CertificateRequest request = new($"CN={name}", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        _certificate = request.CreateSelfSigned(Begin, End);
        File = folder.Combine($"{name}.pem");
        System.IO.File.WriteAllText(File, _certificate.ExportCertificatePem());
    }

    /// <summary>Its certificate.</summary>
    public string File { get; }

    /// <summary>A certificate for loopback, and its key.</summary>
    public Issued Server(string subject = "CN=storage", DateTimeOffset? from = null, DateTimeOffset? until = null) =>
        Issue(subject, ECDsa.Create(ECCurve.NamedCurves.nistP256), "1.3.6.1.5.5.7.3.1", from, until);

    /// <summary>A client's certificate, and its key.</summary>
    public Issued Client(string subject, DateTimeOffset? until = null, string use = "1.3.6.1.5.5.7.3.2") =>
        Issue(subject, ECDsa.Create(ECCurve.NamedCurves.nistP256), use, null, until);

    /// <summary>A certificate of a given key.</summary>
    public Issued Issue(
        string subject, AsymmetricAlgorithm key, string use, DateTimeOffset? from = null, DateTimeOffset? until = null,
        HashAlgorithmName? hash = null, string? password = null, string? onlyName = null)
    {
        HashAlgorithmName with = hash ?? HashAlgorithmName.SHA256;
        CertificateRequest request = key is RSA rsa
            ? new CertificateRequest(subject, rsa, with, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(subject, (ECDsa)key, with);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], false));
        SubjectAlternativeNameBuilder names = new();
        if (onlyName is null)
        {
            names.AddIpAddress(IPAddress.Loopback);
        }

        names.AddDnsName(onlyName ?? "localhost");
        request.CertificateExtensions.Add(names.Build());
        X509SignatureGenerator signer = hash == HashAlgorithmName.SHA1 ? new OldGenerator(_key) : X509SignatureGenerator.CreateForECDsa(_key);
        using X509Certificate2 made = request.Create(
            _certificate.SubjectName, signer, from ?? Begin, until ?? End, RandomNumberGenerator.GetBytes(8));
        Issued issued = new(_folder.Combine($"c{++_next}-{_certificate.Subject[3..]}.pem"), _folder.Combine($"k{_next}-{_certificate.Subject[3..]}.pem"), made.Thumbprint);
        System.IO.File.WriteAllText(issued.File, made.ExportCertificatePem());
        WriteSecret(issued.Key, password is null
            ? key.ExportPkcs8PrivateKeyPem()
            : key.ExportEncryptedPkcs8PrivateKeyPem(password, new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000)));
        key.Dispose();
        return issued;
    }

    /// <summary>Writes a file that nobody else may open.</summary>
    public static void WriteSecret(string path, string text)
    {
        System.IO.File.WriteAllText(path, text);
        System.IO.File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    public void Dispose()
    {
        _key.Dispose();
        _certificate.Dispose();
    }

    /// <summary>Signs as authorities did long ago: ECDSA with SHA-1, which the library does not offer any more.</summary>
    private sealed class OldGenerator(ECDsa key) : X509SignatureGenerator
    {
        public override byte[] GetSignatureAlgorithmIdentifier(HashAlgorithmName hashAlgorithm) => Convert.FromHexString("300906072A8648CE3D0401");

        public override byte[] SignData(byte[] data, HashAlgorithmName hashAlgorithm) =>
            key.SignData(data, hashAlgorithm, DSASignatureFormat.Rfc3279DerSequence);

        protected override PublicKey BuildPublicKey() => new(key);
    }
}

/// <summary>A certificate with its key, as files.</summary>
internal sealed record Issued(string File, string Key, string Thumbprint)
{
    /// <summary>The settings that name them.</summary>
    public string Settings => $"certificateFile: {File}, keyFile: {Key}";
}
