using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Service;

namespace DataLayer.TestSupport.Mounts;

/// <summary>
/// A mount as a user makes it: <c>datalayer mount</c> as a process of its own against a running service. Disposed, the process is
/// killed and the mount detached, whatever state it is in.
/// </summary>
public sealed class KeptMount : IAsyncDisposable
{
    private readonly ReadyProcess _process;
    private readonly ProcessLog _log;

    private KeptMount(string path, ReadyProcess process, ProcessLog log)
    {
        Path = path;
        _process = process;
        _log = log;
    }

    /// <summary>Where it is mounted.</summary>
    public string Path { get; }

    /// <summary>The keeper's process id.</summary>
    public int ProcessId => _process.Id;

    /// <summary>Everything the keeper wrote.</summary>
    public string Log => _log.ToString();

    /// <summary>Mounts a path of the tree at a folder, which is made; ends when it can be used.</summary>
    public static async Task<KeptMount> StartAsync(Uri server, string treePath, string at, params string[] more)
    {
        if (!MountTable.ListBelow(at).Contains(at))
        {
            Directory.CreateDirectory(at); // A dead mount there would fail it.
        }

        ProcessLog log = new();
        try
        {
            var process = await ReadyProcess.StartAsync(
                "The keeper",
                ["dotnet", BuiltProgram.DataLayer, "mount", treePath, "--at", at, .. more],
                DataLayerProgram.Environment(server),
                line => line.StartsWith("mounted ", StringComparison.Ordinal),
                log);
            return new KeptMount(at, process, log);
        }
        catch
        {
            MountTable.DetachBelow(at);
            throw;
        }
    }

    /// <summary>Sends a signal, waits for the keeper's end, and returns its exit code.</summary>
    public async Task<int> SignalAsync(int signal)
    {
        Signals.Send(_process.Id, signal);
        return await WaitForEndAsync();
    }

    /// <summary>Waits for the keeper's end and returns its exit code.</summary>
    public Task<int> WaitForEndAsync() => _process.WaitForEndAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_process.IsRunning)
        {
            Signals.Send(_process.Id, Signals.Kill);
        }

        MountTable.DetachBelow(Path);
        await _process.DisposeAsync();
    }
}
