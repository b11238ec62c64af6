using System.Text.Json.Serialization;

namespace DataLayer.Engine.Feeds;

/// <summary>The columns of an index; the values are stored (docs/FORMATS/sample-index.md).</summary>
internal enum IndexColumn
{
    SampleOffset = 1,
    SampleLength = 2,
    SampleLabel = 3,
    FirstSample = 4,
    Inode = 5,
    Generation = 6,
    Version = 7,
    FileSize = 8,
    DataOffset = 9,
    ClassStart = 10,
    TrainClassStart = 11,
    ValidationClassStart = 12,
    ByClass = 13,
    TrainByClass = 14,
    ValidationByClass = 15,
    ValidationBits = 16,
    ValidationRank = 17,
}

/// <summary>Numbers of the format of an index.</summary>
internal static class IndexFormat
{
    public const int HeaderBytes = 128;
    public const int DescriptorBytes = 32;
    public const int MaxColumns = 17;
    public const int PaddingBytes = 8;

    /// <summary>Samples that share one entry of <see cref="IndexColumn.ValidationRank"/>.</summary>
    public const int RankSamples = 512;

    public static ReadOnlySpan<byte> Magic => "DLINDEX1"u8;
}

/// <summary>What an index says of itself in words.</summary>
internal sealed record IndexMeta
{
    public required DatasetKind Kind { get; init; }

    public IReadOnlyList<string> Classes { get; init; } = [];

    public string? ElementType { get; init; }

    public IReadOnlyList<long>? Shape { get; init; }
}

/// <summary>One file in a manifest.</summary>
internal sealed record ManifestFile
{
    /// <summary>Its path below the dataset's, '/'-separated; empty where the dataset is this one file.</summary>
    public required string Path { get; init; }

    public required long Inode { get; init; }

    public required uint Generation { get; init; }

    public required long Version { get; init; }

    public required long Size { get; init; }

    public required long Samples { get; init; }

    /// <summary>What content it was when it was first seen with it (docs/FORMATS/sample-index.md).</summary>
    public required string Identity { get; init; }

    /// <summary>The object that held it then; null for none.</summary>
    public string? Key { get; init; }

    [JsonPropertyName("etag")]
    public string? ETag { get; init; }

    public string? VersionId { get; init; }
}
