namespace DataLayer.Client;

/// <summary>Conditions and attributes of a write of a whole file.</summary>
public sealed record WriteOptions
{
    /// <summary>Permission bits of a new file, 0 to 4095, or null for the service's default (0644).</summary>
    public int? Mode { get; init; }

    /// <summary>The entity tag, without quotes, that the file must still have; or null.</summary>
    public string? IfMatch { get; init; }

    /// <summary>There must be nothing at the path.</summary>
    public bool IfAbsent { get; init; }

    /// <summary>Make missing parent folders.</summary>
    public bool MakeParents { get; init; }
}

/// <summary>What a write did.</summary>
/// <param name="Created">Whether the file is new.</param>
/// <param name="EntityTag">The new content's entity tag without quotes.</param>
public readonly record struct WriteOutcome(bool Created, string? EntityTag);
