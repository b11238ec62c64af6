namespace DataLayer.Metadata;

/// <summary>One version of the tiering policy. Its text never changes; which version is active does.</summary>
public sealed record PolicyVersion
{
    /// <summary>Its number, from 1; a later one is larger.</summary>
    public required long Version { get; init; }

    /// <summary>When it was added, nanoseconds since 1970 UTC.</summary>
    public required long CreatedNanoseconds { get; init; }

    /// <summary>When it last became active, nanoseconds since 1970 UTC; 0 for never.</summary>
    public long ActivatedNanoseconds { get; init; }

    /// <summary>Who added it, as the service knows the caller.</summary>
    public required string Author { get; init; }

    /// <summary>What the author says about it; perhaps empty.</summary>
    public required string Comment { get; init; }

    /// <summary>The hash of its meaning: the same for texts that differ in comments and layout alone.</summary>
    public required string Hash { get; init; }

    /// <summary>The document; empty in lists.</summary>
    public required string Text { get; init; }

    /// <summary>Whether it is the version that decides.</summary>
    public bool IsActive { get; init; }
}

/// <summary>A version of the policy to be added.</summary>
/// <param name="Text">The document, checked by the caller.</param>
/// <param name="Hash">The hash of its meaning.</param>
/// <param name="Author">Who adds it.</param>
/// <param name="Comment">What the author says about it.</param>
public sealed record NewPolicy(string Text, string Hash, string Author, string Comment);
