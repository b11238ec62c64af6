using System.Text.RegularExpressions;

namespace DataLayer.Tests.House;

/// <summary>Each runbook of <c>docs/RUNBOOKS.md</c> is exercised by tests that exist, and its alerts are those that are shipped.</summary>
public sealed partial class RunbooksTests
{
    [Fact]
    public void Every_runbook_has_signs_what_holds_what_to_do_and_tests_that_exist()
    {
        HashSet<string> tests = SemanticsTests.FindTests();
        string[] runbooks = File.ReadAllText(Path.Combine(Repository.Root, "docs", "RUNBOOKS.md")).Split("\n## ")[1..];
        Assert.True(runbooks.Length >= 10, $"{runbooks.Length} runbooks");
        List<string> faults = [];
        foreach (string runbook in runbooks)
        {
            string name = runbook[..runbook.IndexOf('\n', StringComparison.Ordinal)];
            faults.AddRange(new[] { "**Signs.**", "**Holds.**", "**Do.**", "**Tests.**" }
                .Where(part => !runbook.Contains(part, StringComparison.Ordinal)).Select(part => $"{name}: no {part}"));
            string[] named = [.. TestName().Matches(runbook[runbook.IndexOf("**Tests.**", StringComparison.Ordinal)..]).Select(m => m.Groups["test"].Value)];
            faults.AddRange(named.Where(test => !tests.Contains(test)).Select(test => $"{name}: there is no test {test}"));
            faults.AddRange(named.Length > 0 ? [] : [$"{name}: no test"]);
        }

        Assert.Empty(faults);
    }

    [Fact]
    public void Every_alert_that_a_runbook_names_is_shipped()
    {
        string rules = string.Concat(Repository.Files("*.yaml", Path.Combine("csi", "deploy", "monitoring")).Select(File.ReadAllText));
        string text = File.ReadAllText(Path.Combine(Repository.Root, "docs", "RUNBOOKS.md"));
        string[] named = [.. Alert().Matches(text).Select(m => m.Value).Distinct(StringComparer.Ordinal)];
        Assert.NotEmpty(named);
        Assert.All(named, alert => Assert.Contains("alert: " + alert, rules, StringComparison.Ordinal));
    }

    [GeneratedRegex(@"`(?<test>\w+Tests\.\w+)`")]
    private static partial Regex TestName();

    [GeneratedRegex(@"\bDataLayer[A-Z]\w+(?=`)")]
    private static partial Regex Alert();
}
