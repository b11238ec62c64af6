using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>A file that was not moved, and why.</summary>
/// <param name="Path">The file.</param>
/// <param name="Reason">Why.</param>
public sealed record MoveProblem(string Path, string Reason);

/// <summary>What came of a run of moves so far, and at its end. Amounts are in <see cref="Currency"/>.</summary>
public sealed record MoveOutcome
{
    /// <summary>The plan it carries out; 0 for none.</summary>
    public long Plan { get; init; }

    /// <summary>The stored version of the policy that wants the moves; 0 for none.</summary>
    public long PolicyVersion { get; init; }

    /// <summary>What it is at, in words; null at the end.</summary>
    public string? Phase { get; init; }

    /// <summary>Moves dealt with, a count.</summary>
    public long Moves { get; init; }

    /// <summary>Bytes of their files.</summary>
    public long Bytes { get; init; }

    /// <summary>Files that are now where they should be, moved by this, a count.</summary>
    public long Moved { get; init; }

    /// <summary>Files that were there before, a count.</summary>
    public long Already { get; init; }

    /// <summary>Files left alone, for reasons given, a count.</summary>
    public long Skipped { get; init; }

    /// <summary>Files whose move failed, a count.</summary>
    public long Failed { get; init; }

    /// <summary>Contents uploaded, a count.</summary>
    public long Uploads { get; init; }

    /// <summary>Objects that changed their class, a count.</summary>
    public long Reclasses { get; init; }

    /// <summary>Hot copies dropped, a count.</summary>
    public long Releases { get; init; }

    /// <summary>Hot bytes freed, one copy counted.</summary>
    public long ReleasedBytes { get; init; }

    /// <summary>Contents read back, a count.</summary>
    public long Recalls { get; init; }

    /// <summary>Files that got another number of hot copies, a count.</summary>
    public long CopyChanges { get; init; }

    /// <summary>Bytes that passed between the tiers.</summary>
    public long TransferredBytes { get; init; }

    /// <summary>Requests billed, a count.</summary>
    public long Requests { get; init; }

    /// <summary>What was billed.</summary>
    public double Cost { get; init; }

    /// <summary>The currency.</summary>
    public string Currency { get; init; } = string.Empty;

    /// <summary>The part of <see cref="Moves"/> that waits for restores from an archive, a count.</summary>
    public long Restoring { get; init; }

    /// <summary>The budget that ended it, in words; null where none did.</summary>
    public string? Exhausted { get; init; }

    /// <summary>Moves that were not begun, a count.</summary>
    public long RemainingMoves { get; init; }

    /// <summary>Bytes of their files.</summary>
    public long RemainingBytes { get; init; }

    /// <summary>What they cost by the plan.</summary>
    public double RemainingCost { get; init; }

    /// <summary>Files left alone or failed by reason, counts.</summary>
    public IReadOnlyDictionary<string, long> Reasons { get; init; } =
        new SortedDictionary<string, long>(StringComparer.Ordinal);

    /// <summary>The first of them, at most 100.</summary>
    public IReadOnlyList<MoveProblem> Problems { get; init; } = [];

    /// <summary>As text for a job's result and detail.</summary>
    public string ToText() => JsonSerializer.Serialize(this, MoveJson.Default.MoveOutcome);
}

/// <summary>JSON of moves.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web, UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MoveOutcome))]
[JsonSerializable(typeof(ApplySpec))]
[JsonSerializable(typeof(UndoSpec))]
[JsonSerializable(typeof(MoveCursor))]
internal sealed partial class MoveJson : JsonSerializerContext;
