using System.Globalization;
using System.Text.RegularExpressions;

namespace DataLayer.Tests.House;

/// <summary>
/// <c>docs/SEMANTICS.md</c> is executed statement by statement: each row of each promise names tests that exist. They are looked up
/// in the sources, so that the check needs no other test project to be built.
/// </summary>
public sealed partial class SemanticsTests
{
    private static readonly int[] _apply = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12];
    private static readonly int[] _mountsOnly = [9, 11];

    [Fact]
    public void Every_promise_is_there_and_those_that_apply_have_statements()
    {
        IReadOnlyDictionary<int, string> promises = ReadPromises();
        Assert.Equal(Enumerable.Range(1, 12), promises.Keys.Order());
        Assert.All(_apply, number => Assert.NotEmpty(Statements(promises[number])));
        Assert.All(_mountsOnly, number => Assert.Contains("(#on-a-mount)", promises[number], StringComparison.Ordinal));
    }

    [Fact]
    public void Every_promise_has_statements_about_mounts()
    {
        string[] parts = Mounts().Split("\n### ")[1..];
        Assert.All(parts, part => Assert.NotEmpty(Statements(part)));
        int[] numbers =
        [
            .. parts.SelectMany(part => MountNumber().Matches(part.Split('\n')[0]))
                .Select(match => int.Parse(match.ValueSpan, CultureInfo.InvariantCulture)),
        ];
        Assert.Equal(Enumerable.Range(1, 12), numbers);
    }

    [Fact]
    public void Every_statement_names_tests_that_exist()
    {
        HashSet<string> tests = FindTests();
        List<string> faults = [];
        SortedDictionary<int, string> promises = ReadPromises();
        promises.Add(0, Mounts());
        foreach ((int number, string text) in promises)
        {
            foreach ((string statement, string[] named) in Statements(text))
            {
                if (named.Length == 0)
                {
                    faults.Add($"promise {number}: no test for: {statement}");
                }

                faults.AddRange(named.Where(test => !tests.Contains(test)).Select(test => $"promise {number}: there is no test {test}"));
            }
        }

        Assert.Empty(faults);
    }

    private static string Mounts()
    {
        string text = File.ReadAllText(Path.Combine(Repository.Root, "docs", "SEMANTICS.md"));
        int start = text.IndexOf("\n## On a mount", StringComparison.Ordinal);
        return text[start..text.IndexOf("\n## ", start + 1, StringComparison.Ordinal)];
    }

    private static SortedDictionary<int, string> ReadPromises()
    {
        string text = File.ReadAllText(Path.Combine(Repository.Root, "docs", "SEMANTICS.md"));
        SortedDictionary<int, string> promises = [];
        MatchCollection heads = Heading().Matches(text);
        for (int i = 0; i < heads.Count; i++)
        {
            int next = text.IndexOf("\n## ", heads[i].Index + 1, StringComparison.Ordinal);
            int end = next < 0 ? text.Length : next;
            promises.Add(int.Parse(heads[i].Groups["number"].Value, CultureInfo.InvariantCulture), text[heads[i].Index..end]);
        }

        return promises;
    }

    private static IEnumerable<(string Statement, string[] Tests)> Statements(string promise) =>
        promise.Split('\n')
            .Where(line => line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| statement", StringComparison.Ordinal))
            .Select(line => line.Trim('|').Split('|'))
            .Select(cells => (cells[0].Trim(), TestName().Matches(cells[^1]).Select(match => match.Groups["test"].Value).ToArray()));

    /// <summary>All tests as <c>Class.Method</c>, read from the sources of the test projects.</summary>
    internal static HashSet<string> FindTests()
    {
        HashSet<string> tests = new(StringComparer.Ordinal);
        foreach (string file in Repository.Files("*.cs", "tests"))
        {
            string text = File.ReadAllText(file);
            string[] types = [.. TypeDeclaration().Matches(text).Select(match => match.Groups["name"].Value)];
            foreach (Match method in TestMethod().Matches(text))
            {
                tests.UnionWith(types.Select(type => $"{type}.{method.Groups["name"].Value}"));
            }
        }

        return tests;
    }

    [GeneratedRegex(@"^## (?<number>\d+)\. ", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"\d+(?=\.)")]
    private static partial Regex MountNumber();

    [GeneratedRegex(@"`(?<test>\w+\.\w+)`")]
    private static partial Regex TestName();

    [GeneratedRegex(@"\bclass\s+(?<name>\w+)")]
    private static partial Regex TypeDeclaration();

    [GeneratedRegex(@"\[(?:Fact|Theory|Property|PosixCheck)\b[^\n]*\](?:\s*\[[^\n]*\])*\s*public\s+(?:async\s+)?[\w<>]+\s+(?<name>\w+)\s*\(")]
    private static partial Regex TestMethod();
}
