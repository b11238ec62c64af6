using System.Text.RegularExpressions;
using DataLayer.TestSupport;

namespace DataLayer.EndToEndTests.Posix;

/// <summary>
/// The checks that do not hold everywhere, read from the table of <c>docs/SEMANTICS.md</c> ("Where file systems differ"). A method named
/// there stands for all of its arguments.
/// </summary>
internal static partial class PosixDifferences
{
    /// <summary>All rows: check and file system.</summary>
    internal static IReadOnlyList<(string Check, string Where)> All { get; } = Read();

    /// <summary>Whether a check is listed as one that differs on a file system.</summary>
    internal static bool Lists(string check, string where) =>
        All.Any(row => row.Where == where && (row.Check == check || check.StartsWith(row.Check + "(", StringComparison.Ordinal)));

    /// <summary>Runs a check that must hold, or must not where it is listed.</summary>
    internal static void Run(string check, string where, Action run)
    {
        if (!Lists(check, where))
        {
            run();
            return;
        }

        var failure = Record.Exception(run);
        Assert.True(failure is not null, $"docs/SEMANTICS.md lists {check} as different on {where}, but it holds there.");
    }

    private static List<(string Check, string Where)> Read()
    {
        var text = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "SEMANTICS.md"));
        return [.. Row().Matches(text).Select(row => (row.Groups["check"].Value, row.Groups["where"].Value))];
    }

    [GeneratedRegex(@"^\| `(?<check>\w+\.\w+(?:\([^`]*\))?)` \| (?<where>\w+) \| [^|]+ \| [^|]+ \|$", RegexOptions.Multiline)]
    private static partial Regex Row();
}
