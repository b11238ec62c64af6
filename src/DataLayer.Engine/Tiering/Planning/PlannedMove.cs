using DataLayer.Core.Identity;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>One file's move in a plan, as it stands in the plan's file of moves.</summary>
public sealed record PlannedMove
{
    /// <summary>The file.</summary>
    public required InodeId Inode { get; init; }

    /// <summary>The content the move was planned for; another one is not moved.</summary>
    public required long Version { get; init; }

    /// <summary>The file's path when the plan was made.</summary>
    public required string Path { get; init; }

    /// <summary>The rule, by its place in the policy.</summary>
    public required int RuleIndex { get; init; }

    /// <summary>What is done.</summary>
    public required MoveKinds Kinds { get; init; }

    /// <summary>Length of the content, bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Hot bytes before, one copy counted.</summary>
    public long HotBytes { get; init; }

    /// <summary>Hot copies afterwards, a count.</summary>
    public int CopyCount { get; init; }

    /// <summary>The object's class before; null where there is none or the store names none.</summary>
    public string? FromClass { get; init; }

    /// <summary>The object's class afterwards; null for the store's default.</summary>
    public string? ToClass { get; init; }

    /// <summary>Order: larger first.</summary>
    public double Weight { get; init; }

    /// <summary>What the move costs once.</summary>
    public double OnceCost { get; init; }

    /// <summary>Change of the monthly bill; negative where it saves.</summary>
    public double MonthlyChange { get; init; }
}
