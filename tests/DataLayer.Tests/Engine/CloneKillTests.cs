using System.Globalization;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Nodes;
using DataLayer.TestSupport.Processes;
using Xunit.Abstractions;

namespace DataLayer.Tests.Engine;

/// <summary>
/// A process that clones files, changes clones and (shape 3) their numbers of copies is killed between any two steps; every file has the
/// bytes its own changes gave it, and nothing is left over. DATALAYER_CLONE_KILLS sets how many kills for each shape.
/// </summary>
public sealed class CloneKillTests(ITestOutputHelper output)
{
    private const int CopiesShape = 3;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Files_and_their_clones_keep_their_bytes_when_a_process_is_killed_between_any_two_steps(int shape)
    {
        int kills = int.Parse(Environment.GetEnvironmentVariable("DATALAYER_CLONE_KILLS") ?? "3", CultureInfo.InvariantCulture);
        int seed = int.Parse(Environment.GetEnvironmentVariable("DATALAYER_CLONE_SEED") ?? "7", CultureInfo.InvariantCulture);
        Random random = new((seed * 10) + shape);
        using TempFolder folder = new("clones");
        Dictionary<string, byte[]> model = [];
        Dictionary<string, int> killedAt = [];
        List<string> story = [];
        for (int round = 0; round < kills; round++)
        {
            int killStep = random.Next(1, round == 0 ? 900 : 500);
            string step;
            string at = killStep.ToString(CultureInfo.InvariantCulture);
            (step, model) = await KillAsync(folder.Path, random.Next(), shape, at, model, story);
            killedAt[step] = killedAt.GetValueOrDefault(step) + 1;
        }

        foreach ((string step, int count) in killedAt.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            output.WriteLine($"{count} killed at {step}");
        }

        await AssertNothingStaysAsync(folder.Path, shape);
    }

    [Fact]
    public async Task A_process_killed_at_each_step_of_a_change_of_copies_loses_no_copy_and_leaves_none_behind()
    {
        using TempFolder folder = new("copies");
        Dictionary<string, byte[]> model = [];
        List<string> story = [];
        Random random = new(int.Parse(Environment.GetEnvironmentVariable("DATALAYER_CLONE_SEED") ?? "7", CultureInfo.InvariantCulture));
        foreach (string name in (string[])["copies.owed", "copies.striped", "copies.copied", "copies.committed", "hotcopy.deleted"])
        {
            (string step, model) = await KillAsync(folder.Path, random.Next(), CopiesShape, name, model, story);
            Assert.Equal(name, step);
        }

        await AssertNothingStaysAsync(folder.Path, CopiesShape);
    }

    /// <summary>Runs the load until it is killed, and checks what it left.</summary>
    private static async Task<(string Step, Dictionary<string, byte[]> Files)> KillAsync(
        string folder, int seed, int shape, string killAt, Dictionary<string, byte[]> model, List<string> story)
    {
        List<string> lines = await RunKilledAsync(folder, seed, shape, killAt);
        string step = Assert.Single(lines, line => line[0] == '!')[2..];
        story.AddRange(lines);
        string what = $"seed {seed}, shape {shape}, killed at {step}";
        await using NodesEngine opened = await OpenAsync(folder, shape);
        NodesWorker worker = await NodesWorker.OpenAsync(opened.Engine.Nodes, CloneScript.Folder);
        string? open = Replay(model, lines);
        await CheckCopiesAsync(opened, lines, open, what);
        Dictionary<string, byte[]> found = await worker.ReadAllAsync();
        AssertMatches(found, model, open, what, story);
        ScrubReport scrub = await opened.Engine.ScrubAsync("/", null, default);
        Assert.True(scrub.BadFiles == 0, $"{what}: {scrub.BadFiles} bad files");
        CheckReport report = await opened.Engine.FsckAsync(repair: false, default);
        Assert.True(report.Problems.Count == 0, $"{what}: {string.Join('\n', report.Problems)}");
        return (step, found);
    }

    /// <summary>Removes all files; then no byte of them may be left on the targets.</summary>
    private static async Task AssertNothingStaysAsync(string folder, int shape)
    {
        await using NodesEngine last = await OpenAsync(folder, shape);
        await last.Engine.RemoveAsync("/" + CloneScript.Folder, recursive: true, ifMatch: null, default);
        while (await last.Engine.Context.Tree.ListJournalAsync(null, 0, 1, default) is { Count: > 0 })
        {
            last.Engine.Context.JournalSignal?.Invoke();
            await Task.Yield();
        }

        Assert.Empty(FilesOf(folder));
    }

