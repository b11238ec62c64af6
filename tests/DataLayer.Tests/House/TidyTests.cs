using System.Text.RegularExpressions;

namespace DataLayer.Tests.House;

/// <summary>The house style as ratchets: the lists of exceptions only shrink.</summary>
public sealed partial class TidyTests
{
    private const int FileLineLimit = 800;
    private const int LineLengthLimit = 120;
    private static readonly string[] _code = ["src", "csi", "tests", "benchmarks"];
    private static readonly string[] _bannedEndings = ["Manager", "Helper", "Helpers", "Utils", "Util", "Impl", "Info", "Data", "Common"];

    [Fact]
    public void No_file_passes_800_lines()
    {
        Assert.Empty(Repository.Files("*.cs", _code)
            .Select(file => (File: Repository.Relative(file), Lines: File.ReadLines(file).Count()))
            .Where(file => file.Lines > FileLineLimit)
            .Select(file => $"{file.File}: {file.Lines} lines"));
    }

    [Fact]
    public void No_line_of_the_product_passes_120_characters()
    {
        Assert.Empty(Repository.Files("*.cs", "src", "csi")
            .SelectMany(file => File.ReadLines(file).Select((line, i) => (file, line, i)))
            .Where(x => x.line.Length > LineLengthLimit)
            .Select(x => $"{Repository.Relative(x.file)}:{x.i + 1}: {x.line.Length}"));
    }

    [Fact]
    public void No_type_has_a_name_that_says_nothing()
    {
        Assert.Empty(Repository.Files("*.cs", _code)
            .SelectMany(file => TypeDeclaration().Matches(File.ReadAllText(file))
                .Select(match => (File: Repository.Relative(file), Type: match.Groups["name"].Value)))
            .Where(x => _bannedEndings.Any(ending => x.Type.EndsWith(ending, StringComparison.Ordinal)))
            .Select(x => $"{x.File}: {x.Type}"));
    }

    [Fact]
    public void No_folder_is_a_place_for_leftovers()
    {
        string[] banned = ["Helpers", "Utils", "Common", "Misc", "Shared"];
        Assert.Empty(Repository.Files("*.cs", _code)
            .Where(file => Repository.Relative(file).Split('/').Intersect(banned).Any()));
    }

    [Fact]
    public void No_unfinished_business_is_left_in_the_code()
    {
        string[] marks = ["TO" + "DO", "FIX" + "ME", "HA" + "CK:", "NotImplemented" + "Exception", "CONTRACT" + " SKETCH"];
        Assert.Empty(Repository.Files("*.cs", _code)
            .SelectMany(file => File.ReadLines(file).Select((line, i) => (file, line, i)))
            .Where(x => marks.Any(mark => x.line.Contains(mark, StringComparison.Ordinal)))
            .Select(x => $"{Repository.Relative(x.file)}:{x.i + 1}: {x.line.Trim()}"));
    }

    [Fact]
    public void No_test_is_skipped_or_waits_by_sleeping()
    {
        Regex wanted = SkipOrSleep();
        Assert.Empty(Repository.Files("*.cs", "tests")
            .SelectMany(file => File.ReadLines(file).Select((line, i) => (file, line, i)))
            .Where(x => wanted.IsMatch(x.line) && !x.file.EndsWith("TidyTests.cs", StringComparison.Ordinal))
            .Select(x => $"{Repository.Relative(x.file)}:{x.i + 1}: {x.line.Trim()}"));
    }

    [Fact]
    public void Every_link_in_the_documents_leads_somewhere()
    {
        List<string> dead = [];
        foreach (string file in Repository.Files("*.md"))
        {
            foreach (Match match in Link().Matches(File.ReadAllText(file)))
            {
                string target = match.Groups["target"].Value.Split('#')[0];
                bool outside = target.Length == 0 || target.Contains("://", StringComparison.Ordinal)
                    || target.StartsWith("mailto:", StringComparison.Ordinal);
                string path = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, target));
                if (!outside && !File.Exists(path) && !Directory.Exists(path))
                {
                    dead.Add($"{Repository.Relative(file)}: {target}");
                }
            }
        }

        Assert.Empty(dead);
    }

    [Fact]
    public void The_top_level_holds_what_the_style_names_and_nothing_else()
    {
        string[] allowed =
        [
            "src", "tests", "benchmarks", "csi", "docs", "eng", "examples", "Dockerfile", "DataLayer.sln", "README.md", "LICENSE",
            "Directory.Build.props", "Directory.Packages.props", "global.json", "artifacts", "TestResults",
        ];
        Assert.Empty(Directory.EnumerateFileSystemEntries(Repository.Root)
            .Select(entry => Path.GetFileName(entry)!)
            .Where(name => !name.StartsWith('.') && !allowed.Contains(name)));
    }

    [Fact]
    public void Every_decision_record_has_its_own_number_and_a_title()
    {
        string[] records = [.. Repository.Files("*.md", "docs/decisions").Select(f => Path.GetFileName(f)!)];
        Assert.All(records, name => Assert.Matches("^[0-9]{4}-[a-z0-9-]+\\.md$", name));
        Assert.Equal(records.Length, records.Select(name => name[..4]).Distinct(StringComparer.Ordinal).Count());
    }

    [GeneratedRegex(@"\b(?:class|struct|record|interface|enum)\s+(?:struct\s+|class\s+)?(?<name>[A-Z]\w+)")]
    private static partial Regex TypeDeclaration();

    [GeneratedRegex(@"\[(?:Fact|Theory)\(.*Skip\s*=|Thread\.Sleep\(|Task\.Delay\(\s*\d")]
    private static partial Regex SkipOrSleep();

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Link();
}
