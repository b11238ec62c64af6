namespace DataLayer.Engine.Feeds;

/// <summary>A dataset as the state folder keeps it. Immutable.</summary>
public sealed record DatasetRecord
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>What it is made of.</summary>
    public required DatasetSpec Spec { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Which index is current: its files bear the number; 0 before the first.</summary>
    public long Number { get; init; }

    /// <summary>When the index was built; null before.</summary>
    public DateTimeOffset? BuiltAt { get; init; }

    /// <summary>The index hash, 64 hexadecimal digits; null before the first.</summary>
    public string? Hash { get; init; }

    /// <summary>Samples, a count.</summary>
    public long Samples { get; init; }

    /// <summary>Of them held out for validation, a count.</summary>
    public long ValidationSamples { get; init; }

    /// <summary>Files, a count.</summary>
    public long Files { get; init; }

    /// <summary>Bytes of all samples.</summary>
    public long SampleBytes { get; init; }

    /// <summary>Length of the index, bytes.</summary>
    public long IndexBytes { get; init; }

    /// <summary>Length of the manifest, bytes.</summary>
    public long ManifestBytes { get; init; }

    /// <summary>Files whose samples the last build read again, a count.</summary>
    public long ReadFiles { get; init; }

    /// <summary>The labels by class number; empty without labels.</summary>
    public IReadOnlyList<string> Classes { get; init; } = [];

    /// <summary>Length of a fixed record, bytes; null of other kinds.</summary>
    public long? RecordBytes { get; init; }

    /// <summary>What a fixed record's elements are, in NumPy's words (<c>&lt;f4</c>); null where unknown.</summary>
    public string? ElementType { get; init; }

    /// <summary>The shape of one record; null where unknown.</summary>
    public IReadOnlyList<long>? Shape { get; init; }

    /// <summary>Since when it is pinned; null where it is not.</summary>
    public DateTimeOffset? PinnedAt { get; init; }

    /// <summary>Why the last build failed; null where it did not.</summary>
    public string? Fault { get; init; }
}
