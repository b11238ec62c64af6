using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Nodes;
using DataLayer.TestSupport.Processes;
using Xunit.Abstractions;

namespace DataLayer.Tests.Engine;

/// <summary>
/// A process that changes files as a mount does is killed at random points: every change it was told of is there, open files without
/// names too. And the power is cut: what was fsynced is there, and no length without its bytes.
/// </summary>
public sealed class NodesCrashTests(ITestOutputHelper output)
{
    private const int Rounds = 5;
    private static readonly TimeSpan _never = TimeSpan.FromHours(1);

    [Theory]
    [InlineData(4711, false)]
    [InlineData(4712, true)]
    public async Task Acknowledged_changes_survive_kill_9_without_an_fsync(int seed, bool withQuota)
    {
        Random random = new(seed);
        using TempFolder folder = new("nodes");
        if (withQuota)
        {
            // Too large to refuse anything: fsck compares what it counted with what is there.
            await using NodesEngine first = await NodesEngine.OpenAsync(folder.Path, keepOrphans: false, _never);
            await first.Engine.Nodes.SetXattrAsync(
                InodeId.Root, "trusted.datalayer.quota", "1000000000000"u8.ToArray(), XattrCondition.None, default);
        }

        Dictionary<string, Dictionary<string, byte[]>> model = [];
        int acknowledged = 0;
        for (int round = 0; round < Rounds; round++)
        {
            List<string> lines = await KilledLoad.RunAsync("nodes-load", folder.Path, seed + round, random.Next(100, 1500));
            acknowledged += lines.Count(line => line.StartsWith('<'));
            await using NodesEngine opened = await NodesEngine.OpenAsync(folder.Path, keepOrphans: true, _never);
            foreach (string worker in lines.Select(line => line.Split(' ')[1]).Distinct())
            {
                List<string> own = [.. lines.Where(line => line.Split(' ')[1] == worker)];
                await CheckOrphansAsync(opened.Engine, own);
                Dictionary<string, byte[]> without = model.GetValueOrDefault(worker) ?? [];
                string? open = Replay(without, own);
                Dictionary<string, byte[]> found =
                    await (await NodesWorker.OpenAsync(opened.Engine.Nodes, worker)).ReadAllAsync();
                foreach (string left in found.Keys.Where(name => name.StartsWith("orphan", StringComparison.Ordinal)))
                {
                    found.Remove(left); // The kill came between making and removing it.
                }

                AssertMatches(found, without, open, $"seed {seed}, round {round}, {worker}", own);
                model[worker] = found;
            }

            await opened.Engine.Nodes.ReleaseKeptOrphansAsync();
            CheckReport report = await opened.Engine.FsckAsync(repair: false, CancellationToken.None);
            Assert.DoesNotContain(report.Problems, problem => problem.Kind != "stray");
        }

        output.WriteLine($"{acknowledged} changes acknowledged");
        Assert.True(acknowledged > 500, $"{acknowledged} changes say little");
    }

    [Fact]
    public async Task A_power_cut_keeps_what_was_fsynced_and_no_length_without_its_bytes()
    {
        const int Seed = 99;
        Random random = new(Seed);
        using SmallFilesystem disk = SmallFilesystem.Ext4(512);
        string folder = Path.Combine(disk.Path, "state");
        Dictionary<string, byte[]> model = [];
        for (int round = 0; round < 4; round++)
        {
            Dictionary<string, List<byte[]>> allowed = model.ToDictionary(file => file.Key, file => new List<byte[]> { file.Value });
            NodesEngine opened = await NodesEngine.OpenAsync(folder, keepOrphans: false, TimeSpan.FromMilliseconds(100));
            NodesWorker worker = await NodesWorker.OpenAsync(opened.Engine.Nodes, "w");
            await opened.Engine.Nodes.SyncAsync(default);
            for (int step = 0; step < 40; step++)
            {
                // Each file is written once as a whole, so what may be there is nothing, the old or the new.
                string name = FormattableString.Invariant($"f{round}-{step}");
                byte[] bytes = NodesScript.Bytes(step, random.Next(1, step % 4 == 0 ? 300_000 : 30_000));
                await worker.RunAsync($"create {name}");
                await worker.RunAsync(FormattableString.Invariant($"write {name} 0 {bytes.Length} {step}"));
                allowed[name] = [[], bytes];
                if (step % 5 == 0)
                {
                    await worker.RunAsync($"fsync {name}");
                    allowed[name] = [bytes];
                    model[name] = bytes;
                }
            }

            disk.ShutDown();
            await CloseBrokenAsync(opened);
            disk.Remount();
            File.Delete(Path.Combine(folder, "unflushed")); // It is one of another boot then.
            await using NodesEngine after = await NodesEngine.OpenAsync(folder, keepOrphans: false, _never);
            Dictionary<string, byte[]> found = await (await NodesWorker.OpenAsync(after.Engine.Nodes, "w")).ReadAllAsync();
            foreach ((string name, byte[] bytes) in model)
            {
                Assert.True(found.TryGetValue(name, out byte[]? kept), $"round {round}: {name} was fsynced and is gone");
                Assert.True(bytes.AsSpan().SequenceEqual(kept), $"round {round}: {name} was fsynced with {bytes.Length} bytes, has {kept!.Length}");
            }

            foreach ((string name, byte[] bytes) in found)
            {
                Assert.True(
                    allowed[name].Exists(content => content.AsSpan().SequenceEqual(bytes)), $"round {round}: {name} has {bytes.Length} bytes that nobody wrote so");
                model[name] = bytes;
            }
        }
    }

