namespace DataLayer.Engine.Feeds;

/// <summary>What a verification found.</summary>
public sealed record DatasetVerification
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
    public IReadOnlyList<DatasetGap> Gaps { get; init; } = [];
}

/// <summary>A file that is not what an index is of.</summary>
/// <param name="Path">Its path below the dataset's.</param>
/// <param name="Samples">Its samples, a count.</param>
/// <param name="Reason">What it is now.</param>
public readonly record struct DatasetGap(string Path, long Samples, string Reason);
