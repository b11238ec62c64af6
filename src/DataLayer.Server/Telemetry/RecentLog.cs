using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace DataLayer.Server.Telemetry;

/// <summary>
/// The last lines of the service's log, kept in memory for whoever looks into a fault: at most 2,000 lines of at most
/// 2,000 characters. What the log's level leaves out is not in it. Safe for concurrent use.
/// </summary>
internal sealed class RecentLog(TimeProvider time) : ILoggerProvider
{
    /// <summary>How many lines are kept, a count.</summary>
    public const int LineLimit = 2000;

    private const int LineCharacters = 2000;
    private readonly ConcurrentDictionary<string, ILogger> _loggers = new(StringComparer.Ordinal);
    private readonly Lock _sync = new();
    private readonly Queue<string> _lines = new(LineLimit);

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) =>
        _loggers.GetOrAdd(categoryName, static (name, log) => new Recorder(log, name), this);

    /// <summary>The last lines, oldest first.</summary>
    /// <param name="limit">How many at most, a count.</param>
    public string[] Read(int limit)
    {
        lock (_sync)
        {
            return [.. _lines.Skip(Math.Max(0, _lines.Count - limit))];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // Nothing is held but lines.
    }

    private void Add(LogLevel level, string category, EventId id, string message, Exception? error)
    {
        StringBuilder line = new();
        line.Append(time.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)).Append(' ')
            .Append(level).Append(' ').Append(category).Append('[')
            .Append(id.Id.ToString(CultureInfo.InvariantCulture)).Append("] ").Append(message);
        if (error is not null)
        {
            line.Append(" | ").Append(error);
        }

        for (int i = 0; i < Math.Min(line.Length, LineCharacters); i++)
        {
            line[i] = char.IsControl(line[i]) ? ' ' : line[i];
        }

        string text = line.ToString(0, Math.Min(line.Length, LineCharacters));
        lock (_sync)
        {
            while (_lines.Count >= LineLimit)
            {
                _lines.Dequeue();
            }

            _lines.Enqueue(text);
        }
    }

    private sealed class Recorder(RecentLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) =>
            log.Add(logLevel, category, eventId, formatter(state, exception), exception);
    }
}
