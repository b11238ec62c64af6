using System.Globalization;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>
/// A policy as people write it: rules in order, of which the first that matches a file decides, with the windows and
/// calendars they name. docs/POLICIES.md tells the language. Never changed once read.
/// </summary>
public sealed class PolicyDocument
{
    internal PolicyDocument(
        string text, string? description, TimeZoneInfo zone,
        (List<PolicyCalendar> Calendars, List<PolicyWindow> Windows) named, List<PolicyRule> rules)
    {
        Text = text;
        Description = description;
        Zone = zone;
        Calendars = named.Calendars;
        Windows = named.Windows;
        Rules = rules;
    }

    /// <summary>The text it was read from.</summary>
    public string Text { get; }

    /// <summary>What people wrote about it, or null.</summary>
    public string? Description { get; }

    /// <summary>How many rules it has.</summary>
    public int RuleCount => Rules.Count;

    internal TimeZoneInfo Zone { get; }

    internal IReadOnlyList<PolicyCalendar> Calendars { get; }

    internal IReadOnlyList<PolicyWindow> Windows { get; }

    internal IReadOnlyList<PolicyRule> Rules { get; }

    /// <summary>Reads a document: all errors at once, each with its place.</summary>
    /// <param name="yaml">The text; at most 8 MiB, 20,000 rules.</param>
    /// <returns>The policy, or what is wrong with it; never both.</returns>
    public static PolicyParseResult Parse(string yaml)
    {
        ArgumentNullException.ThrowIfNull(yaml);
        PolicyErrors errors = new();
        PolicyDocument? policy = PolicyReader.Read(yaml, errors);
        if (policy is not null)
        {
            UnreachableRules.Warn(policy.Rules, errors);
        }

        return new PolicyParseResult(policy, errors.ToErrors(), errors.ToWarnings());
    }

    /// <summary>Makes the form that decides quickly: takes milliseconds for thousands of rules, and is worth
    /// keeping.</summary>
    public CompiledPolicy Compile() => new(this);

    /// <summary>The name of a rule by its place in the document, from 0.</summary>
    public string GetRuleName(int ruleIndex) => Rules[ruleIndex].Name;

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"policy of {RuleCount} rules");
}
