using System.Globalization;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Trees;

namespace DataLayer.Tests.Metadata;

/// <summary>A process that changes a tree is killed at random points; every change it was told of is there, and no other but the one under way.</summary>
public sealed class TreeCrashTests
{
    private const int Rounds = 6;

    [Fact]
    public async Task Acknowledged_changes_survive_kill_9_and_the_tree_stays_sound()
    {
        const int Seed = 20260;
        Random random = new(Seed);
        await using TreeFixture t = await TreeFixture.OpenAsync();
        Dictionary<string, SortedDictionary<string, long>> model = new(StringComparer.Ordinal);
        int acknowledged = 0;
        for (int round = 0; round < Rounds; round++)
        {
            await t.Tree.DisposeAsync();
            List<string> lines = await KilledLoad.RunAsync("tree-load", t.DatabasePath, Seed + round, random.Next(50, 900));
            await t.OpenTreeAsync();
            acknowledged += lines.Count(line => line.StartsWith('<'));
            Assert.Empty(await t.Tree.CheckAsync(default));
            foreach (string worker in lines.Select(line => line.Split(' ')[1]).Distinct())
            {
                string what = $"seed {Seed}, round {round}, {worker}";
                model[worker] = await CompareAsync(t, worker, model.GetValueOrDefault(worker) ?? [], lines, what);
            }

            await ReplayAsync(t);
        }

        Assert.True(acknowledged > 200, $"{acknowledged} changes say little");
        Assert.Empty(await t.JournalAsync());
        Assert.Empty(await t.Tree.ListOrphansAsync(default));
    }

    // Applies what was acknowledged; the last change, if it was not, may or may not have happened.
    private static async Task<SortedDictionary<string, long>> CompareAsync(
        TreeFixture t, string worker, SortedDictionary<string, long> before, List<string> lines, string what)
    {
        SortedDictionary<string, long> without = new(before, StringComparer.Ordinal);
        string? open = null;
        foreach (string line in lines.Where(line => line.Split(' ')[1] == worker))
        {
            string change = line[(line.IndexOf(' ', 2) + 1)..];
            open = line[0] == '>' ? change : null;
            if (open is null)
            {
                Apply(without, change);
            }
        }

        SortedDictionary<string, long> with = new(without, StringComparer.Ordinal);
        if (open is not null)
        {
            Apply(with, open);
        }

        SortedDictionary<string, long> found = new(StringComparer.Ordinal);
        InodeId folder = (await t.FindAsync("/" + worker))!.Inode;
        foreach ((string name, InodeAttributes file) in await t.Tree.ListAsync(folder, null, 1000, default))
        {
            found.Add(name, file.SizeBytes);
        }

        Assert.True(
            found.SequenceEqual(without) || found.SequenceEqual(with),
            $"{what}: found {string.Join(' ', found)}, expected {string.Join(' ', without)}, perhaps after '{open}'");
        return found;
    }

    private static void Apply(SortedDictionary<string, long> names, string change)
    {
        string[] parts = change.Split(' ');
        switch (parts[0])
        {
            case "unlink":
                Assert.True(names.Remove(parts[1]));
                break;
            case "rename":
                names[parts[2]] = names[parts[1]];
                names.Remove(parts[1]);
                break;
            default:
                names[parts[1]] = long.Parse(parts[2], CultureInfo.InvariantCulture);
                break;
        }
    }

    // What the engine does at start: unfinished writes and orphans go, hot copies are dropped.
    private static async Task ReplayAsync(TreeFixture t)
    {
        foreach (InodeId orphan in await t.Tree.ListOrphansAsync(default))
        {
            await t.Tree.ReleaseOrphanAsync(orphan, default);
        }

        HashSet<string> placed = [];
        foreach (FileContent file in await t.Tree.ListPlacedAsync(InodeId.None, 10_000, default))
        {
            placed.Add(file.Attributes.Content + file.Placement!.ToText());
        }

        foreach (JournalEntry entry in await t.Tree.ListJournalAsync(null, 0, 100_000, default))
        {
            Assert.True(entry.Kind is JournalKind.PendingWrite or JournalKind.DeleteHotCopy);
            Assert.DoesNotContain(entry.Content + entry.Placement, placed);
            await t.Tree.CompleteJournalAsync(entry.Id, default);
        }
    }
}
