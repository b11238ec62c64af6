using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>What a warm-up does with each file.</summary>
public enum WarmMode
{
    /// <summary>Bring it.</summary>
    Warm,

    /// <summary>Only look whether it is there.</summary>
    Check,

    /// <summary>Drop it from memory and the hot tier, where an object holds it.</summary>
    Evict,
}

/// <summary>What a warm-up job shall do.</summary>
public sealed record WarmSpec
{
    /// <summary>Files and folders of the tree; each with all that is below.</summary>
    public IReadOnlyList<string> Paths { get; init; } = [];

    /// <summary>The stored list of files, or null (<see cref="JobInputs"/>).</summary>
    public string? Input { get; init; }

    /// <summary>The kept profile whose blocks are warmed (or checked), instead of paths; or null.</summary>
    public string? Profile { get; init; }

    /// <summary>Of the paths, only what their last uses read and what was written since.</summary>
    public bool Learned { get; init; }

    /// <summary>
    /// With <see cref="Learned"/>: since when, for each path; null to take it from the history when the job runs.
    /// </summary>
    public IReadOnlyList<DateTimeOffset>? UsedSince { get; init; }

    /// <summary>Why the service made the job by itself; null where somebody asked for it.</summary>
    public string? Reason { get; init; }

    /// <summary>What to do.</summary>
    public WarmMode Mode { get; init; }

    /// <summary>Fill memory as well.</summary>
    public bool IntoMemory { get; init; }

    /// <summary>Read each hot copy at the end and compare it with its checksums.</summary>
    public bool Verify { get; init; } = true;

    /// <summary>As text for <see cref="Metadata.JobRecord.Spec"/>.</summary>
    public string ToText() => JsonSerializer.Serialize(this, WarmJson.Default.WarmSpec);

    /// <summary>Reads the text back.</summary>
    /// <exception cref="JsonException">It is not one.</exception>
    public static WarmSpec Parse(string text) =>
        JsonSerializer.Deserialize(text, WarmJson.Default.WarmSpec) ?? throw new JsonException("It is null.");
}

/// <summary>A file that a warm-up left with a gap.</summary>
/// <param name="Path">The file.</param>
/// <param name="Reason">Why.</param>
public sealed record WarmGap(string Path, string Reason);

/// <summary>What a warm-up found at its end; kept with the cursor while it runs.</summary>
public sealed record WarmOutcome
{
    /// <summary>Files looked at, a count.</summary>
    public long Files { get; init; }

    /// <summary>Their bytes.</summary>
    public long Bytes { get; init; }

    /// <summary>Files whole in the hot tier at the end, a count.</summary>
    public long Resident { get; init; }

    /// <summary>Files whose hot copy was read and agrees with its checksums, a count.</summary>
    public long Checksummed { get; init; }

    /// <summary>Files that were there before, a count.</summary>
    public long AlreadyHot { get; init; }

    /// <summary>Bytes that were brought: those of the files that were not there before.</summary>
    public long BroughtBytes { get; init; }

    /// <summary>Files with a gap, a count.</summary>
    public long Missing { get; init; }

    /// <summary>Files whose hot copy was released (mode Evict), a count.</summary>
    public long Released { get; init; }

    /// <summary>Their bytes.</summary>
    public long ReleasedBytes { get; init; }

    /// <summary>Files that stay hot, since no object holds them (mode Evict), a count.</summary>
    public long Kept { get; init; }

    /// <summary>The first gaps, at most 100.</summary>
    public IReadOnlyList<WarmGap> Gaps { get; init; } = [];

    /// <summary>As text for <see cref="Metadata.JobRecord.Result"/>.</summary>
    public string ToText() => JsonSerializer.Serialize(this, WarmJson.Default.WarmOutcome);

    /// <summary>Reads the text back.</summary>
    public static WarmOutcome? Parse(string text) => JsonSerializer.Deserialize(text, WarmJson.Default.WarmOutcome);
}

/// <summary>Where a warm-up goes on.</summary>
/// <param name="Source">The path of the spec, by number; the number of paths is the list.</param>
/// <param name="Position">The last file below that path; null for its first.</param>
/// <param name="Line">Lines of the list that are done, a count.</param>
/// <param name="Outcome">What came out so far.</param>
internal sealed record WarmCursor(int Source, string? Position, long Line, WarmOutcome Outcome);

/// <summary>One line of a list: a path alone, or a JSON object that also says what the file has to be.</summary>
internal sealed record WarmListLine
{
    public required string Path { get; init; }

    /// <summary>The size it has to have, bytes; null for any.</summary>
    public long? Size { get; init; }

    /// <summary>The entity tag its object has to have, without quotes; null for any.</summary>
    public string? Etag { get; init; }
}

/// <summary>JSON of warm-ups.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web, UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(WarmSpec))]
[JsonSerializable(typeof(WarmOutcome))]
[JsonSerializable(typeof(WarmCursor))]
[JsonSerializable(typeof(WarmListLine))]
internal sealed partial class WarmJson : JsonSerializerContext;
