using System.Text.RegularExpressions;
using DataLayer.Tests.House;

namespace DataLayer.Tests.Tiering.Policies;

/// <summary>The code blocks of docs/POLICIES.md.</summary>
internal static partial class PolicyGuide
{
    /// <summary>The guide.</summary>
    public static string Text { get; } = File.ReadAllText(Path.Combine(Repository.Root, "docs", "POLICIES.md"));

    /// <summary>The whole policies in it, in order.</summary>
    public static IReadOnlyList<string> Policies { get; } = Blocks("yaml");

    /// <summary>The blocks of one language, in order.</summary>
    public static IReadOnlyList<string> Blocks(string language) =>
        [.. Block().Matches(Text).Where(m => m.Groups["language"].Value == language).Select(m => m.Groups["text"].Value)];

    [GeneratedRegex("^```(?<language>[a-z]*)\n(?<text>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();
}
