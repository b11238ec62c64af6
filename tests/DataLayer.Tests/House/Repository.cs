namespace DataLayer.Tests.House;

/// <summary>Finds the checkout the tests were built from and its source files.</summary>
internal static class Repository
{
    private static readonly string[] _skipped = ["artifacts", ".git", "node_modules", "bin", "obj", "TestResults"];

    public static string Root { get; } = FindRoot();

    public static IEnumerable<string> Files(string pattern, params string[] folders)
    {
        foreach (string folder in folders.Length == 0 ? ["."] : folders)
        {
            string start = Path.Combine(Root, folder);
            foreach (string file in Directory.Exists(start) ? Walk(start, pattern) : [])
            {
                yield return file;
            }
        }
    }

    public static string Relative(string file) => Path.GetRelativePath(Root, file).Replace('\\', '/');

    private static IEnumerable<string> Walk(string folder, string pattern)
    {
        foreach (string file in Directory.EnumerateFiles(folder, pattern))
        {
            yield return file;
        }

        foreach (string below in Directory.EnumerateDirectories(folder))
        {
            if (!_skipped.Contains(Path.GetFileName(below)))
            {
                foreach (string file in Walk(below, pattern))
                {
                    yield return file;
                }
            }
        }
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DataLayer.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"No DataLayer.sln above {AppContext.BaseDirectory}.");
    }
}
