using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Objects;

/// <summary>
/// Stores that were added while the service ran, one file each in a folder only the service's user may enter, so that
/// they are there after a restart. A file holds keys in clear text, as every file a service reads its keys from does;
/// its mode is 0600. docs/FORMATS/stores.md.
/// </summary>
/// <param name="folder">The folder; made when it is needed.</param>
public sealed class DefinedStores(string folder)
{
    private const string Suffix = ".json";

    /// <summary>All that are kept. A file that is none is an error: its attachments could not be read.</summary>
    /// <exception cref="DataLayerException">Corrupt.</exception>
    public IReadOnlyList<ObjectStoreOptions> Load()
    {
        List<ObjectStoreOptions> stores = [];
        if (!Directory.Exists(folder))
        {
            return stores;
        }

        foreach (string file in Directory.GetFiles(folder, "*" + Suffix))
        {
            try
            {
                Entry? entry = JsonSerializer.Deserialize(File.ReadAllBytes(file), DefinedStoresJson.Default.Entry);
                stores.Add(entry?.ToOptions() ?? throw new JsonException("It is null."));
            }
            catch (JsonException e)
            {
                throw new DataLayerException(ErrorCode.Corrupt, $"'{file}' is not a store: {e.Message}", e);
            }
        }

        return stores;
    }

    /// <summary>Keeps a store; durable on return.</summary>
    public void Save(ObjectStoreOptions store)
    {
        ArgumentNullException.ThrowIfNull(store);
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(Entry.From(store), DefinedStoresJson.Default.Entry);
        DurableFile.WriteAtomically(PathOf(store.Name), json, replace: true);
    }

    /// <summary>Forgets a store with its keys.</summary>
    public void Remove(string name) => File.Delete(PathOf(name));

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

        public required string AccessKey { get; init; }

        public required string SecretKey { get; init; }

        public string? SessionToken { get; init; }

        public static Entry From(ObjectStoreOptions store) => new()
        {
            Name = store.Name,
            Endpoint = store.Endpoint,
            Region = store.Region,
            PathStyle = store.PathStyle,
            AccessKey = store.AccessKey ?? string.Empty,
            SecretKey = store.SecretKey ?? string.Empty,
            SessionToken = store.SessionToken,
        };

        public ObjectStoreOptions ToOptions() => new()
        {
            Name = Name,
            Kind = "s3",
            Endpoint = Endpoint,
            Region = Region,
            PathStyle = PathStyle,
            AccessKey = AccessKey,
            SecretKey = SecretKey,
            SessionToken = SessionToken,
        };
    }
}

/// <summary>The files' JSON.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(DefinedStores.Entry))]
internal sealed partial class DefinedStoresJson : JsonSerializerContext;
