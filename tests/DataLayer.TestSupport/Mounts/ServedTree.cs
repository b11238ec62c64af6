using System.Diagnostics;
using DataLayer.TestSupport.Processes;

namespace DataLayer.TestSupport.Mounts;

/// <summary>A mounted tree that another process serves: this one may do with it whatever a client may, mapping included.</summary>
public sealed class ServedTree : IDisposable
{
    private readonly Process _process;

    /// <summary>Mounts a new, empty tree.</summary>
    public ServedTree()
    {
        _process = Process.Start(new ProcessStartInfo(
            "dotnet", [BuiltProgram.Find("DataLayer.TestProcess", "DataLayer.TestProcess"), "serve-tree"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        })!;
        OrphanWatch.Add(_process.Id);
        Path = ReadPath();
    }

    /// <summary>Where it is mounted.</summary>
    public string Path { get; private set; }

    /// <summary>Unmounts and mounts again, with an engine that has forgotten what memory held. Nothing may be open in it.</summary>
    public void Remount()
    {
        _process.StandardInput.WriteLine();
        _process.StandardInput.Flush();
        Path = ReadPath();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(30_000))
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
        MountTable.DetachBelow(Path);
    }

    private string ReadPath() =>
        _process.StandardOutput.ReadLine() is { } line && line.StartsWith("ready ", StringComparison.Ordinal)
            ? line["ready ".Length..]
            : throw new InvalidOperationException("The process that serves the tree ended.");
}
