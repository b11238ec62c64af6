namespace DataLayer.Metadata;

/// <summary>A headroom as it is stored: what is reserved when, and what became of it last. Immutable.</summary>
public sealed record HeadroomRecord
{
    /// <summary>Its number; numbers grow.</summary>
    public long Id { get; init; }

    /// <summary>Its name, unique.</summary>
    public required string Name { get; init; }

    /// <summary>What it reserves and when, in the engine's words (JSON).</summary>
    public required string Spec { get; init; }

    /// <summary>What became of its last window, in the engine's words (JSON); null before its first.</summary>
    public string? State { get; init; }

    /// <summary>Who asked for it.</summary>
    public required string Owner { get; init; }

    /// <summary>Grows with each change.</summary>
    public long Version { get; init; }

    /// <summary>When it was made, nanoseconds since 1970 UTC.</summary>
    public long CreatedTime { get; init; }
}
