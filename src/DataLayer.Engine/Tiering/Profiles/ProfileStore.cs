using DataLayer.Core.Errors;
using DataLayer.Core.Text;
using DataLayer.Storage.Interop;

namespace DataLayer.Engine.Tiering.Profiles;

/// <summary>The profiles that are kept: a file each in a folder, written whole and durably or not at all.</summary>
/// <param name="folder">The folder, made when it is needed; null where the engine keeps nothing.</param>
internal sealed class ProfileStore(string? folder)
{
    private const string Suffix = ".dlprofile";

    /// <summary>The names, in order.</summary>
    public List<string> List()
    {
        List<string> names = [];
        if (folder is not null && Directory.Exists(folder))
        {
            foreach (string file in Directory.EnumerateFiles(folder, "*" + Suffix))
            {
                string name = Path.GetFileName(file)[..^Suffix.Length];
                if (PlainName.IsValid(name))
                {
                    names.Add(name);
                }
            }
        }

        names.Sort(StringComparer.Ordinal);
        return names;
    }

    /// <summary>Whether there is one.</summary>
    public bool Exists(string name) => File.Exists(PathOf(name));

    /// <summary>Reads one as it is stored.</summary>
    /// <exception cref="DataLayerException">NotFound; InvalidArgument: not a name.</exception>
    public async ValueTask<byte[]> ReadBytesAsync(string name, CancellationToken cancellationToken)
    {
        string file = PathOf(name);
        try
        {
            return await File.ReadAllBytesAsync(file, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw Missing(name);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                ErrorCode.TargetFailed, $"Profile '{name}' cannot be read: {error.Message}", error);
        }
    }

    /// <summary>Reads one.</summary>
    /// <exception cref="DataLayerException">NotFound; InvalidArgument: not a name, or damaged.</exception>
    public async ValueTask<AccessProfile> ReadAsync(string name, CancellationToken cancellationToken) =>
        ProfileFormat.Read(await ReadBytesAsync(name, cancellationToken).ConfigureAwait(false));

    /// <summary>Keeps one, in place of one of that name; durable on return.</summary>
    public void Save(string name, byte[] bytes)
    {
        string file = PathOf(name);
        Directory.CreateDirectory(folder!);
        WholeFile.Write(file, bytes);
    }

    /// <summary>Forgets one.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public void Remove(string name)
    {
        string file = PathOf(name);
        if (!File.Exists(file))
        {
            throw Missing(name);
        }

        File.Delete(file);
    }

    /// <summary>Checks a name.</summary>
    /// <exception cref="DataLayerException">
    /// InvalidArgument: not a name. NotSupported: the engine has no folder to keep profiles in.
    /// </exception>
    public void Check(string name) => _ = PathOf(name);

    private static DataLayerException Missing(string name) => new(
        ErrorCode.NotFound, $"There is no profile '{name}': 'datalayer profile list' names them.");

    private string PathOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (!PlainName.IsValid(name))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"'{name}' is not a profile's name: {PlainName.Rule}.");
        }

        return folder is null
            ? throw new DataLayerException(
                ErrorCode.NotSupported, "Profiles are kept in the state folder, and there is none.")
            : Path.Combine(folder, name + Suffix);
    }
}
