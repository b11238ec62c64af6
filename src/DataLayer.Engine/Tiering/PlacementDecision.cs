namespace DataLayer.Engine.Tiering;

/// <summary>What the first rule that matches a file wants of it.</summary>
public sealed record PlacementDecision
{
    /// <summary>No rule matches: the file stays as it is.</summary>
    public static PlacementDecision None { get; } = new() { RuleIndex = -1, RuleName = string.Empty };

    /// <summary>The rule's place in the document, from 0; -1 where none matches.</summary>
    public required int RuleIndex { get; init; }

    /// <summary>The rule's name.</summary>
    public required string RuleName { get; init; }

    /// <summary>Where the content is to be; null where the rule leaves that open.</summary>
    public PlacementTier? Place { get; init; }

    /// <summary>The storage class the object is to have; null for the one it has.</summary>
    public string? StorageClass { get; init; }

    /// <summary>Hot copies it is to have, a count; null for as many as the pool gives.</summary>
    public int? CopyCount { get; init; }

    /// <summary>Whether the hot copy is never released while the rule matches.</summary>
    public bool Pin { get; init; }

    /// <summary>Whether a small cold content goes into a pack instead of an object of its own.</summary>
    public bool Pack { get; init; }

    /// <summary>Whether tiering leaves the file alone.</summary>
    public bool Exclude { get; init; }

    /// <summary>Whether a released content that is recalled keeps its object (it mostly does).</summary>
    public bool KeepPremigrated { get; init; } = true;

    /// <summary>Order of moves: larger first.</summary>
    public double Weight { get; init; }
}
