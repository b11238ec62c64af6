using System.Diagnostics;
using System.Text;
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
    private readonly StringBuilder _log = new();
    private readonly Process _process;
    private readonly Task _output;

    private KeptMount(string path, Process process, TaskCompletionSource<string> mounted)
    {
        Path = path;
        _process = process;
        _output = Task.WhenAll(ReadAsync(process.StandardOutput, mounted), ReadAsync(process.StandardError, mounted));
    }

    /// <summary>Where it is mounted.</summary>
    public string Path { get; }

    /// <summary>The keeper's process id.</summary>
    public int ProcessId => _process.Id;

    /// <summary>Everything the keeper wrote.</summary>
    public string Log
    {
        get
        {
            lock (_log)
            {
                return _log.ToString();
            }
        }
    }

    /// <summary>Mounts a path of the tree at a folder, which is made; ends when it can be used.</summary>
    public static async Task<KeptMount> StartAsync(Uri server, string treePath, string at, params string[] more)
    {
        if (!MountTable.ListBelow(at).Contains(at))
        {
            Directory.CreateDirectory(at); // A dead mount there would fail it.
        }

        var process = Command.Start(
            "dotnet", [BuiltProgram.DataLayer, "mount", treePath, "--at", at, .. more], DataLayerProgram.Environment(server));
        OrphanWatch.Add(process.Id);
        var mounted = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var made = new KeptMount(at, process, mounted);
        if (await Task.WhenAny(mounted.Task, process.WaitForExitAsync()) == mounted.Task)
        {
            return made;
        }

        await made._output;
        await made.DisposeAsync();
        throw new InvalidOperationException($"The keeper ended with {process.ExitCode} before it had mounted:\n{made.Log}");
    }

    /// <summary>Sends a signal, waits for the keeper's end, and returns its exit code.</summary>
    public async Task<int> SignalAsync(int signal)
    {
        Signals.Send(_process.Id, signal);
        return await WaitForEndAsync();
    }

    /// <summary>Waits for the keeper's end and returns its exit code.</summary>
    public async Task<int> WaitForEndAsync()
    {
        await _process.WaitForExitAsync();
        await _output;
        return _process.ExitCode;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            Signals.Send(_process.Id, Signals.Kill);
        }

        MountTable.DetachBelow(Path);
        await WaitForEndAsync();
        _process.Dispose();
    }

    private async Task ReadAsync(StreamReader reader, TaskCompletionSource<string> mounted)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_log)
            {
                _log.AppendLine(line);
            }

            if (line.StartsWith("mounted ", StringComparison.Ordinal))
            {
                mounted.TrySetResult(line);
            }
        }
    }
}