    private static Task<NodesEngine> OpenAsync(string folder, int shape) => NodesEngine.OpenAsync(
        folder, keepOrphans: false, TimeSpan.FromHours(1), NodesEngine.TargetsOf(shape), shape == 2 ? 2 : 1, step: null);

    private static List<string> FilesOf(string folder) =>
        [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(path => path.Contains("/files/", StringComparison.Ordinal))];

    private static async Task<List<string>> RunKilledAsync(string folder, int seed, int shape, string killAt)
    {
        string program = BuiltProgram.Find("DataLayer.TestProcess", "DataLayer.TestProcess");
        CultureInfo plain = CultureInfo.InvariantCulture;
        using System.Diagnostics.Process process = Command.Start(
            "dotnet", [program, "clone-load", folder, seed.ToString(plain), shape.ToString(plain), killAt],
            environment: null);
        OrphanWatch.Add(process.Id);
        Task<string> error = process.StandardError.ReadToEndAsync();
        List<string> lines = [];
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.EndsWith(" .", StringComparison.Ordinal))
            {
                lines.Add(line[..^2]);
            }
        }

        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 137, $"The load ended by itself, {process.ExitCode}: {await error}\n{string.Join('\n', lines)}");
        return lines;
    }

    /// <summary>Applies what was acknowledged; returns the change under way, or null.</summary>
    private static string? Replay(Dictionary<string, byte[]> files, List<string> lines)
    {
        string? open = null;
        foreach (string line in lines.Where(line => line[0] is '>' or '<'))
        {
            open = line[0] == '>' ? line[2..] : null;
            if (open is null)
            {
                CloneScript.Apply(files, line[2..]);
            }
        }

        return open;
    }

    /// <summary>A number of copies that was acknowledged last of all is the file's.</summary>
    private static async Task CheckCopiesAsync(NodesEngine opened, List<string> lines, string? open, string what)
    {
        string[] last = lines.FindLast(line => line[0] == '<')?[2..].Split(' ') ?? [];
        if (last is ["copies", var name, var count] && open?.Split(' ').Contains(name) != true)
        {
            string path = $"/{CloneScript.Folder}/{name}";
            FileFacts facts = (await opened.Engine.Facts.ReadAsync(path, default).ToListAsync()).Single();
            Assert.True(
                facts.SizeBytes == 0 || facts.CopyCount == int.Parse(count, CultureInfo.InvariantCulture),
                $"{what}: {name} has {facts.CopyCount} copies, not {count}");
        }
    }

    private static void AssertMatches(
        Dictionary<string, byte[]> found, Dictionary<string, byte[]> without, string? open, string what, List<string> story)
    {
        Dictionary<string, byte[]> with = new(without);
        if (open is not null)
        {
            CloneScript.Apply(with, open);
        }

        bool inPlace = open is not null && open.Split(' ')[0] is "write" or "punch" or "truncate" or "copy";
        foreach (string name in without.Keys.Union(with.Keys).Union(found.Keys))
        {
            byte[]? before = without.GetValueOrDefault(name);
            byte[]? after = with.GetValueOrDefault(name);
            byte[]? now = found.GetValueOrDefault(name);
            bool fits = Same(now, before) || Same(now, after) || (inPlace && now is not null && IsMix(now, before ?? [], after ?? []));
            Assert.True(
                fits, $"{what}: {name} has {now?.Length} bytes, not {before?.Length} or {after?.Length} after '{open}'\n"
                    + string.Join('\n', story));
        }
    }

    private static bool Same(byte[]? one, byte[]? other) =>
        one is null ? other is null : other is not null && one.AsSpan().SequenceEqual(other);

    /// <summary>Of a change in place each byte, and the length, is as before or after.</summary>
    private static bool IsMix(byte[] now, byte[] before, byte[] after)
    {
        if (now.Length < Math.Min(before.Length, after.Length) || now.Length > Math.Max(before.Length, after.Length))
        {
            return false;
        }

        for (int i = 0; i < now.Length; i++)
        {
            bool isOld = now[i] == (i < before.Length ? before[i] : 0);
            if (!isOld && now[i] != (i < after.Length ? after[i] : 0))
            {
                return false;
            }
        }

        return true;
    }
}
