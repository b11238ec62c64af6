using System.Diagnostics;
using DataLayer.TestSupport.Interop;

namespace DataLayer.TestSupport.Processes;

/// <summary>
/// A program that goes on until it is ended, and says on its output when it is ready; nothing is polled. It is watched over by
/// <see cref="OrphanWatch"/>, and all that it writes goes to a log.
/// </summary>
public sealed class ReadyProcess : IAsyncDisposable
{
    /// <summary>No program of ours takes longer to end in order; a signal that is ignored must not hang a run.</summary>
    private static readonly TimeSpan _longestEnd = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly ProcessLog _log;
    private readonly Func<string, bool> _isReady;
    private readonly TaskCompletionSource<string> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _output;

    private ReadyProcess(Process process, Func<string, bool> isReady, ProcessLog log)
    {
        _process = process;
        _log = log;
        _isReady = isReady;
        _output = Task.WhenAll(ReadAsync(process.StandardOutput), ReadAsync(process.StandardError));
    }

    /// <summary>Its process id.</summary>
    public int Id => _process.Id;

    /// <summary>Whether it runs.</summary>
    public bool IsRunning => !_process.HasExited;

    /// <summary>The line that said it was ready.</summary>
    public string ReadyLine => _ready.Task.Result;

    /// <summary>Starts a program and waits until it writes a line that says it is ready.</summary>
    /// <param name="what">What it is, for the error's text.</param>
    /// <param name="commandLine">The program and its arguments.</param>
    /// <param name="environment">Variables beside those of this process.</param>
    /// <param name="isReady">Whether a line says that it is ready.</param>
    /// <param name="log">Where its lines go, of both outputs.</param>
    /// <exception cref="InvalidOperationException">It ended before.</exception>
    public static async Task<ReadyProcess> StartAsync(
        string what,
        IReadOnlyList<string> commandLine,
        IReadOnlyDictionary<string, string>? environment,
        Func<string, bool> isReady,
        ProcessLog log)
    {
        var process = Command.Start(commandLine[0], [.. commandLine.Skip(1)], environment);
        OrphanWatch.Add(process.Id);
        var started = new ReadyProcess(process, isReady, log);
        var ended = process.WaitForExitAsync();
        if (await Task.WhenAny(started._ready.Task, ended) != ended)
        {
            return started;
        }

        var code = await started.WaitForEndAsync();
        await started.DisposeAsync();
        throw new InvalidOperationException($"{what} ended with {code} before it was ready:\n{log}");
    }

    /// <summary>Waits for its end and its last line, and returns its exit code; what does not end is killed.</summary>
    /// <exception cref="TimeoutException">It did not end within two minutes; its lines follow.</exception>
    public async Task<int> WaitForEndAsync()
    {
        try
        {
            await _process.WaitForExitAsync().WaitAsync(_longestEnd);
        }
        catch (TimeoutException e)
        {
            Signals.Send(Id, Signals.Kill);
            throw new TimeoutException($"Process {Id} did not end within {_longestEnd}; it was killed. It wrote:\n{_log}", e);
        }

        await _output;
        return _process.ExitCode;
    }

    /// <summary>Ends it between two instructions where it still runs, and waits until it is gone.</summary>
    public async ValueTask DisposeAsync()
    {
        if (IsRunning)
        {
            Signals.Send(Id, Signals.Kill);
        }

        await WaitForEndAsync();
        _process.Dispose();
    }

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            _log.Add(line);
            if (_isReady(line))
            {
                _ready.TrySetResult(line);
            }
        }
    }
}
