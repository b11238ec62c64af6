namespace DataLayer.Engine.Feeds;

/// <summary>A file and its samples, as a build found them.</summary>
internal sealed class IndexedFile
{
    public required ManifestFile File { get; init; }

    /// <summary>How many samples it has, a count.</summary>
    public required long Count { get; init; }

    /// <summary>Where each sample starts; null where the file is one sample, or has fixed records.</summary>
    public long[]? Offsets { get; init; }

    /// <summary>How long each sample is, bytes; null as above.</summary>
    public long[]? Lengths { get; init; }

    /// <summary>Where the first fixed record starts, bytes.</summary>
    public long DataOffset { get; init; }

    /// <summary>The label of each sample; null without, or where <see cref="Label"/> is of all.</summary>
    public string[]? Labels { get; set; }

    /// <summary>The label of all samples; null without.</summary>
    public string? Label { get; set; }

    /// <summary>Where a sample starts.</summary>
    public long OffsetOf(long sample, long recordBytes) =>
        Offsets is { } offsets ? offsets[sample] : DataOffset + (sample * recordBytes);

    /// <summary>How long a sample is.</summary>
    public long LengthOf(long sample, long recordBytes) =>
        Lengths is { } lengths ? lengths[sample] : recordBytes > 0 ? recordBytes : File.Size;

    /// <summary>The label of a sample; null for none.</summary>
    public string? LabelOf(long sample) => Labels is { } labels ? labels[sample] : Label;
}
