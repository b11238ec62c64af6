using System.Text.Json.Serialization;

namespace DataLayer.Engine.Feeds;

/// <summary>What a sample of a dataset is.</summary>
public enum DatasetKind
{
    /// <summary>A file.</summary>
    Files,

    /// <summary>Members of a tar in a row whose names agree up to the first dot, as WebDataset groups them.</summary>
    Tar,

    /// <summary>A record of fixed length: raw files, .npy, IDX.</summary>
    Fixed,

    /// <summary>A line that is not empty.</summary>
    Lines,
}

/// <summary>Where labels come from.</summary>
public enum LabelSource
{
    /// <summary>There are none.</summary>
    None,

    /// <summary>The name of the folder that the file lies in.</summary>
    Folder,

    /// <summary>A CSV file with a path and a label a line.</summary>
    Csv,

    /// <summary>Of fixed records: a .npy or IDX file of whole numbers, one a record.</summary>
    Array,

    /// <summary>Of tars: the member <c>cls</c> of each sample.</summary>
    Member,

    /// <summary>Of lines: a property of each line's JSON object.</summary>
    Field,
}

/// <summary>What a dataset is made of: all that its index follows from, besides the files.</summary>
public sealed record DatasetSpec
{
    /// <summary>The folder or file of the tree.</summary>
    public required string Path { get; init; }

    /// <summary>What a sample is.</summary>
    public required DatasetKind Kind { get; init; }

    /// <summary>
    /// Which files: a pattern of paths below the folder (<c>*.jpg</c> is in any folder, <c>a/**/*.jpg</c> below a).
    /// Null for all but those with a dot in front of their name, or of a folder's.
    /// </summary>
    public string? Include { get; init; }

    /// <summary>Where labels come from.</summary>
    public LabelSource Labels { get; init; }

    /// <summary>The CSV or array file in the tree; with <see cref="LabelSource.Field"/> the property's name.</summary>
    public string? LabelsFrom { get; init; }

    /// <summary>Of raw fixed records: their length, bytes, 1 to 2^31 − 1.</summary>
    public long? RecordBytes { get; init; }

    /// <summary>Which share of the samples is held out for validation, 0 to below 1.</summary>
    public double ValidationShare { get; init; }

    /// <summary>Distinguishes splits of one share.</summary>
    public string SplitSalt { get; init; } = string.Empty;
}

/// <summary>JSON of datasets as they are kept.</summary>
[JsonSourceGenerationOptions(
    System.Text.Json.JsonSerializerDefaults.Web, UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DatasetSpec))]
[JsonSerializable(typeof(DatasetRecord))]
[JsonSerializable(typeof(IndexJobSpec))]
[JsonSerializable(typeof(IndexMeta))]
[JsonSerializable(typeof(ManifestFile))]
internal sealed partial class DatasetJson : JsonSerializerContext;
