using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <summary>A folder that is or becomes a target.</summary>
internal sealed class DirectorySite(string directory, DirectoryTargetOptions? options = null) : ITargetSite
{
    private const int MaxBytes = 1 << 20;

    /// <inheritdoc/>
    public string Location { get; } = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));

    /// <inheritdoc/>
    public void Prepare() => Directory.CreateDirectory(Location);

    /// <inheritdoc/>
    public byte[]? TryRead(string name)
    {
        string path = Path.Combine(Location, name);
        using SafeFileHandle? file = DurableFile.TryOpen(
            path, write: false, create: false, exclusive: false, out int errno);
        if (file is null)
        {
            return errno is Errno.NoEntry or Errno.NotADirectory ? null
                : throw LinuxError.Create(errno, "open", path);
        }

        byte[] bytes = new byte[Math.Min(RandomAccess.GetLength(file), MaxBytes)];
        return bytes[..DurableFile.Read(file, path, bytes, 0)];
    }

    /// <inheritdoc/>
    public void Write(string name, ReadOnlySpan<byte> text, bool replace) =>
        DurableFile.WriteAtomically(Path.Combine(Location, name), text, replace);

    /// <inheritdoc/>
    public void Delete(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            _ = DurableFile.Unlink(Path.Combine(Location, name));
        }

        DurableFile.FlushDirectory(Location);
    }

    /// <inheritdoc/>
    public void CheckEmpty()
    {
        foreach (string path in Directory.EnumerateFileSystemEntries(Location))
        {
            string name = Path.GetFileName(path);
            if (name is not ("lost+found" or TargetRoster.FileName) && !name.EndsWith(".tmp", StringComparison.Ordinal))
            {
                throw new DataLayerException(ErrorCode.InvalidArgument,
                    $"'{Location}' is not empty and has no '{TargetIdentity.FileName}'. Give an empty folder, or "
                        + $"mount the target that belongs there.");
            }
        }
    }

    /// <inheritdoc/>
    public ITarget MakeTarget(TargetIdentity identity, PoolOptions pool) => new DirectoryTarget(
        identity, Location, (options ?? new DirectoryTargetOptions()) with { ReserveBytes = pool.ReserveBytes });

    public void Dispose()
    {
        // A folder holds nothing open.
    }
}
