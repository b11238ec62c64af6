namespace DataLayer.TestSupport;

/// <summary>Finds programs as the build left them, in the configuration the tests themselves were built in.</summary>
public static class BuiltProgram
{
    /// <summary>How the tests were built, in lower case: <c>debug</c> or <c>release</c>.</summary>
    public static string Configuration { get; } = System.IO.Path.GetFileName(AppContext.BaseDirectory.TrimEnd('/'));

    /// <summary>The <c>datalayer</c> program's assembly, to be run with <c>dotnet</c>.</summary>
    public static string DataLayer => Find("DataLayer.Server", "datalayer");

    /// <summary>The path of an assembly in its own project's output.</summary>
    public static string Find(string project, string assembly) =>
        System.IO.Path.Combine(RepositoryRoot.Path, "artifacts", "bin", project, Configuration, assembly + ".dll");
}
