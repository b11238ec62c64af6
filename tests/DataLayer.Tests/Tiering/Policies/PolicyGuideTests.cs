using System.Text.Json.Nodes;
using DataLayer.Server.Cli;
using DataLayer.TestSupport;
using DataLayer.Tests.Server;

namespace DataLayer.Tests.Tiering.Policies;

public sealed class PolicyGuideTests
{
    [Fact]
    public void The_policies_of_the_guide_are_good_and_without_warnings()
    {
        Assert.True(PolicyGuide.Policies.Count >= 3);
        Assert.All(PolicyGuide.Policies, p => PolicyFixture.Read(p));
    }

    [Fact]
    public async Task The_commands_of_the_guide_print_what_it_says()
    {
        using TempFolder folder = new("guide");
        foreach (string policy in PolicyGuide.Policies)
        {
            await File.WriteAllTextAsync(folder.Combine(policy.Split('\n')[0][2..]), policy);
        }

        int checkedCount = 0;
        foreach (string block in PolicyGuide.Blocks("console"))
        {
            string[] lines = block.TrimEnd('\n').Split('\n');
            for (int i = 0; i + 1 < lines.Length; i += 2)
            {
                if (!lines[i].StartsWith("$ datalayer policy test ", StringComparison.Ordinal) || lines[i].Contains("FILE", StringComparison.Ordinal))
                {
                    break;
                }

                string[] words = lines[i]["$ datalayer ".Length..].Split(' ');
                words[2] = folder.Combine(words[2]);
                (int status, string text, string error) = await RunAsync(words);
                Assert.Equal((0, string.Empty), (status, error));
                Assert.Equal(lines[i + 1], text.Split('\n')[0]);
                checkedCount++;
            }
        }

        Assert.True(checkedCount >= 14, $"{checkedCount}");
    }

    [Fact]
    public async Task Check_prints_every_error_with_file_line_and_column_and_fails()
    {
        using TempFolder folder = new("guide");
        string file = folder.Combine("p.yaml");
        await File.WriteAllTextAsync(file, "version: 1\nrules:\n  - name: a\n    match: {size: 5}\n    then: {place: cool}\n");
        (int status, string text, string error) = await RunAsync("policy", "check", file);
        Assert.Equal((ExitCode.Usage, string.Empty), (status, text));
        string[] lines = error.TrimEnd().Split('\n');
        Assert.Equal(2, lines.Length);
        Assert.StartsWith($"{file}:4:19: 'size' '5' does not start with", lines[0], StringComparison.Ordinal);
        Assert.EndsWith("Did you mean 'cold'?", lines[1], StringComparison.Ordinal);
        (status, _, error) = await RunAsync("policy", "check", file, "--json");
        Assert.Equal((ExitCode.Usage, 5), (status, (int)JsonNode.Parse(error.TrimEnd().Split('\n')[1])!["line"]!));
        (status, _, error) = await RunAsync("policy", "test", file, "--path", "/a");
        Assert.Equal((ExitCode.Usage, 2), (status, error.TrimEnd().Split('\n').Length));
    }

    [Fact]
    public async Task Good_files_are_checked_compared_and_explained_without_a_service()
    {
        using TempFolder folder = new("guide");
        (string a, string b) = (folder.Combine("a.yaml"), folder.Combine("b.yaml"));
        await File.WriteAllTextAsync(a, PolicyGuide.Policies[0]);
        await File.WriteAllTextAsync(b, PolicyGuide.Policies[0].Replace("idle: \"> 30d\"", "idle: \"> 60d\"", StringComparison.Ordinal));
        (int status, string text, _) = await RunAsync("policy", "check", a);
        Assert.Equal(0, status);
        Assert.StartsWith("The policy is good: 4 rules, hash ", text, StringComparison.Ordinal);
        (status, text, _) = await RunAsync("policy", "diff", a, b);
        Assert.Equal(0, status);
        Assert.Contains("changed rule 'small old files into packs'\n  match.idle: > 30d → > 60d\n", text, StringComparison.Ordinal);
        (_, text, _) = await RunAsync("policy", "diff", a, a);
        Assert.Equal("Both mean the same.\n", text);
        (status, text, _) = await RunAsync("policy", "test", a, "--path", "/data/x", "--json");
        Assert.Equal(0, status);
        Assert.Equal("the rest is safe in the bucket", (string)JsonNode.Parse(text)!["decision"]!["ruleName"]!);
        (status, text, _) = await RunAsync("policy", "schema");
        Assert.Equal("DataLayer tiering policy", (string)JsonNode.Parse(text)!["title"]!);
        (status, _, string error) = await RunAsync("policy", "test", a, "--path", "/data/x", "--size", "much");
        Assert.Equal(ExitCode.Usage, status);
        Assert.Contains("--size 10MiB", error, StringComparison.Ordinal);
    }

    private static Task<CliRun> RunAsync(params string[] arguments) =>
        CliRun.RunAsync(arguments, server: null, time: new FixedTime(PolicyFixture.Noon));

    private sealed class FixedTime(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}
