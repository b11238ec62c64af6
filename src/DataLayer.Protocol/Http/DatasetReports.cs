using System.Text.Json.Serialization;

namespace DataLayer.Protocol.Http;

/// <summary>Makes a dataset: a named folder or file with a sample index.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record DatasetCommand
{
    /// <summary>The folder or file of the tree.</summary>
    public required string Path { get; init; }

    /// <summary>What a sample is: <c>files</c>, <c>tar</c>, <c>fixed</c> or <c>lines</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>Which files, as <c>*.jpg</c> or <c>a/**/*.jpg</c>; null for all without a leading dot.</summary>
    public string? Include { get; init; }

    /// <summary>
    /// Where labels come from: <c>none</c>, <c>folder</c>, <c>csv</c>, <c>array</c>, <c>member</c> or <c>field</c>.
    /// </summary>
    public string Labels { get; set; } = "none";

    /// <summary>The file of the tree with the labels (csv, array), or the field's name (field).</summary>
    public string? LabelsFrom { get; init; }

    /// <summary>Of raw fixed records: their length, bytes.</summary>
    public long? RecordBytes { get; init; }

    /// <summary>Which share of the samples is held out for validation, 0 to below 1.</summary>
    public double Validation { get; init; }

    /// <summary>Distinguishes splits of one share.</summary>
    public string? SplitSalt { get; init; }
}

/// <summary>A dataset.</summary>
public sealed record DatasetStatus
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary><c>building</c> before its first index, else <c>ready</c>, <c>pinned</c>, or <c>failed</c>.</summary>
    public required string State { get; init; }

    /// <summary>What it is made of.</summary>
    public required DatasetCommand Spec { get; init; }

    /// <summary>The index hash: the identity of the samples. Null before the first index.</summary>
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

    /// <summary>Length of the manifest beside it, bytes.</summary>
    public long ManifestBytes { get; init; }

    /// <summary>Files that the last build read, a count: the others were as it knew them.</summary>
    public long ReadFiles { get; init; }

    /// <summary>The labels by class number; empty without.</summary>
    public IReadOnlyList<string> Classes { get; init; } = [];

    /// <summary>Length of a fixed record, bytes; null of other kinds.</summary>
    public long? RecordBytes { get; init; }

    /// <summary>A fixed record's elements in NumPy's words; null where unknown.</summary>
    public string? ElementType { get; init; }

    /// <summary>The shape of a fixed record; null where unknown.</summary>
    public IReadOnlyList<long>? Shape { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its index was built; null before.</summary>
    public DateTimeOffset? BuiltAt { get; init; }

    /// <summary>Since when it is pinned; null where it is not.</summary>
    public DateTimeOffset? PinnedAt { get; init; }

    /// <summary>Why the last build failed; null where it did not.</summary>
    public string? Fault { get; init; }
}

/// <summary>Where one sample lies.</summary>
public sealed record SampleStatus
{
    /// <summary>Its number in the index.</summary>
    public long Number { get; init; }

    /// <summary>The file's path; null where it is gone.</summary>
    public string? Path { get; init; }

    /// <summary>Where it starts in the file, bytes.</summary>
    public long OffsetBytes { get; init; }

    /// <summary>How long it is, bytes.</summary>
    public long LengthBytes { get; init; }

    /// <summary>Its label; null without.</summary>
    public string? Label { get; init; }

    /// <summary>The number of its label; null without.</summary>
    public int? Class { get; init; }

    /// <summary>Whether it is held out for validation.</summary>
    public bool Validation { get; init; }
}

/// <summary>A page of the samples, in the order of the index.</summary>
public sealed record SamplePage
{
    /// <summary>The samples.</summary>
    public required IReadOnlyList<SampleStatus> Samples { get; init; }

    /// <summary>Where the next page begins; null after the last.</summary>
    public long? Next { get; init; }
}

/// <summary>A stretch of an order: which sample stands at each position.</summary>
public sealed record OrderReport
{
    /// <summary>The identity of the feed: index, order and seed.</summary>
    public required string Feed { get; init; }

    /// <summary>The order, as <c>docs/FORMATS/order.md</c> writes it.</summary>
    public required string Order { get; init; }

    /// <summary>Positions a pass has, a count.</summary>
    public long PassLength { get; init; }

    /// <summary>The pass, from 0.</summary>
    public long Pass { get; init; }

    /// <summary>The first position shown.</summary>
    public long From { get; init; }

    /// <summary>The numbers of the samples.</summary>
    public required IReadOnlyList<long> Samples { get; init; }
}

/// <summary>How a dataset is verified.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record VerifyDatasetCommand
{
    /// <summary>Whether to ask the buckets too, a request a file.</summary>
    public bool Origin { get; set; } = true;
}

/// <summary>What a verification of a dataset found.</summary>
public sealed record DatasetVerificationReport
{
    /// <summary>Files looked at, a count.</summary>
    public long Files { get; init; }

    /// <summary>Their samples, a count.</summary>
    public long Samples { get; init; }

    /// <summary>Files that are not what the index is of, a count.</summary>
    public long BadFiles { get; init; }

    /// <summary>Their samples, a count.</summary>
    public long BadSamples { get; init; }

    /// <summary>The first of them, at most 100.</summary>
    public IReadOnlyList<DatasetGapReport> Gaps { get; init; } = [];
}

/// <summary>A file that is not what an index is of.</summary>
public sealed record DatasetGapReport
{
    /// <summary>Its path below the dataset's.</summary>
    public required string Path { get; init; }

    /// <summary>Its samples, a count.</summary>
    public long Samples { get; init; }

    /// <summary>What it is now.</summary>
    public required string Reason { get; init; }
}
