using System.Globalization;
using DataLayer.Core.Layout;
using DataLayer.Core.Text;
using DataLayer.Core.Tree;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>Says of one rule and one file which condition fails first, in the order in which the language lists
/// them.</summary>
internal static class RuleTracer
{
    private static readonly (string? Failed, string Reason) _holds = (null, string.Empty);

    /// <summary>Looks at a rule.</summary>
    public static RuleTrace Trace(PolicyRule rule, in FileFacts facts, PolicyMoment moment)
    {
        (string? failed, string reason) = Match(rule.Match, facts, moment.Now);
        if (failed is null)
        {
            (failed, reason) = When(rule, facts, moment);
        }

        return new RuleTrace(
            rule.Index, rule.Name, rule.Place.Line, failed, failed is null ? "all conditions hold" : reason);
    }

    private static (string? Failed, string Reason) Match(RuleMatch match, in FileFacts facts, DateTimeOffset now)
    {
        if (match.Paths is not null && !match.ContainsPath(facts.Path))
        {
            return ("match.path", $"{facts.Path} does not fit {Join(match.PathTexts)}");
        }

        if (Name("tenant", match.Tenants, facts.Tenant) is { } tenant)
        {
            return tenant;
        }

        if (Name("dataset", match.Datasets, facts.Dataset) is { } dataset)
        {
            return dataset;
        }

        if (match.Owners is not null && !match.ContainsOwner(facts.OwnerId))
        {
            return ("match.owner", $"owner {facts.OwnerId}, asked for {PolicyCanonical.OwnersText(match.Owners)}");
        }

        if (!match.Size.Contains(facts.SizeBytes))
        {
            return ("match.size",
                $"{ByteSize.Format(facts.SizeBytes)}, asked for {match.Size.ToText(PolicyUnit.Bytes)}");
        }

        double age = CompiledPolicy.AgeOf(facts, now);
        if (!match.Age.Contains(age))
        {
            return ("match.age", $"changed {Duration(age)} ago, asked for {match.Age.ToText(PolicyUnit.Seconds)}");
        }

        double idle = CompiledPolicy.IdleOf(facts, now);
        if (!match.Idle.Contains(idle))
        {
            return ("match.idle", $"used {Duration(idle)} ago, asked for {match.Idle.ToText(PolicyUnit.Seconds)}");
        }

        if (!match.Heat.Contains(facts.Heat))
        {
            string heat = facts.Heat.ToString("0.###", CultureInfo.InvariantCulture);
            return ("match.heat", $"heat {heat}, asked for {match.Heat.ToText(PolicyUnit.Number)}");
        }

        if (match.StateMask != 0 && (match.StateMask & (1 << (int)facts.State)) == 0)
        {
            return ("match.state",
                $"{StateText(facts.State)}, asked for {PolicyCanonical.StatesText(match.StateMask)}");
        }

        return Name("storageClass", match.StorageClasses, facts.StorageClass)
            ?? Name("pool", match.Pools, facts.Pool)
            ?? _holds;
    }

    private static (string? Failed, string Reason) When(PolicyRule rule, in FileFacts facts, PolicyMoment moment)
    {
        RuleTiming when = rule.When;
        if (when.Fill is { } fill)
        {
            if (fill.Pool != facts.Pool)
            {
                return ("when.fill.pool", $"the file's pool is {facts.Pool ?? "none"}, asked for {fill.Pool}");
            }

            if (!moment.ActiveMarks.Contains(rule.Index))
            {
                string marks = $"from {Percent(fill.High)} until {Percent(fill.Low)}";
                return ("when.fill",
                    moment.PoolFill.TryGetValue(fill.Pool, out double now)
                        ? $"pool {fill.Pool} is {Percent(now)} full, asked for {marks}"
                        : $"the fill of pool {fill.Pool} is not known, asked for {marks}");
            }
        }

        if (when.Inside.Count > 0 && !AnyOpen(when.Inside, moment.Now, out _))
        {
            return ("when.window", $"{At(when.Inside[0], moment.Now)} is outside of {Names(when.Inside)}");
        }

        return AnyOpen(when.Outside, moment.Now, out PolicyWindow? open)
            ? ("when.outside", $"{At(open!, moment.Now)} is inside of {open!.Name}")
            : _holds;
    }

    private static bool AnyOpen(IReadOnlyList<PolicyWindow> windows, DateTimeOffset now, out PolicyWindow? open)
    {
        foreach (PolicyWindow window in windows)
        {
            if (window.IsOpen(now))
            {
                open = window;
                return true;
            }
        }

        open = null;
        return false;
    }

    private static (string? Failed, string Reason)? Name(string key, NameSet? asked, string? has) =>
        asked is null || asked.Contains(has)
            ? null
            : ($"match.{key}", $"{key} {has ?? NameSet.None}, asked for {Join(asked.Texts)}");

    private static string StateText(TierState state) =>
        state is >= TierState.Hot and <= TierState.Recalling
            ? PolicyKeys.States[(int)state - 1]
            : string.Create(CultureInfo.InvariantCulture, $"state {(int)state}");

    private static string At(PolicyWindow window, DateTimeOffset now)
    {
        DateTimeOffset local = TimeZoneInfo.ConvertTime(now, window.Zone);
        return string.Create(CultureInfo.InvariantCulture, $"{local:ddd yyyy-MM-dd HH:mm} {window.Zone.Id}");
    }

    private static string Names(IReadOnlyList<PolicyWindow> windows)
    {
        List<string> names = [];
        foreach (PolicyWindow window in windows)
        {
            names.Add(window.Name);
        }

        return Join(names);
    }

    private static string Join(IReadOnlyList<string> texts)
    {
        const int MaxShown = 8;
        List<string> shown = [];
        foreach (string text in texts)
        {
            if (shown.Count == MaxShown)
            {
                shown.Add(string.Create(CultureInfo.InvariantCulture, $"{texts.Count - MaxShown} more"));
                break;
            }

            shown.Add(text);
        }

        return string.Join(" or ", shown);
    }

    private static string Percent(double share) =>
        (share * 100).ToString("0.##", CultureInfo.InvariantCulture) + "%";

    private static string Duration(double seconds) =>
        seconds >= 2 * 86400 ? (seconds / 86400).ToString("0.#", CultureInfo.InvariantCulture) + "d"
        : seconds >= 2 * 3600 ? (seconds / 3600).ToString("0.#", CultureInfo.InvariantCulture) + "h"
        : UnitText.FormatDuration(TimeSpan.FromSeconds(Math.Floor(seconds)));
}
