namespace DataLayer.TestSupport;

/// <summary>Finds the checkout the tests run in, for scripts in <c>eng/</c> and documents in <c>docs/</c>.</summary>
public static class RepositoryRoot
{
    /// <summary>The folder that holds <c>DataLayer.sln</c>.</summary>
    public static string Path { get; } = Find();

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "DataLayer.sln")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} holds DataLayer.sln.");
    }
}
