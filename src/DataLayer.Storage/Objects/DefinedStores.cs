using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Objects;

/// <summary>
/// Stores that were added while the service ran, one file each in a folder only the service's user may enter, so that
/// they are there after a restart. Their keys are sealed (<see cref="CredentialSeal"/>), bound to the store's name and
/// endpoint. docs/FORMATS/stores.md.
/// </summary>
/// <param name="folder">The folder; made when it is needed.</param>
/// <param name="seal">Seals the keys.</param>
public sealed class DefinedStores(string folder, CredentialSeal seal)
{
    /// <summary>The folder's name in the state folder.</summary>
    public const string FolderName = "stores";

    private const string Suffix = ".json";

    /// <summary>
    /// All that are kept. A file that is none is an error: its attachments could not be read. Keys that stand in clear
    /// text, from before they were sealed, are sealed now.
    /// </summary>
    /// <exception cref="DataLayerException">Corrupt: a file, or the key file. PermissionDenied: others may read the key
    /// file.</exception>
    public IReadOnlyList<ObjectStoreOptions> Load()
    {
        List<ObjectStoreOptions> stores = [];
        foreach (string file in Files())
        {
            Entry entry = Read(file);
            ObjectStoreOptions store = entry.ToOptions(seal, file);
            if (entry.Sealed is null)
            {
                Save(store);
            }

            stores.Add(store);
        }

        return stores;
    }

    /// <summary>Keeps a store; durable on return.</summary>
    /// <exception cref="DataLayerException">Overloaded: keys are being changed just now. Corrupt or PermissionDenied:
    /// the key file.</exception>
    public void Save(ObjectStoreOptions store)
    {
        ArgumentNullException.ThrowIfNull(store);
        using IDisposable turn = seal.Lock();
        SaveLocked(store);
    }

    /// <summary>Forgets a store with its keys.</summary>
    public void Remove(string name) => File.Delete(PathOf(name));

    /// <summary>
    /// Seals all keys anew under a new key and forgets the old ones. Where it is interrupted, both keys are there, and
    /// everything opens; the next one ends it. A running service need not stop.
    /// </summary>
    /// <returns>
    /// How many stores there are, and how many old keys are left because keys of encrypted datasets are sealed under
    /// them: the next start of the service seals those anew and forgets the old keys. Counts.
    /// </returns>
    /// <exception cref="DataLayerException">As <see cref="Load"/>; nothing is lost then.</exception>
    public (int StoreCount, int LeftKeyCount) Rekey()
    {
        using IDisposable turn = seal.Lock();
        List<ObjectStoreOptions> stores = [];
        foreach (string file in Files())
        {
            stores.Add(Read(file).ToOptions(seal, file));
        }

        seal.AddKey();
        foreach (ObjectStoreOptions store in stores)
        {
            SaveLocked(store);
        }

        return (stores.Count, seal.DropOldKeys());
    }

    /// <summary>Whether a name can be a file's.</summary>
    public static bool IsName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Length is 0 or > 200 || name[0] == '.')
        {
            return false;
        }

        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.'))
            {
                return false;
            }
        }

        return true;
    }

    private static Entry Read(string file)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(file), DefinedStoresJson.Default.Entry)
                ?? throw new JsonException("It is null.");
        }
        catch (JsonException e)
        {
            throw new DataLayerException(ErrorCode.Corrupt, $"'{file}' is not a store: {e.Message}", e);
        }
    }

    private string[] Files() => Directory.Exists(folder) ? Directory.GetFiles(folder, "*" + Suffix) : [];

    private void SaveLocked(ObjectStoreOptions store)
    {
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(Entry.From(store, seal), DefinedStoresJson.Default.Entry);
        DurableFile.WriteAtomically(PathOf(store.Name), json, replace: true);
    }

    private string PathOf(string name) => IsName(name)
        ? Path.Combine(folder, name + Suffix)
        : throw new DataLayerException(
            ErrorCode.InvalidArgument, $"'{name}' is not a store's name: letters, digits, '-', '_', '.', at most 200.");

    internal sealed record Entry
    {
        public required string Name { get; init; }

        public string? Endpoint { get; init; }

        public required string Region { get; init; }

        public bool PathStyle { get; init; }

        /// <summary>The keys, sealed, in base64; null in a file from before.</summary>
        public string? Sealed { get; init; }

        public string? AccessKey { get; init; }

        public string? SecretKey { get; init; }

        public string? SessionToken { get; init; }

        public static Entry From(ObjectStoreOptions store, CredentialSeal seal)
        {
            Keys keys = new()
            {
                AccessKey = store.AccessKey ?? string.Empty,
                SecretKey = store.SecretKey ?? string.Empty,
                SessionToken = store.SessionToken,
            };
            Entry entry = new()
            {
                Name = store.Name,
                Endpoint = store.Endpoint,
                Region = store.Region,
                PathStyle = store.PathStyle,
            };
            byte[] secret = JsonSerializer.SerializeToUtf8Bytes(keys, DefinedStoresJson.Default.Keys);
            byte[] made = seal.Seal(secret, entry.About());
            CryptographicOperations.ZeroMemory(secret);
            return entry with { Sealed = Convert.ToBase64String(made) };
        }

        public ObjectStoreOptions ToOptions(CredentialSeal seal, string file)
        {
            Keys keys = Sealed is null
                ? new Keys { AccessKey = AccessKey ?? "", SecretKey = SecretKey ?? "", SessionToken = SessionToken }
                : OpenKeys(seal, file);
            return new ObjectStoreOptions
            {
                Name = Name,
                Kind = "s3",
                Endpoint = Endpoint,
                Region = Region,
                PathStyle = PathStyle,
                AccessKey = keys.AccessKey,
                SecretKey = keys.SecretKey,
                SessionToken = keys.SessionToken,
            };
        }

        private Keys OpenKeys(CredentialSeal seal, string file)
        {
            byte[] made = new byte[Sealed!.Length];
            if (!Convert.TryFromBase64String(Sealed, made, out int count))
            {
                throw new DataLayerException(ErrorCode.Corrupt, $"'{file}' is not a store: its keys are no base64.");
            }

            byte[] secret = seal.Open(made.AsSpan(0, count), About(), $"'{file}'");
            try
            {
                return JsonSerializer.Deserialize(secret, DefinedStoresJson.Default.Keys)
                    ?? throw new JsonException("They are null.");
            }
            catch (JsonException e)
            {
                throw new DataLayerException(ErrorCode.Corrupt, $"'{file}' has no keys: {e.Message}", e);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(secret);
            }
        }

        /// <summary>What the keys are for: whoever changes the endpoint in the file gets no request signed.</summary>
        private byte[] About() => Encoding.UTF8.GetBytes(string.Create(
            CultureInfo.InvariantCulture, $"datalayer-store/1\n{Name}\n{Endpoint}\n{Region}\n{PathStyle}"));
    }

    internal sealed record Keys
    {
        public required string AccessKey { get; init; }

        public required string SecretKey { get; init; }

        public string? SessionToken { get; init; }
    }
}

/// <summary>The files' JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DefinedStores.Entry))]
[JsonSerializable(typeof(DefinedStores.Keys))]
internal sealed partial class DefinedStoresJson : JsonSerializerContext;
