using DataLayer.Engine.Files;
using DataLayer.TestSupport.Objects;
using Xunit.Abstractions;

namespace DataLayer.Tests.Engine;

/// <summary>
/// The engine stops dead at each named step between two durable changes, in turn: every later step fails too, nothing is tidied up. After
/// opening again all that was acknowledged is there, fsck is clean and no work is left.
/// </summary>
public sealed class CrashTests(ITestOutputHelper output)
{
    public static TheoryData<string> Steps =>
    [
        "replace.begun", "replace.written", "replace.flushed", "replace.published", "write.begun", "write.flushed", "write.committed",
        "convert.copied", "convert.committed", "truncate.committed", "upload.noted", "upload.stored", "upload.completed", "delete.done",
        "hotcopy.deleted", "recall.placed", "recall.written", "recall.flushed", "recall.committed", "evict.checked", "evict.committed",
        "unlink.committed", "compact.copied", "move.copied", "move.committed",
    ];

    [Theory]
    [MemberData(nameof(Steps))]
    public async Task Acknowledged_data_survives_a_crash_at(string step)
    {
        for (int nth = 1; nth <= 2; nth++)
        {
            await RunAsync(step, nth);
        }
    }

    private async Task RunAsync(string step, int nth)
    {
        EngineFixture fixture = new() { Width = 1 };
        int seen = 0;
        bool crashed = false;
        using CancellationTokenSource dead = new();
        fixture.StepHook = name =>
        {
            if (crashed || (name == step && Interlocked.Increment(ref seen) == nth))
            {
                crashed = true;
                dead.Cancel();
                throw new CrashException($"crash at {step}");
            }
        };
        await using (fixture)
        {
            await fixture.StartAsync();
            Dictionary<string, byte[]> known = [];
            HashSet<string> uncertain = [];
            try
            {
                await LoadAsync(fixture, known, uncertain, dead.Token);
                await fixture.SettleAsync();
            }
            catch (Exception error) when (error is CrashException or OperationCanceledException)
            {
                // The process is dead: nobody hears of it.
            }

            output.WriteLine($"{step} {nth}: {(crashed ? "crashed" : "did not come up")}, {known.Count} files known, {uncertain.Count} uncertain");
            crashed = true;
            await fixture.StopAsync();
            fixture.StepHook = null;
            await fixture.StartAsync();
            foreach ((string path, byte[] bytes) in known)
            {
                if (!uncertain.Contains(path))
                {
                    Assert.Equal(bytes, await fixture.ReadAllAsync(path));
                }
            }

            await fixture.JournalDoneAsync();
            await fixture.SettleAsync();
            await fixture.AssertCleanAsync();
            Assert.Empty(await fixture.Tree.ListOrphansAsync(CancellationToken.None));
            foreach ((string path, byte[] bytes) in known)
            {
                if (!uncertain.Contains(path) && path.StartsWith("/data/", StringComparison.Ordinal))
                {
                    Assert.Equal(bytes, await fixture.GetObjectAsync(path["/data/".Length..]));
                }
            }
        }
    }

    private static async Task LoadAsync(EngineFixture fixture, Dictionary<string, byte[]> known, HashSet<string> uncertain, CancellationToken dead)
    {
        byte[] large = BytesContent.Random(5 << 19, seed: 1);
        byte[] small = BytesContent.Random(5000, seed: 2);
        await fixture.PutObjectAsync("cold-large", large);
        await fixture.PutObjectAsync("cold-small", small);
        await fixture.AttachAsync();
        known["/data/cold-large"] = large;
        known["/data/cold-small"] = small;
        await fixture.ReadAllAsync("/data/cold-large");
        await fixture.ReadAllAsync("/data/cold-small");
        await fixture.SettleAsync();
        foreach (string path in (string[])["/data/a", "/b", "/data/c", "/d"])
        {
            await ReplaceAsync(fixture, path, small, known, uncertain);
            await ReplaceAsync(fixture, path, large, known, uncertain);
        }

        await ReplaceAsync(fixture, "/b", small, known, uncertain);
        await fixture.Engine.FlushUploadsAsync("/data", dead);
        await fixture.Engine.EvictAsync("/data/a", hotToo: true, dead);
        foreach (string path in (string[])["/b", "/data/a", "/data/cold-small"])
        {
            uncertain.Add(path);
            OpenFile file = await fixture.Engine.OpenFileAsync(path, write: true, dead);
            byte[] patch = BytesContent.Random(3000, seed: 3);
            await file.WriteAsync(1000, patch, dead);
            await file.FlushAsync(dead);
            known[path] = [.. known[path].AsSpan(0, 1000), .. patch, .. known[path].AsSpan(4000)];
            uncertain.Remove(path);
            await file.DisposeAsync();
        }

        uncertain.Add("/data/c");
        await using (OpenFile file = await fixture.Engine.OpenFileAsync("/data/c", write: true, dead))
        {
            await file.TruncateAsync(1_200_000, dead);
            await file.FlushAsync(dead);
        }

        known["/data/c"] = known["/data/c"][..1_200_000];
        uncertain.Remove("/data/c");
        uncertain.Add("/d");
        await fixture.Engine.RemoveAsync("/d", false, null, dead);
        known.Remove("/d");
        await fixture.Engine.FlushUploadsAsync("/data", dead);
        await fixture.Engine.DrainTargetAsync(fixture.Hot.GetTargets()[0].Target, null, dead);
        await CompactAsync(fixture, known, uncertain, dead);
        await fixture.JournalDoneAsync(dead);
    }

    private static async Task CompactAsync(
        EngineFixture fixture, Dictionary<string, byte[]> known, HashSet<string> uncertain, CancellationToken dead)
    {
        for (int i = 0; i < 40; i++)
        {
            await ReplaceAsync(fixture, $"/s{i}", BytesContent.Random(60_000, i), known, uncertain);
        }

        for (int i = 0; i < 40; i++)
        {
            if (i % 8 != 0)
            {
                uncertain.Add($"/s{i}");
                await fixture.Engine.RemoveAsync($"/s{i}", false, null, CancellationToken.None);
                known.Remove($"/s{i}");
            }
        }

        await fixture.JournalDoneAsync(dead);
        await fixture.Engine.CompactAsync(dead);
    }

    private static async Task ReplaceAsync(
        EngineFixture fixture, string path, byte[] bytes, Dictionary<string, byte[]> known, HashSet<string> uncertain)
    {
        uncertain.Add(path);
        FileReplacement replacement = await fixture.Engine.ReplaceFileAsync(path, new ReplaceOptions(), CancellationToken.None);
        await replacement.WriteAsync(bytes, CancellationToken.None);
        await replacement.CommitAsync(CancellationToken.None);
        known[path] = bytes;
        uncertain.Remove(path);
    }

    private sealed class CrashException(string message) : Exception(message);
}
