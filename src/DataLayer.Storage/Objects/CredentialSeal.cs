using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Objects;

/// <summary>
/// Seals credentials for the disk with AES-256-GCM under a key of a key file, bound to what they are for: sealed bytes
/// that somebody moves to another store or endpoint do not open. docs/FORMATS/stores.md.
/// </summary>
/// <remarks>
/// The key file (mode 0600) has a line a key, the newest first; with the first one is sealed, with each is opened. It
/// is made when the first credentials are kept. It is read for every use: a change of keys needs no restart. Who
/// changes it, or seals, holds the lock beside it.
/// </remarks>
/// <param name="keyFile">The key file.</param>
public sealed class CredentialSeal(string keyFile)
{
    private const string LinePrefix = "datalayer-key/1 ";
    private const int KeyBytes = 32;
    private const int IdBytes = 4;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const byte Version = 1;
    private const int HeadBytes = 1 + IdBytes + NonceBytes + TagBytes;
    private const int MaxFileBytes = 64 << 10;
    private const UnixFileMode Forbidden = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>Where the keys are.</summary>
    public string KeyFile => keyFile;

    /// <summary>Waits for its turn to seal or to change keys; dispose gives it back.</summary>
    /// <exception cref="DataLayerException">Overloaded: another process has it.</exception>
    internal IDisposable Lock()
    {
        Directory.CreateDirectory(
            Path.GetDirectoryName(keyFile) ?? "/",
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        try
        {
            return new FileStream(keyFile + ".lock", new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }
        catch (IOException e)
        {
            throw new DataLayerException(
                ErrorCode.Overloaded,
                $"'{keyFile}' cannot be locked: {e.Message} Try again when the other is done.", e);
        }
    }

    /// <summary>Seals under the newest key, which is made where there is none. The caller holds the lock.</summary>
    /// <param name="secret">What nobody is to read.</param>
    /// <param name="about">What it is for; has to be the same when it is opened.</param>
    internal byte[] Seal(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> about)
    {
        List<byte[]> keys = ReadKeys();
        if (keys.Count == 0)
        {
            keys.Add(RandomNumberGenerator.GetBytes(KeyBytes));
            WriteKeys(keys);
        }

        byte[] made = new byte[HeadBytes + secret.Length];
        made[0] = Version;
        IdOf(keys[0]).CopyTo(made.AsSpan(1));
        Span<byte> nonce = made.AsSpan(1 + IdBytes, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using AesGcm cipher = new(keys[0], TagBytes);
        cipher.Encrypt(
            nonce, secret, made.AsSpan(HeadBytes), made.AsSpan(1 + IdBytes + NonceBytes, TagBytes), about);
        Forget(keys);
        return made;
    }

    /// <summary>Opens what was sealed.</summary>
    /// <exception cref="DataLayerException">Corrupt: no key of the file opens it, or it was changed or is of something
    /// else.</exception>
    internal byte[] Open(ReadOnlySpan<byte> made, ReadOnlySpan<byte> about, string what)
    {
        if (made.Length < HeadBytes || made[0] != Version)
        {
            throw new DataLayerException(ErrorCode.Corrupt, $"What {what} keeps sealed is damaged.");
        }

        List<byte[]> keys = ReadKeys();
        try
        {
            foreach (byte[] key in keys)
            {
                if (!IdOf(key).SequenceEqual(made.Slice(1, IdBytes)))
                {
                    continue;
                }

                byte[] secret = new byte[made.Length - HeadBytes];
                using AesGcm cipher = new(key, TagBytes);
                cipher.Decrypt(
                    made.Slice(1 + IdBytes, NonceBytes), made[HeadBytes..],
                    made.Slice(1 + IdBytes + NonceBytes, TagBytes), secret, about);
                return secret;
            }
        }
        catch (AuthenticationTagMismatchException e)
        {
            throw new DataLayerException(
                ErrorCode.Corrupt, $"What {what} keeps sealed was changed, or is of another store: restore it.", e);
        }
        finally
        {
            Forget(keys);
        }

        throw new DataLayerException(
            ErrorCode.Corrupt,
            $"What {what} keeps sealed is of a key that '{keyFile}' does not hold: restore that file, or remove {what} "
            + "and define the store again.");
    }

    /// <summary>Puts a new key before the others. The caller holds the lock.</summary>
    internal void AddKey()
    {
        List<byte[]> keys = ReadKeys();
        keys.Insert(0, RandomNumberGenerator.GetBytes(KeyBytes));
        WriteKeys(keys);
        Forget(keys);
    }

    /// <summary>Forgets all keys but the newest. The caller holds the lock, and nothing is sealed under them.</summary>
    internal void DropOldKeys()
    {
        List<byte[]> keys = ReadKeys();
        if (keys.Count > 1)
        {
            WriteKeys(keys.GetRange(0, 1));
        }

        Forget(keys);
    }

    private static byte[] IdOf(byte[] key) => SHA256.HashData(key)[..IdBytes];

    private static void Forget(List<byte[]> keys)
    {
        foreach (byte[] key in keys)
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private List<byte[]> ReadKeys()
    {
        List<byte[]> keys = [];
        try
        {
            using FileStream file = new(
                keyFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if ((File.GetUnixFileMode(file.SafeFileHandle) & Forbidden) != UnixFileMode.None)
            {
                throw new DataLayerException(
                    ErrorCode.PermissionDenied, $"'{keyFile}' is open to other users: run 'chmod 600 {keyFile}'.");
            }

            if (file.Length > MaxFileBytes)
            {
                throw Bad("it is too long");
            }

            using StreamReader reader = new(file, Encoding.ASCII);
            while (reader.ReadLine() is { } line)
            {
                if (line.Length > 0)
                {
                    keys.Add(KeyOf(line));
                }
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return keys;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                ErrorCode.PermissionDenied,
                $"'{keyFile}' cannot be read: {e.Message} Give the service's user access to it.", e);
        }

        return keys.Count > 0 ? keys : throw Bad("it is empty");
    }

    private byte[] KeyOf(string line)
    {
        byte[] key = new byte[KeyBytes];
        return line.StartsWith(LinePrefix, StringComparison.Ordinal)
            && Convert.TryFromBase64String(line[LinePrefix.Length..].Trim(), key, out int count) && count == KeyBytes
                ? key
                : throw Bad("a line of it is no key");
    }

    private DataLayerException Bad(string why) => new(
        ErrorCode.Corrupt, $"'{keyFile}' is not a key file: {why}. Restore it.");

    private void WriteKeys(List<byte[]> keys)
    {
        StringBuilder text = new();
        foreach (byte[] key in keys)
        {
            text.Append(CultureInfo.InvariantCulture, $"{LinePrefix}{Convert.ToBase64String(key)}\n");
        }

        byte[] bytes = Encoding.ASCII.GetBytes(text.ToString());
        DurableFile.WriteAtomically(keyFile, bytes, replace: true);
        CryptographicOperations.ZeroMemory(bytes);
    }
}
