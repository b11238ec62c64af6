namespace DataLayer.Engine.Files;

/// <summary>Conditions and attributes of a replacement.</summary>
public sealed record ReplaceOptions
{
    /// <summary>Entity tag that must hold, or null.</summary>
    public string? IfMatch { get; init; }

    /// <summary>There must be nothing at the path (If-None-Match: *).</summary>
    public bool IfAbsent { get; init; }

    /// <summary>Mode of a new file. Default 0644.</summary>
    public int Mode { get; init; } = 0x1A4;

    /// <summary>
    /// The length if known, bytes: decides segment or stripes and fails early with NoSpace; else null.
    /// </summary>
    public long? ExpectedSizeBytes { get; init; }

    /// <summary>Make missing parent folders.</summary>
    public bool MakeParents { get; init; }
}
