using System.Globalization;
using DataLayer.TestSupport.Mounts;

namespace DataLayer.TestSupport;

/// <summary>
/// A folder of its own for one test, deleted on dispose. All of a test process's folders lie under one root that carries the process
/// id, and the first use sweeps roots whose process has gone, with whatever is still mounted below them: a test run that was
/// killed leaves nothing behind for long.
/// </summary>
public sealed class TempFolder : IDisposable
{
    private const string RootName = "datalayer-tests";
    private static readonly Lazy<string> _root = new(MakeRoot);
    private static int _next;

    /// <summary>Makes an empty folder whose name starts with <paramref name="purpose"/>.</summary>
    public TempFolder(string purpose = "test")
    {
        var number = Interlocked.Increment(ref _next).ToString(CultureInfo.InvariantCulture);
        Path = System.IO.Path.Combine(_root.Value, $"{purpose}-{number}");
        Directory.CreateDirectory(Path);
    }

    /// <summary>The folder's absolute path.</summary>
    public string Path { get; }

    /// <summary>The path of something in the folder; nothing is made.</summary>
    public string Combine(params ReadOnlySpan<string> names) => System.IO.Path.Combine([Path, .. names]);

    /// <summary>Makes a folder in the folder and returns its path.</summary>
    public string MakeFolder(string name) => Directory.CreateDirectory(Combine(name)).FullName;

    /// <summary>Unmounts what is left mounted below, then deletes everything.</summary>
    public void Dispose()
    {
        MountTable.DetachBelow(Path);
        DeleteTree(Path);
    }

    private static string MakeRoot()
    {
        var parent = System.IO.Path.Combine(System.IO.Path.GetTempPath(), RootName);
        Directory.CreateDirectory(parent);
        foreach (var root in Directory.GetDirectories(parent))
        {
            if (int.TryParse(System.IO.Path.GetFileName(root), CultureInfo.InvariantCulture, out var owner) && !Directory.Exists($"/proc/{owner}"))
            {
                MountTable.DetachBelow(root);
                DeleteTree(root);
            }
        }

        var own = System.IO.Path.Combine(parent, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        Directory.CreateDirectory(own);
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            MountTable.DetachBelow(own);
            DeleteTree(own);
        };
        return own;
    }

    private static void DeleteTree(string path)
    {
        try
        {
            if (Directory.Exists(path))
            {
                Directory.Delete(path, recursive: true);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A process that still writes there must not fail the test that is over; the next run's sweep gets it.
        }
    }
}
