using System.Text.Json.Serialization;
using DataLayer.Core.Tree;

namespace DataLayer.Protocol.Http;

/// <summary>One thing that is wrong with a policy document, or worth a look.</summary>
public sealed record PolicyFault
{
    /// <summary>Line, from 1.</summary>
    public required int Line { get; init; }

    /// <summary>Column, from 1.</summary>
    public required int Column { get; init; }

    /// <summary>What is wrong, with the offending value.</summary>
    public required string Message { get; init; }

    /// <summary>What to write instead.</summary>
    public required string Remedy { get; init; }
}

/// <summary>What checking a policy document gave.</summary>
public sealed record PolicyCheckReport
{
    /// <summary>Whether it can be set.</summary>
    public required bool Valid { get; init; }

    /// <summary>Rules, a count; 0 where it has errors.</summary>
    public int RuleCount { get; init; }

    /// <summary>The hash of its meaning; null where it has errors.</summary>
    public string? Hash { get; init; }

    /// <summary>All errors, by line and column.</summary>
    public IReadOnlyList<PolicyFault> Errors { get; init; } = [];

    /// <summary>What is allowed and most likely not meant.</summary>
    public IReadOnlyList<PolicyFault> Warnings { get; init; } = [];
}

/// <summary>A version of the policy.</summary>
public sealed record PolicyStatus
{
    /// <summary>Its number, from 1.</summary>
    public required long Version { get; init; }

    /// <summary>Whether it decides.</summary>
    public bool Active { get; init; }

    /// <summary>When it was added, nanoseconds since 1970 UTC.</summary>
    public long CreatedNanoseconds { get; init; }

    /// <summary>When it last became active, nanoseconds since 1970 UTC; 0 for never.</summary>
    public long ActivatedNanoseconds { get; init; }

    /// <summary>Who added it.</summary>
    public required string Author { get; init; }

    /// <summary>What the author says about it.</summary>
    public required string Comment { get; init; }

    /// <summary>The hash of its meaning.</summary>
    public required string Hash { get; init; }

    /// <summary>The document; absent in lists.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Text { get; init; }

    /// <summary>What is allowed and most likely not meant; only in the answer to setting it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<PolicyFault>? Warnings { get; init; }
}

/// <summary>Versions of the policy, newest first.</summary>
public sealed record PolicyPage
{
    /// <summary>The versions, without their texts.</summary>
    public required IReadOnlyList<PolicyStatus> Versions { get; init; }

    /// <summary>Where to go on (<c>before</c>); null at the end.</summary>
    public long? Next { get; init; }
}

/// <summary>What a policy wants of a file.</summary>
public sealed record PolicyDecision
{
    /// <summary>The rule's place in the document, from 0; -1 where none matches.</summary>
    public required int RuleIndex { get; init; }

    /// <summary>The rule's name; empty where none matches.</summary>
    public required string RuleName { get; init; }

    /// <summary><c>hot</c>, <c>cold</c>, <c>release</c>; null where the rule leaves it open.</summary>
    public string? Place { get; init; }

    /// <summary>The storage class asked for, or null.</summary>
    public string? StorageClass { get; init; }

    /// <summary>Hot copies asked for, a count, or null.</summary>
    public int? Copies { get; init; }

    /// <summary>Whether the hot copy is kept, whatever else is asked.</summary>
    public bool Pin { get; init; }

    /// <summary>Whether cold content goes into packs.</summary>
    public bool Pack { get; init; }

    /// <summary>Whether the file is left alone.</summary>
    public bool Exclude { get; init; }

    /// <summary>Whether hot content keeps its object.</summary>
    public bool KeepPremigrated { get; init; } = true;

    /// <summary>Order of moves: larger first.</summary>
    public double Weight { get; init; }
}

/// <summary>What became of one rule when it was looked at for a file.</summary>
public sealed record PolicyTrace
{
    /// <summary>The rule's place in the document, from 0.</summary>
    public required int RuleIndex { get; init; }

    /// <summary>The rule's name.</summary>
    public required string RuleName { get; init; }

    /// <summary>Where it starts in the document, from 1.</summary>
    public int Line { get; init; }

    /// <summary>The first condition that fails: <c>match.size</c>; null where the rule matches.</summary>
    public string? FailedCondition { get; init; }

    /// <summary>What the file has and what the rule asks for.</summary>
    public required string Reason { get; init; }
}

