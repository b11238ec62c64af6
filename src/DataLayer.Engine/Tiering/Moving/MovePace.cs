namespace DataLayer.Engine.Tiering.Moving;

/// <summary>
/// Spreads bytes over time: each taker waits until all bytes taken before it have passed at the rate. Any thread.
/// </summary>
internal sealed class MovePace(long? bytesPerSecond, TimeProvider time)
{
    private readonly Lock _lock = new();
    private DateTimeOffset _next = DateTimeOffset.MinValue;

    /// <summary>Waits until these bytes may begin to pass.</summary>
    public ValueTask TakeAsync(long bytes, CancellationToken cancellationToken)
    {
        if (bytesPerSecond is not { } rate || bytes <= 0)
        {
            return ValueTask.CompletedTask;
        }

        TimeSpan wait;
        lock (_lock)
        {
            DateTimeOffset now = time.GetUtcNow();
            DateTimeOffset start = _next > now ? _next : now;
            _next = start + TimeSpan.FromSeconds(bytes / (double)rate);
            wait = start - now;
        }

        return wait <= TimeSpan.Zero
            ? ValueTask.CompletedTask
            : new ValueTask(Task.Delay(wait, time, cancellationToken));
    }
}
