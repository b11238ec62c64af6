using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Policies;

namespace DataLayer.Tests.Tiering.Policies;

/// <summary>Policies, files and moments for tests.</summary>
internal static class PolicyFixture
{
    /// <summary>A Wednesday, 12:00 UTC.</summary>
    public static readonly DateTimeOffset Noon = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Reads a policy that must be good, and without warnings unless they are expected.</summary>
    public static PolicyDocument Read(string yaml, bool warnings = false)
    {
        PolicyParseResult result = PolicyDocument.Parse(yaml);
        Assert.Empty(result.Errors);
        Assert.Equal(warnings, result.Warnings.Count > 0);
        return result.Policy!;
    }

    /// <summary>Reads and compiles rules written as the items of <c>rules</c>.</summary>
    public static CompiledPolicy Rules(string rules, bool warnings = false) =>
        Read("version: 1\nrules:\n" + rules, warnings).Compile();

    /// <summary>A moment without passed marks.</summary>
    public static PolicyMoment At(DateTimeOffset now, params int[] activeMarks) =>
        new(now, new Dictionary<string, double>(StringComparer.Ordinal), activeMarks.ToHashSet());

    /// <summary>A hot file of 1 MiB, changed and read an hour before noon.</summary>
    public static FileFacts File(string path) => new()
    {
        Inode = new InodeId(7),
        Path = path,
        SizeBytes = 1 << 20,
        ModifiedAt = Noon.AddHours(-1),
        AccessedAt = Noon.AddHours(-1),
        State = TierState.Hot,
        Pool = "default",
    };

    /// <summary>The name of the rule that wins; empty where none does.</summary>
    public static string Winner(this CompiledPolicy policy, FileFacts facts, PolicyMoment? moment = null)
    {
        moment ??= At(Noon);
        PlacementDecision decision = policy.Decide(facts, moment);
        PolicyExplanation explained = policy.Explain(facts, moment);
        Assert.Same(decision, explained.Decision);
        Assert.Equal(decision.RuleIndex >= 0, explained.Rules.Count > 0 && explained.Rules[^1].IsMatch);
        return decision.RuleName;
    }
}