    private async Task CloseBrokenAsync(NodesEngine opened)
    {
        try
        {
            await opened.DisposeAsync();
        }
        catch (Exception error) when (error is DataLayerException or IOException)
        {
            output.WriteLine($"Its disk is gone, that is the point: {error.Message}");
        }
    }

    /// <summary>Applies what was acknowledged; returns the change under way, or null.</summary>
    private static string? Replay(Dictionary<string, byte[]> files, List<string> lines)
    {
        string? open = null;
        foreach (string line in lines.Where(line => !line.Contains(" orphan ", StringComparison.Ordinal)))
        {
            string change = line[(line.IndexOf(' ', 2) + 1)..];
            open = line[0] == '>' ? change : null;
            if (open is null)
            {
                NodesScript.Apply(files, change);
            }
        }

        return open;
    }

    private static void AssertMatches(
        Dictionary<string, byte[]> found, Dictionary<string, byte[]> without, string? open, string what, List<string> lines)
    {
        Dictionary<string, byte[]> with = new(without);
        if (open is not null)
        {
            NodesScript.Apply(with, open);
        }

        foreach (string name in without.Keys.Union(with.Keys).Union(found.Keys))
        {
            byte[]? before = without.GetValueOrDefault(name);
            byte[]? after = with.GetValueOrDefault(name);
            byte[]? now = found.GetValueOrDefault(name);
            bool fits = now is null ? before is null || after is null : IsMix(now, before, after);
            string last = string.Join('\n', lines.Where(line => line.Contains($" {name} ", StringComparison.Ordinal)).TakeLast(8));
            Assert.True(
                fits, $"{what}: {name} has {now?.Length} bytes, not {before?.Length} or {after?.Length} after '{open}'\n{last}");
        }
    }

    /// <summary>Each byte, and the length, as it was before or after the change under way.</summary>
    private static bool IsMix(byte[] now, byte[]? before, byte[]? after)
    {
        before ??= after;
        after ??= before;
        if (before is null || (now.Length != before.Length && now.Length != after!.Length
            && !(now.Length > before.Length && now.Length < after.Length)))
        {
            return false;
        }

        for (int i = 0; i < now.Length; i++)
        {
            bool isOld = i < before.Length ? now[i] == before[i] : now[i] == 0;
            if (!isOld && !(i < after!.Length && now[i] == after[i]))
            {
                return false;
            }
        }

        return true;
    }

    private static async Task CheckOrphansAsync(FileEngine engine, List<string> lines)
    {
        foreach (string line in lines.Where(line => line.Contains(" orphan ", StringComparison.Ordinal)))
        {
            string[] parts = line.Split(' ');
            InodeId inode = new(NodesScript.Number(parts[3]));
            InodeAttributes? found = await engine.Nodes.GetAsync(inode, default);
            Assert.True(found is { LinkCount: 0 }, line);
            await using OpenFile file = await engine.Nodes.OpenAsync(inode, write: false, default);
            Assert.Equal(NodesScript.Bytes(NodesScript.Number(parts[5]), NodesScript.Number(parts[4])), await EngineFixture.ReadAllAsync(file));
        }
    }
}
