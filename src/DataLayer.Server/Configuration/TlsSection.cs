using System.Collections;
using System.Security.Authentication;
using DataLayer.Server.Tls;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>listen.tls</c>. What is wrong with the files is wrong with the configuration.</summary>
internal static class TlsSection
{
    /// <summary>Reads the section; null where it gives no certificate.</summary>
    public static TlsConfiguration? Read(SettingReader section, IDictionary environment)
    {
        string? certificate = section.Text(
            "certificateFile", null,
            "PEM file with the service's certificate, then those between it and its authority; with it the port speaks "
            + "TLS only. Read again when it changes.",
            "a path");
        string? key = section.Text(
            "keyFile", null, "PEM file with the certificate's private key (mode 0600, or 0640 of its own group).",
            "a path");
        string? passwordFile = section.Text(
            "keyPasswordFile", null, "File with the password of an encrypted key (mode 0600).", "a path");
        string? passwordVariable = section.Text(
            "keyPasswordEnv", null, "Environment variable with the password of an encrypted key.");
        string version = section.Choice("minVersion", "1.2", "The oldest version of TLS that is spoken.", "1.2", "1.3");
        string? authority = section.Text(
            "clientAuthorityFile", null,
            "PEM file with the authorities that issue client certificates; with it clients are asked for one.",
            "a path");
        string clients = section.Choice(
            "clientCertificates", "accepted",
            "'required' refuses connections without a client certificate; 'accepted' lets them use a token instead.",
            "accepted", "required");
        TlsConfiguration? tls = Make(section, certificate, key, environment, passwordVariable);
        if (tls is not null)
        {
            tls = tls with
            {
                KeyPasswordFile = passwordFile is null ? null : Path.GetFullPath(passwordFile),
                Protocols = version == "1.3" ? SslProtocols.Tls13 : SslProtocols.Tls12 | SslProtocols.Tls13,
                ClientAuthorityFile = authority is null ? null : Path.GetFullPath(authority),
                ClientCertificateRequired = clients == "required",
            };
            Check(section, tls);
        }
        else if (certificate is null && (key ?? passwordFile ?? passwordVariable ?? authority) is not null)
        {
            section.Report(
                "certificateFile", "There are settings of TLS and no certificate.",
                "Give certificateFile and keyFile, or leave out listen.tls.");
        }

        section.Done();
        return tls;
    }

    private static TlsConfiguration? Make(
        SettingReader section, string? certificate, string? key, IDictionary environment, string? variable)
    {
        if (section.Has("keyPassword"))
        {
            section.Report(
                "keyPassword", "Secrets do not stand in the configuration.",
                "Give keyPasswordFile or keyPasswordEnv, the place of the secret.");
        }

        string? password = variable is null ? null : environment[variable] as string;
        if (variable is not null && string.IsNullOrEmpty(password))
        {
            section.Report(
                "keyPasswordEnv", $"The environment variable '{variable}' is not set.",
                "Set it for the service, or name another.");
        }

        if (certificate is null)
        {
            return null;
        }

        if (key is null)
        {
            section.Report("keyFile", "The certificate's private key is missing.", "Give keyFile.");
            return null;
        }

        return new TlsConfiguration
        {
            CertificateFile = Path.GetFullPath(certificate),
            KeyFile = Path.GetFullPath(key),
            KeyPasswordVariable = variable,
            KeyPassword = password,
        };
    }

    private static void Check(SettingReader section, TlsConfiguration tls)
    {
        if (tls.KeyPasswordFile is not null && tls.KeyPasswordVariable is not null)
        {
            section.Report(
                "keyPasswordFile", "Both keyPasswordEnv and keyPasswordFile are given.", "Keep one of them.");
        }

        if (tls is { ClientCertificateRequired: true, ClientAuthorityFile: null })
        {
            section.Report(
                "clientCertificates", "Client certificates are required and nobody says whose count.",
                "Give clientAuthorityFile.");
        }

        List<TlsProblem> problems = [];
        _ = TlsMaterial.Read(tls, TimeProvider.System.GetUtcNow(), problems);
        foreach (TlsProblem problem in problems)
        {
            section.Report(problem.Setting, problem.Message, problem.Remedy);
        }
    }
}
