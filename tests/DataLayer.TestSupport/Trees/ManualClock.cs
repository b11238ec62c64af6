namespace DataLayer.TestSupport.Trees;

/// <summary>A clock that stands still until a test moves it.</summary>
public sealed class ManualClock : TimeProvider
{
    private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>The time now, nanoseconds since 1970 UTC.</summary>
    public long NowNanoseconds => (_now.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) * 100;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => _now;

    /// <summary>Moves on.</summary>
    public void Advance(TimeSpan by) => _now += by;
}
