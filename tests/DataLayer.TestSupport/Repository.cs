namespace DataLayer.TestSupport;

/// <summary>Finds files of the repository and of the build from where the tests run (<c>artifacts/bin/PROJECT/CONFIGURATION</c>).</summary>
public static class Repository
{
    /// <summary>The repository's top folder: the nearest one above the tests that holds the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>How the tests were built, in lower case: <c>debug</c> or <c>release</c>.</summary>
    public static string Configuration { get; } = Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/'));

    /// <summary>The path of something in the repository.</summary>
    public static string Combine(params string[] names) => Path.Combine([Root, .. names]);

    /// <summary>The path of an assembly as the build left it in its own project's output.</summary>
    public static string BuiltAssembly(string project, string assembly) =>
        Combine("artifacts", "bin", project, Configuration, assembly + ".dll");

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DataLayer.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"No DataLayer.sln above {AppContext.BaseDirectory}.");
    }
}
