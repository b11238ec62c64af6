using DataLayer.TestSupport.Processes;

namespace DataLayer.TestSupport.Mounts;

/// <summary>A folder bound over itself read-only: writes fail with EROFS until disposed. Processes started before see it too.</summary>
public sealed class ReadOnlyMount : IDisposable
{
    /// <summary>Binds a folder read-only at a place (the folder itself where none is given).</summary>
    public ReadOnlyMount(string folder, string? at = null)
    {
        Path = at ?? folder;
        Directory.CreateDirectory(Path);
        Command.Run("mount", "--bind", folder, Path);
        Command.Run("mount", "-o", "remount,bind,ro", Path);
    }

    /// <summary>Where it is mounted.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public void Dispose() => Command.TryRun("umount", "--lazy", Path);
}
