namespace DataLayer.Server.Access;

/// <summary>
/// Tells of tokens that were refused, at most <see cref="LinesPerMinute"/> a minute: who tries a million must not fill
/// the disk. What was left out is counted and told with the next line.
/// </summary>
internal sealed partial class RefusalLog(TimeProvider time, ILogger<RefusalLog> log)
{
    /// <summary>Lines a minute.</summary>
    public const int LinesPerMinute = 10;

    private readonly Lock _lock = new();
    private long _minuteStart = time.GetTimestamp();
    private int _lines;
    private long _leftOut;
    private long _total;

    /// <summary>Tokens refused since the start.</summary>
    public long Total => Interlocked.Read(ref _total);

    /// <summary>A request came with a token that does not count.</summary>
    public void Add(HttpContext context, Caller caller)
    {
        Interlocked.Increment(ref _total);
        long leftOut;
        lock (_lock)
        {
            long now = time.GetTimestamp();
            if (time.GetElapsedTime(_minuteStart, now) >= TimeSpan.FromMinutes(1))
            {
                _minuteStart = now;
                _lines = 0;
            }

            if (++_lines > LinesPerMinute)
            {
                _leftOut++;
                return;
            }

            leftOut = _leftOut;
            _leftOut = 0;
        }

        LogRefused(
            context.Connection.RemoteIpAddress?.ToString() ?? "the Unix socket", caller.Refusal ?? "not known",
            leftOut);
    }

    [LoggerMessage(
        23, LogLevel.Warning, "A token from {Remote} was refused: {Reason} ({LeftOut} more were not told of)")]
    private partial void LogRefused(string remote, string reason, long leftOut);
}
