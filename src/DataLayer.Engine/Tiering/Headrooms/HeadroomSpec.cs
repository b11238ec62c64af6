using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataLayer.Engine.Tiering.Headrooms;

/// <summary>When a headroom's window is open: the same keys and words as a window of a policy.</summary>
public sealed record HeadroomWindow
{
    /// <summary>Weekdays, as <c>mon-fri</c>; null for all.</summary>
    public string? Days { get; init; }

    /// <summary>Months, as <c>jan, apr</c>; null for all.</summary>
    public string? Months { get; init; }

    /// <summary>Days of the month, as <c>first 2</c> or <c>1, 15</c>; null for all.</summary>
    public string? MonthDays { get; init; }

    /// <summary>Time of day it opens, as <c>08:30</c>; null for midnight.</summary>
    public string? From { get; init; }

    /// <summary>Time of day it closes; null for midnight.</summary>
    public string? To { get; init; }

    /// <summary>The zone of the times (IANA); null for UTC.</summary>
    public string? TimeZone { get; init; }

    /// <summary>A calendar of the active policy that lets days through; null for none.</summary>
    public string? Calendar { get; init; }

    /// <summary><c>open</c> (default) or <c>closed</c> days of the calendar.</summary>
    public string? On { get; init; }

    /// <summary>Start times as five fields of cron, instead of days and hours.</summary>
    public string? Cron { get; init; }

    /// <summary>How long it is open after each of these, as <c>8h</c>.</summary>
    public string? For { get; init; }
}

/// <summary>What a headroom reserves, and when.</summary>
public sealed record HeadroomSpec
{
    /// <summary>
    /// The folder whose files the share is for: any folder, a dataset by the path it is attached at, and a tenant by
    /// its root folder.
    /// </summary>
    public required string Path { get; init; }

    /// <summary>Memory that others do not take, bytes; 0 for none.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Bytes of the hot tier that others do not take, copies counted; 0 for none.</summary>
    public long HotBytes { get; init; }

    /// <summary>
    /// The pool of the hot tier that it is reserved in, and that takes what comes of the folder while it is in force;
    /// null for the default pool.
    /// </summary>
    public string? Pool { get; init; }

    /// <summary>When it is reserved.</summary>
    public required HeadroomWindow Window { get; init; }

    /// <summary>How long before each window room is made and the share refilled.</summary>
    public TimeSpan Lead { get; init; } = TimeSpan.FromHours(1);

    /// <summary>What is brought before each window: files and folders of the share; empty for all of it.</summary>
    public IReadOnlyList<string> Refill { get; init; } = [];

    /// <summary>The kept access profile whose blocks are brought instead; or null.</summary>
    public string? RefillProfile { get; init; }

    /// <summary>As text for <see cref="Metadata.HeadroomRecord.Spec"/>.</summary>
    public string ToText() => JsonSerializer.Serialize(this, HeadroomJson.Default.HeadroomSpec);

    /// <summary>Reads the text back.</summary>
    /// <exception cref="JsonException">It is not one.</exception>
    public static HeadroomSpec Parse(string text) =>
        JsonSerializer.Deserialize(text, HeadroomJson.Default.HeadroomSpec) ?? throw new JsonException("It is null.");
}

/// <summary>How far a headroom is with its window.</summary>
public enum HeadroomPhase
{
    /// <summary>Nothing is reserved; the next window is to come.</summary>
    Waiting,

    /// <summary>Others' copies that an object holds are released till there is room.</summary>
    MakingRoom,

    /// <summary>The share is brought and verified.</summary>
    Refilling,

    /// <summary>All that was to be brought is here and agrees with its checksums.</summary>
    Ready,

    /// <summary>Something is missing; it is tried again now and then.</summary>
    Incomplete,

    /// <summary>The window is over and all was given back.</summary>
    Ended,
}

/// <summary>What became of a headroom's last window, or is at this moment.</summary>
public sealed record HeadroomState
{
    /// <summary>How far it is.</summary>
    public HeadroomPhase Phase { get; init; }

    /// <summary>When the window opens, or opened.</summary>
    public DateTimeOffset WindowStart { get; init; }

    /// <summary>When it closes, or closed.</summary>
    public DateTimeOffset WindowEnd { get; init; }

    /// <summary>Bytes of others that had to go to make room; 0 where there was room.</summary>
    public long RoomBytes { get; init; }

    /// <summary>The job that released them; 0 for none.</summary>
    public long RoomJob { get; init; }

    /// <summary>The job that refilled the share last; 0 for none yet.</summary>
    public long RefillJob { get; init; }

    /// <summary>How often it was refilled for this window, a count.</summary>
    public int Refills { get; init; }

    /// <summary>Files that the refill looked at, a count.</summary>
    public long Files { get; init; }

    /// <summary>Of these, whole in the hot tier, a count.</summary>
    public long Resident { get; init; }

    /// <summary>Of these, compared with their checksums, a count.</summary>
    public long Checksummed { get; init; }

    /// <summary>Of these, with a gap, a count.</summary>
    public long Missing { get; init; }

    /// <summary>When it was ready; null where it was not.</summary>
    public DateTimeOffset? ReadyAt { get; init; }

    /// <summary>Whether the window opened before it was ready.</summary>
    public bool WasLate { get; init; }

    /// <summary>What is in the way, in words; null for nothing.</summary>
    public string? Message { get; init; }

    /// <summary>As text for <see cref="Metadata.HeadroomRecord.State"/>.</summary>
    public string ToText() => JsonSerializer.Serialize(this, HeadroomJson.Default.HeadroomState);

    /// <summary>Reads the text back.</summary>
    /// <exception cref="JsonException">It is not one.</exception>
    public static HeadroomState? Parse(string? text) =>
        text is null ? null : JsonSerializer.Deserialize(text, HeadroomJson.Default.HeadroomState);
}

/// <summary>JSON of headrooms.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web, UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(HeadroomSpec))]
[JsonSerializable(typeof(HeadroomState))]
internal sealed partial class HeadroomJson : JsonSerializerContext;
