namespace DataLayer.Engine.Files.Nodes;

/// <summary>A time to set: a given one, or that of the change.</summary>
/// <param name="Nanoseconds">Nanoseconds since 1970 UTC; without meaning with <paramref name="IsNow"/>.</param>
/// <param name="IsNow">The time of the change.</param>
public readonly record struct NodeTime(long Nanoseconds, bool IsNow = false)
{
    /// <summary>The time of the change (UTIME_NOW).</summary>
    public static NodeTime Now => new(0, IsNow: true);
}
