using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Server.Cli;

namespace DataLayer.Server.Mounts;

/// <summary>
/// A keeper's events, one line each, to standard error or a file. Not the service's logging: a keeper starts in a
/// fraction of a second and stays small.
/// </summary>
internal sealed class MountLog : ILogger, IDisposable
{
    private readonly TextWriter _lines;
    private readonly bool _owned;
    private readonly TimeProvider _time;
    private readonly Lock _writing = new();

    private MountLog(TextWriter lines, bool owned, TimeProvider time)
    {
        _lines = lines;
        _owned = owned;
        _time = time;
    }

    /// <summary>Opens the log.</summary>
    /// <param name="file">A file to append to, or empty for standard error.</param>
    /// <param name="environment">The world.</param>
    /// <exception cref="DataLayerException">TargetFailed: the file cannot be written.</exception>
    public static MountLog Open(string file, CliEnvironment environment)
    {
        if (file.Length == 0)
        {
            return new MountLog(environment.Error, owned: false, environment.Time);
        }

        try
        {
            FileStream stream = new(file, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, 1);
            return new MountLog(new StreamWriter(stream) { AutoFlush = true }, owned: true, environment.Time);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(
                ErrorCode.TargetFailed, $"The log '{file}' cannot be written: {e.Message} Give another with --log.", e);
        }
    }

    /// <summary>Writes a line.</summary>
    public void Say(string line)
    {
        lock (_writing)
        {
            _lines.WriteLine(
                _owned
                    ? $"{_time.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)} "
                        + $"[{Environment.ProcessId}] {line}"
                    : $"datalayer: {line}");
            _lines.Flush();
        }
    }

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel >= (_owned ? LogLevel.Information : LogLevel.Warning);

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
        {
            Say(formatter(state, exception) + (exception is null ? string.Empty : $": {exception}"));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_owned)
        {
            _lines.Dispose();
        }
    }
}
