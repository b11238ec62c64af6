using System.Text;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Tests.Engine;

namespace DataLayer.Tests.Tiering.Policies;

public sealed class BadPolicyTests
{
    private const char Marker = '⟦';

    public static TheoryData<int> Cases => [.. Enumerable.Range(0, BadPolicies.All.Count())];

    [Fact]
    public void There_are_at_least_200_of_them_and_no_two_are_alike()
    {
        string[] all = [.. BadPolicies.All];
        Assert.True(all.Length >= 200, $"{all.Length}");
        Assert.Equal(all.Length, all.Distinct(StringComparer.Ordinal).Count());
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Each_error_of_a_bad_policy_is_reported_at_its_place_and_no_other(int index)
    {
        (string text, List<(int Line, int Column)> places) = Strip(BadPolicies.All.ElementAt(index));
        PolicyParseResult result = PolicyDocument.Parse(text);
        Assert.Null(result.Policy);
        Assert.True(
            places.SequenceEqual(result.Errors.Select(e => (e.Line, e.Column))),
            $"{text}\nexpected {string.Join(' ', places)}\n{string.Join('\n', result.Errors)}");
        Assert.All(result.Errors, Says_what_is_wrong_and_what_to_write);
    }

    [Fact]
    public async Task None_of_them_changes_the_active_policy()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        PolicyVersions policies = new(fixture.Tree);
        const string Good = "version: 1\nrules: [{name: kept, match: {path: /data/**}, then: {place: cold}}]\n";
        PolicySetResult set = await policies.SetAsync(Good, "tester", "", activate: true, ifActive: null, CancellationToken.None);

        foreach (string bad in BadPolicies.All)
        {
            PolicySetResult refused = await policies.SetAsync(
                Strip(bad).Text, "tester", "", activate: true, ifActive: null, CancellationToken.None);
            Assert.Null(refused.Version);
        }

        ActivePolicy? active = await policies.GetActiveAsync(CancellationToken.None);
        Assert.Equal((set.Version!.Version, set.Version.Hash), (active!.Version, active.Policy.Hash));
        Assert.Single(await policies.ListAsync(before: null, limit: 10, CancellationToken.None));
    }

    [Fact]
    public void An_unknown_key_or_name_comes_with_the_one_that_was_most_likely_meant()
    {
        PolicyParseResult result = PolicyDocument.Parse(
            """
            version: 1
            calendars: {nyse: {closed: [12-25]}}
            windows: {night: {calendar: nise, dais: mon}}
            rules:
              - name: a
                match: {storageclass: X, state: relaesed}
                when: {window: nigth}
                then: {plaec: cold, place: releese}
            """);
        Assert.Equal(
            ["nyse", "days", "storageClass", "released", "night", "place", "release"],
            result.Errors.Select(e => e.Remedy).Select(r => r.Split('\'')[1]));
    }

