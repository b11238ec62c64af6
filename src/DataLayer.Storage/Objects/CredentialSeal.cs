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
/// changes it, or seals, holds the lock beside it. A line that ends in <c> datasets</c> has keys of encrypted datasets
/// under it, which lie in the metadata: it is kept (as <c> datasets-only</c> when nothing else is under it) until the
/// service has sealed those anew.
/// </remarks>
/// <param name="keyFile">The key file.</param>
public sealed class CredentialSeal(string keyFile)
{
    private const string LinePrefix = "datalayer-key/1 ";
    private const string DatasetMark = " datasets";
    private const string OnlyMark = " datasets-only";
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
        catch (UnauthorizedAccessException e)
        {
            throw new DataLayerException(
                ErrorCode.PermissionDenied,
                $"'{keyFile}' cannot be changed: {e.Message} Give the service's user access to its folder.", e);
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
    /// <param name="isOfDataset">Whether it is the key of an encrypted dataset, kept in the metadata.</param>
    internal byte[] Seal(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> about, bool isOfDataset = false)
    {
        List<Line> keys = ReadKeys();
        bool isNew = keys.Count == 0;
        if (isNew)
        {
            keys.Add(new Line(RandomNumberGenerator.GetBytes(KeyBytes), KeyUse.Any));
        }

        bool isFirstOfDatasets = isOfDataset && keys[0].Use == KeyUse.Any;
        if (isFirstOfDatasets)
        {
            keys[0] = keys[0] with { Use = KeyUse.Datasets };
        }

        if (isNew || isFirstOfDatasets)
        {
            WriteKeys(keys); // Durable before anything is sealed under it.
        }

        byte[] made = new byte[HeadBytes + secret.Length];
        made[0] = Version;
        IdOf(keys[0].Key).CopyTo(made.AsSpan(1));
        Span<byte> nonce = made.AsSpan(1 + IdBytes, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using AesGcm cipher = new(keys[0].Key, TagBytes);
        cipher.Encrypt(
            nonce, secret, made.AsSpan(HeadBytes), made.AsSpan(1 + IdBytes + NonceBytes, TagBytes), about);
        Forget(keys);
        return made;
    }

    /// <summary>Opens what was sealed.</summary>
    /// <exception cref="DataLayerException">Corrupt: no key of the file opens it, or it was changed or is of something
    /// else.</exception>
    internal byte[] Open(ReadOnlySpan<byte> made, ReadOnlySpan<byte> about, string what) => Open(
        made, about, what, $"restore that file, or remove {what} and define the store again.");

    /// <summary>As the other, with what is to be done where no key opens it.</summary>
    internal byte[] Open(ReadOnlySpan<byte> made, ReadOnlySpan<byte> about, string what, string remedy)
    {
        if (made.Length < HeadBytes || made[0] != Version)
        {
            throw new DataLayerException(ErrorCode.Corrupt, $"What {what} keeps sealed is damaged.");
        }

        List<Line> keys = ReadKeys();
        try
        {
            foreach ((byte[] key, _) in keys)
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
                ErrorCode.Corrupt, $"What {what} keeps sealed was changed, or is of something else: restore it.", e);
        }
        finally
        {
            Forget(keys);
        }

        throw new DataLayerException(
            ErrorCode.Corrupt,
            $"What {what} keeps sealed is of a key that '{keyFile}' does not hold: {remedy}");
    }

    /// <summary>Whether an older key is kept for the sake of datasets.</summary>
    internal bool HasOldDatasetKeys()
    {
        List<Line> keys = ReadKeys();
        bool has = keys.FindLastIndex(static line => line.Use != KeyUse.Any) > 0;
        Forget(keys);
        return has;
    }

    /// <summary>Whether something is sealed under the newest key.</summary>
    internal bool IsNewest(ReadOnlySpan<byte> made)
    {
        List<Line> keys = ReadKeys();
        bool isNewest = keys.Count > 0 && made.Length >= HeadBytes
            && IdOf(keys[0].Key).SequenceEqual(made.Slice(1, IdBytes));
        Forget(keys);
        return isNewest;
    }

    /// <summary>Puts a new key before the others. The caller holds the lock.</summary>
    internal void AddKey()
    {
        List<Line> keys = ReadKeys();
        keys.Insert(0, new Line(RandomNumberGenerator.GetBytes(KeyBytes), KeyUse.Any));
        WriteKeys(keys);
        Forget(keys);
    }

    /// <summary>
    /// Forgets all keys but the newest, and those that datasets' keys are sealed under. The caller holds the lock, and
    /// nothing else is sealed under them.
    /// </summary>
    /// <returns>How many older ones are left, a count.</returns>
    internal int DropOldKeys() => Drop(static use => use == KeyUse.Any ? null : KeyUse.DatasetsOnly);

    /// <summary>
    /// Forgets the older keys that only datasets' keys were sealed under. The caller holds the lock, and has sealed all
    /// of them anew. One that stores may be under, because a change of keys was interrupted, waits for the next.
    /// </summary>
    internal void DropOldDatasetKeys() =>
        _ = Drop(static use => use == KeyUse.DatasetsOnly ? null : KeyUse.Any);

    /// <summary>Drops the older keys that get no use from now on.</summary>
    private int Drop(Func<KeyUse, KeyUse?> useOf)
    {
        List<Line> keys = ReadKeys();
        List<Line> left = [];
        bool isChanged = false;
        for (int i = 0; i < keys.Count; i++)
        {
            KeyUse? use = i == 0 ? keys[i].Use : useOf(keys[i].Use);
            isChanged |= use != keys[i].Use;
            if (use is { } kept)
            {
                left.Add(keys[i] with { Use = kept });
            }
        }

        if (isChanged)
        {
            WriteKeys(left);
        }

        Forget(keys);
        return Math.Max(0, left.Count - 1);
    }

    private static byte[] IdOf(byte[] key) => SHA256.HashData(key)[..IdBytes];

    private static void Forget(List<Line> keys)
    {
        foreach ((byte[] key, _) in keys)
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private List<Line> ReadKeys()
    {
        List<Line> keys = [];
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

    private Line KeyOf(string line)
    {
        byte[] key = new byte[KeyBytes];
        KeyUse use = line.EndsWith(OnlyMark, StringComparison.Ordinal) ? KeyUse.DatasetsOnly
            : line.EndsWith(DatasetMark, StringComparison.Ordinal) ? KeyUse.Datasets : KeyUse.Any;
        string text = line[..^MarkOf(use).Length];
        return text.StartsWith(LinePrefix, StringComparison.Ordinal)
            && Convert.TryFromBase64String(text[LinePrefix.Length..].Trim(), key, out int count) && count == KeyBytes
                ? new Line(key, use)
                : throw Bad("a line of it is no key");
    }

    private DataLayerException Bad(string why) => new(
        ErrorCode.Corrupt, $"'{keyFile}' is not a key file: {why}. Restore it.");

    private void WriteKeys(List<Line> keys)
    {
        StringBuilder text = new();
        foreach ((byte[] key, KeyUse use) in keys)
        {
            text.Append(
                CultureInfo.InvariantCulture, $"{LinePrefix}{Convert.ToBase64String(key)}{MarkOf(use)}\n");
        }

        byte[] bytes = Encoding.ASCII.GetBytes(text.ToString());
        DurableFile.WriteAtomically(keyFile, bytes, replace: true);
        CryptographicOperations.ZeroMemory(bytes);
    }

    private static string MarkOf(KeyUse use) => use switch
    {
        KeyUse.Datasets => DatasetMark,
        KeyUse.DatasetsOnly => OnlyMark,
        _ => string.Empty,
    };

    private enum KeyUse
    {
        Any,
        Datasets,
        DatasetsOnly,
    }

    private readonly record struct Line(byte[] Key, KeyUse Use);
}
