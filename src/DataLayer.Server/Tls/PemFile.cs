using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace DataLayer.Server.Tls;

/// <summary>
/// Reads PEM files of a bounded size, with what is wrong told by file and remedy. Files are read whole and once: what
/// is checked is what is used, also where somebody replaces them meanwhile.
/// </summary>
internal static class PemFile
{
    private const int MaxBytes = 1 << 20;
    private const int MaxCertificates = 1000;

    private const UnixFileMode Forbidden = UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>A file's bytes; null with a problem where it cannot be had.</summary>
    /// <param name="path">The file.</param>
    /// <param name="setting">The setting that names it.</param>
    /// <param name="isSecret">Whether other users must not be able to open it.</param>
    /// <param name="problems">Where problems go.</param>
    public static byte[]? Read(string path, string setting, bool isSecret, List<TlsProblem> problems)
    {
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (isSecret && (File.GetUnixFileMode(file.SafeFileHandle) & Forbidden) != UnixFileMode.None)
            {
                problems.Add(new TlsProblem(
                    setting, $"'{path}' is a secret that other users may open.", $"Run 'chmod 600 {path}'."));
                return null;
            }

            if (file.Length > MaxBytes)
            {
                problems.Add(new TlsProblem(
                    setting, $"'{path}' has {file.Length} bytes.", "Give a PEM file of at most 1 MiB."));
                return null;
            }

            byte[] bytes = new byte[(int)file.Length];
            int count = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return bytes[..count];
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            problems.Add(new TlsProblem(setting, $"The file '{path}' is not there.", "Give the path of a PEM file."));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add(new TlsProblem(
                setting, $"'{path}' cannot be read: {e.Message}", "Give the service's user the right to read it."));
        }

        return null;
    }

    /// <summary>The certificates in a file's bytes, in order; empty with a problem where there is none.</summary>
    public static X509Certificate2Collection ReadCertificates(
        byte[] bytes, string path, string setting, List<TlsProblem> problems)
    {
        X509Certificate2Collection found = [];
        string reason = "there is no 'BEGIN CERTIFICATE' in it";
        try
        {
            found.ImportFromPem(Encoding.UTF8.GetString(bytes));
            if (found.Count > MaxCertificates)
            {
                reason = $"it has {found.Count} certificates";
                found.Clear();
            }
        }
        catch (CryptographicException e)
        {
            reason = e.Message.TrimEnd('.');
        }

        if (found.Count == 0)
        {
            problems.Add(new TlsProblem(
                setting, $"'{path}' holds no certificates: {reason}.",
                "Give a PEM file ('-----BEGIN CERTIFICATE-----')."));
        }

        return found;
    }
}