    [Fact]
    public void A_comparison_without_quotes_is_told_about_quotes()
    {
        PolicyParseResult result = PolicyDocument.Parse("version: 1\nrules:\n- name: a\n  match:\n    size: >= 10 MiB\n  then: {place: cold}\n");
        Assert.Contains("quotes", Assert.Single(result.Errors).Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void Errors_before_the_place_where_the_text_stops_being_yaml_are_reported_too()
    {
        PolicyParseResult result = PolicyDocument.Parse("version: 2\ntimeZone: Mars/X\nrules:\n  - name: a\n    then: {place: warm}\n  - name: [\n");
        Assert.Equal([1, 2, 5], result.Errors.Select(e => e.Line).Take(3));
        Assert.Contains("not YAML", result.Errors[^1].Message, StringComparison.Ordinal);
        Assert.Equal(4, result.Errors.Count);
    }

    [Fact]
    public void A_flood_of_errors_is_cut_and_counted()
    {
        StringBuilder text = new("version: 1\nrules:\n");
        for (int i = 0; i < 5000; i++)
        {
            text.Append("  - {name: a, then: {place: x}}\n");
        }

        PolicyParseResult result = PolicyDocument.Parse(text.ToString());
        Assert.Equal(1001, result.Errors.Count);
        Assert.Equal("There are 8999 more errors.", result.Errors[^1].Message);
    }

    [Fact]
    public void Documents_too_large_too_deep_or_with_too_many_rules_are_refused()
    {
        Assert.Contains("8 MiB", OneError(new string('#', (8 << 20) + 1)).Message, StringComparison.Ordinal);
        string bomb = "version: 1\na: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
        Assert.Contains(PolicyDocument.Parse(bomb).Errors, e => e.Message.Contains("alias", StringComparison.Ordinal));
        string deep = "version: 1\nrules: " + new string('[', 100_000) + new string(']', 100_000);
        Assert.Contains(PolicyDocument.Parse(deep).Errors, e => e.Message.Contains("deeper", StringComparison.Ordinal));
        StringBuilder many = new("version: 1\nrules:\n");
        for (int i = 0; i <= PolicyReader.MaxRules; i++)
        {
            many.Append("- {name: r").Append(i).Append(", then: {place: hot}}\n");
        }

        Assert.Contains("20001 rules", OneError(many.ToString()).Message, StringComparison.Ordinal);
        static PolicyError OneError(string text) => Assert.Single(PolicyDocument.Parse(text).Errors);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void A_mutated_policy_is_read_or_refused_with_places_and_never_breaks_the_reader(int seed)
    {
        Random random = new(seed);
        string[] seeds = [.. PolicyExamples.All];
        int refused = 0;
        for (int i = 0; i < 1500; i++)
        {
            string text = Mutate(seeds[random.Next(seeds.Length)], random);
            PolicyParseResult result = PolicyDocument.Parse(text);
            string[] lines = text.Split('\n');
            Assert.True(result.Policy is null == result.Errors.Count > 0, $"seed {seed} step {i}: {text}");
            foreach (PolicyError error in result.Errors.Concat(result.Warnings))
            {
                Says_what_is_wrong_and_what_to_write(error);
                Assert.True(error.Line <= lines.Length + 1, $"seed {seed} step {i}: {error}\n{text}");
            }

            refused += result.Policy is null ? 1 : 0;
            if (result.Policy is { } policy)
            {
                Assert.Equal(64, policy.Compile().Hash.Length);
            }
        }

        Assert.True(refused > 200, $"{refused}");
    }

    private static void Says_what_is_wrong_and_what_to_write(PolicyError error)
    {
        Assert.True(error.Line >= 1 && error.Column >= 1, error.ToString());
        Assert.True(error.Message.Length > 10 && error.Message[^1] == '.' && !char.IsLower(error.Message[0]), error.ToString());
        Assert.True(error.Remedy.Length > 8 && error.Remedy[^1] is '.' or '?', error.ToString());
        Assert.DoesNotContain('\n', error.Message);
    }

    private static string Mutate(string text, Random random)
    {
        const string Alphabet = "{}[]:,-'\"#&*!|>%@`\\ \n\t~?/abz019.=<\u00e9\ud83d";
        StringBuilder mutated = new(text);
        for (int n = random.Next(1, 4); n > 0; n--)
        {
            int at = random.Next(mutated.Length);
            switch (random.Next(5))
            {
                case 0:
                    mutated.Insert(at, Alphabet[random.Next(Alphabet.Length)]);
                    break;
                case 1:
                    mutated.Remove(at, Math.Min(random.Next(1, 12), mutated.Length - at));
                    break;
                case 2:
                    mutated[at] = Alphabet[random.Next(Alphabet.Length)];
                    break;
                case 3:
                    string copy = mutated.ToString(at, Math.Min(random.Next(1, 60), mutated.Length - at));
                    mutated.Insert(random.Next(mutated.Length), copy);
                    break;
                default:
                    string[] lines = mutated.ToString().Split('\n');
                    (int a, int b) = (random.Next(lines.Length), random.Next(lines.Length));
                    (lines[a], lines[b]) = (lines[b], lines[a]);
                    mutated = new StringBuilder(string.Join('\n', lines));
                    break;
            }

            if (mutated.Length == 0)
            {
                mutated.Append(' ');
            }
        }

        return mutated.ToString();
    }

    private static (string Text, List<(int Line, int Column)> Places) Strip(string marked)
    {
        StringBuilder text = new();
        List<(int Line, int Column)> places = [];
        int line = 1;
        int column = 1;
        foreach (char c in marked)
        {
            if (c == Marker)
            {
                places.Add((line, column));
                continue;
            }

            text.Append(c);
            (line, column) = c == '\n' ? (line + 1, 1) : (line, column + 1);
        }

        return (text.ToString(), places);
    }
}
