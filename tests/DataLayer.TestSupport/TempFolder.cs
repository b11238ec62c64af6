namespace DataLayer.TestSupport;

/// <summary>A new empty folder below the system's temp folder, removed with everything in it on dispose.</summary>
public sealed class TempFolder : IDisposable
{
    /// <summary>Makes the folder; <paramref name="purpose"/> is part of its name.</summary>
    public TempFolder(string purpose = "test") =>
        Path = Directory.CreateTempSubdirectory("datalayer-" + purpose + "-").FullName;

    /// <summary>The folder's absolute path.</summary>
    public string Path { get; }

    /// <summary>A path below the folder; nothing is created.</summary>
    public string Combine(params ReadOnlySpan<string> parts) => System.IO.Path.Combine([Path, .. parts]);

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // A test may remove its own folder.
        }
    }
}