/// <summary>Why a policy decides as it does about one file.</summary>
public sealed record PolicyExplanationReport
{
    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>The version of the policy; null where a document was given.</summary>
    public long? Version { get; init; }

    /// <summary>The decision.</summary>
    public required PolicyDecision Decision { get; init; }

    /// <summary>The rules looked at, in order; the last one matches unless none does.</summary>
    public required IReadOnlyList<PolicyTrace> Rules { get; init; }
}

/// <summary>One setting that differs between two policies.</summary>
public sealed record PolicyFieldDifference
{
    /// <summary>The key with those above it: <c>match.size</c>.</summary>
    public required string Field { get; init; }

    /// <summary>The older value, or null.</summary>
    public string? Before { get; init; }

    /// <summary>The newer value, or null.</summary>
    public string? After { get; init; }
}

/// <summary>One rule, window or calendar that differs between two policies.</summary>
public sealed record PolicyDifference
{
    /// <summary><c>rules</c>, <c>windows</c> or <c>calendars</c>.</summary>
    public required string Section { get; init; }

    /// <summary>Its name, the newer one where it was renamed.</summary>
    public required string Name { get; init; }

    /// <summary><c>added</c>, <c>removed</c>, <c>changed</c>, <c>moved</c> or <c>renamed</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>The name before, where it was renamed.</summary>
    public string? FormerName { get; init; }

    /// <summary>A rule's place before, from 0.</summary>
    public int? IndexBefore { get; init; }

    /// <summary>A rule's place after, from 0.</summary>
    public int? IndexAfter { get; init; }

    /// <summary>The settings that differ.</summary>
    public IReadOnlyList<PolicyFieldDifference> Fields { get; init; } = [];
}

/// <summary>What differs between two versions of the policy.</summary>
public sealed record PolicyDifferences
{
    /// <summary>The differences; empty where both mean the same.</summary>
    public required IReadOnlyList<PolicyDifference> Changes { get; init; }
}

/// <summary>Adds a version of the policy.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record SetPolicyCommand
{
    /// <summary>The document, at most 8 MiB.</summary>
    public required string Text { get; init; }

    /// <summary>What the author says about it, at most 1,000 characters; null for nothing.</summary>
    public string? Comment { get; init; }

    /// <summary>Whether it decides from now on; null for yes.</summary>
    public bool? Activate { get; init; }

    /// <summary>The version that must be active now, 0 for none; null for any.</summary>
    public long? IfActive { get; init; }
}

/// <summary>Makes a version of the policy the active one.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ActivatePolicyCommand
{
    /// <summary>The version; 0 for none.</summary>
    public required long Version { get; init; }

    /// <summary>The version that must be active now, 0 for none; null for any.</summary>
    public long? IfActive { get; init; }
}

/// <summary>Checks a policy document.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record CheckPolicyCommand
{
    /// <summary>The document, at most 8 MiB.</summary>
    public required string Text { get; init; }
}

/// <summary>
/// Asks why a policy decides as it does. What is not given is taken from the file where there is one, and from the
/// service: its clock and the fill of its pools.
/// </summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ExplainPolicyCommand
{
    /// <summary>The file's path; it need not be there.</summary>
    public required string Path { get; init; }

    /// <summary>A document to ask; null for a stored version.</summary>
    public string? Text { get; init; }

    /// <summary>A stored version to ask; null for the active one.</summary>
    public long? Version { get; init; }

    /// <summary>The tenant.</summary>
    public string? Tenant { get; init; }

    /// <summary>The dataset.</summary>
    public string? Dataset { get; init; }

    /// <summary>The owner, a user id.</summary>
    public int? OwnerId { get; init; }

    /// <summary>Length, bytes.</summary>
    public long? SizeBytes { get; init; }

    /// <summary>Seconds since the content changed.</summary>
    public double? AgeSeconds { get; init; }

    /// <summary>Seconds since the last read or write.</summary>
    public double? IdleSeconds { get; init; }

    /// <summary>Heat.</summary>
    public double? Heat { get; init; }

    /// <summary>Where the content stands.</summary>
    public TierState? State { get; init; }

    /// <summary>The object's storage class.</summary>
    public string? StorageClass { get; init; }

    /// <summary>The pool.</summary>
    public string? Pool { get; init; }

    /// <summary>The time to decide for, nanoseconds since 1970 UTC.</summary>
    public long? NowNanoseconds { get; init; }

    /// <summary>Fill of pools by name, 0 to 1.</summary>
    public IReadOnlyDictionary<string, double>? PoolFill { get; init; }
}
