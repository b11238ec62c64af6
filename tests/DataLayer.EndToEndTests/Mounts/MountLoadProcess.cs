using System.Diagnostics;
using System.Globalization;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Processes;

namespace DataLayer.EndToEndTests.Mounts;

/// <summary>
/// The clients of <c>mount-load</c> (tests/DataLayer.TestProcess) as a process of their own: write, rename, map, lock and verify in a
/// folder until told to stop.
/// </summary>
internal sealed class MountLoadProcess : IAsyncDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(2);
    private readonly Process _process;
    private readonly Task _output;
    private readonly Lock _lock = new();
    private readonly long[] _operations;
    private readonly List<string> _faults = [];
    private double _slowest;
    private string _total = "";
    private TaskCompletionSource _progress = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private MountLoadProcess(Process process, int clients)
    {
        _process = process;
        _operations = new long[clients];
        _output = Task.WhenAll(ReadAsync(process.StandardOutput), ReadErrorsAsync(process.StandardError));
    }

    /// <summary>Errors and wrong bytes so far, a line each.</summary>
    internal IReadOnlyList<string> Faults
    {
        get
        {
            lock (_lock)
            {
                return [.. _faults];
            }
        }
    }

    /// <summary>Operations that the clients have done, a multiple of 20 each.</summary>
    internal long Operations
    {
        get
        {
            lock (_lock)
            {
                return _operations.Sum();
            }
        }
    }

    /// <summary>Starts clients in a folder, which is there; at the end they write what the files must hold to a file elsewhere.</summary>
    internal static MountLoadProcess Start(string folder, int seed, int clients, string manifest)
    {
        var process = Command.Start(
            "dotnet",
            [
                BuiltProgram.Find("DataLayer.TestProcess", "DataLayer.TestProcess"), "mount-load", folder,
                seed.ToString(CultureInfo.InvariantCulture), clients.ToString(CultureInfo.InvariantCulture), manifest,
            ],
            environment: null);
        OrphanWatch.Add(process.Id);
        return new MountLoadProcess(process, clients);
    }

    /// <summary>Ends when so many more operations are done, or something is wrong.</summary>
    internal async Task WhenDoneAsync(long more)
    {
        var wanted = Operations + more;
        await WhenAsync(() => _operations.Sum() >= wanted);
    }

    /// <summary>Ends when every client has done some more, or something is wrong.</summary>
    internal async Task WhenAllWorkAsync()
    {
        long[] before;
        lock (_lock)
        {
            before = [.. _operations];
        }

        await WhenAsync(() => !_operations.Where((count, client) => count <= before[client]).Any());
    }

    /// <summary>The longest call since the last time this was asked, milliseconds; 0 where none took more than 50.</summary>
    internal double TakeSlowest()
    {
        lock (_lock)
        {
            var slowest = _slowest;
            _slowest = 0;
            return slowest;
        }
    }

    /// <summary>Lets the clients verify all they have, and returns the exit code and the last line.</summary>
    internal async Task<(int ExitCode, string Total)> StopAsync()
    {
        Signals.Send(_process.Id, Signals.Terminate);
        await _process.WaitForExitAsync().WaitAsync(_patience);
        await _output;
        return (_process.ExitCode, _total);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            Signals.Send(_process.Id, Signals.Kill);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
    }

    private async Task WhenAsync(Func<bool> condition)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            Task progress;
            lock (_lock)
            {
                if (_faults.Count > 0 || condition())
                {
                    return;
                }

                progress = _progress.Task;
            }

            await progress.WaitAsync(_patience - Stopwatch.GetElapsedTime(started));
        }
    }

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_lock)
            {
                Take(line, line.Split(' '));
                _progress.TrySetResult();
                _progress = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    private async Task ReadErrorsAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_lock)
            {
                _faults.Add(line);
            }
        }
    }

    private void Take(string line, string[] words)
    {
        switch (words[0])
        {
            case "beat":
                _operations[int.Parse(words[1], CultureInfo.InvariantCulture)] = long.Parse(words[2], CultureInfo.InvariantCulture);
                break;
            case "slow":
                _slowest = Math.Max(_slowest, double.Parse(words[1], CultureInfo.InvariantCulture));
                break;
            case "error" or "wrong":
                _faults.Add(line);
                break;
            case "total":
                _total = line;
                break;
        }
    }
}
