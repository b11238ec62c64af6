using DataLayer.Core.Tree;
using DataLayer.EndToEndTests.Load;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Crashes;

/// <summary>
/// The service is killed at random points of a mixed load (writes, writes in place, renames, exchanges, deletes; small and striped
/// files; a plain folder and a read-write attachment) and started again: what it acknowledged is there, and nothing else.
/// </summary>
public sealed class KillTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Fifty_kills_lose_nothing_that_was_acknowledged_and_leave_nothing_behind()
    {
        var seed = TestSeed.Take(output);
        var rounds = TestSeed.Count("DATALAYER_KILL_ROUNDS", 50);
        var random = new Random(seed);
        await using var it = await Installation.StartWithOriginAsync();
        await it.AttachAsync(AttachmentMode.ReadWrite);
        var plain = new MixedLoad(seed, workerCount: 3);
        var attached = new MixedLoad(seed + 1, workerCount: 2, root: "/data", maxLength: 200_000);
        await plain.PrepareAsync(it.Client);
        await attached.PrepareAsync(it.Client);
        for (var round = 0; round < rounds; round++)
        {
            var client = it.Client;
            var upload = attached.RunUntilEndedAsync(client, int.MaxValue, () => Task.CompletedTask);
            await plain.RunUntilEndedAsync(client, random.Next(1, 60), it.Service.KillAsync);
            await upload;
            await it.Service.RestartAsync();
            await it.CheckCleanAsync();
            var faults = (await plain.VerifyAsync(it.Client)).Concat(await attached.VerifyAsync(it.Client)).ToArray();
            Assert.True(faults.Length == 0, $"Round {round} of seed {seed}:\n{string.Join('\n', faults)}");
        }

        output.WriteLine($"{rounds} kills, {plain.Acknowledged + attached.Acknowledged} operations acknowledged");
        await TheBucketHoldsWhatTheTreeHoldsAsync(it, attached);
        await NothingIsLeftWhenAllIsDeletedAsync(it);
    }

    private static async Task TheBucketHoldsWhatTheTreeHoldsAsync(Installation it, MixedLoad attached)
    {
        await attached.DropTornAsync(it.Client);
        await it.Client.Admin.FlushUploadsAsync("/data");
        var wanted = attached.Files.Select(file => file.Key[1..]).Order(StringComparer.Ordinal).ToArray();
        await it.Origin.WhenAsync(() => it.Origin.Keys(Installation.Bucket).Where(key => !key.EndsWith('/')).SequenceEqual(wanted));
        Assert.All(attached.Files, file =>
            Assert.True(file.Value.ToBytes().AsSpan().SequenceEqual(it.Origin.Get(Installation.Bucket, file.Key[1..])!.Bytes), file.Key));
    }

    private static async Task NothingIsLeftWhenAllIsDeletedAsync(Installation it)
    {
        await it.Client.DeleteAsync("/load", recursive: true);
        await it.Client.Admin.DetachAsync("/data");
        await it.Service.KillAsync();
        await it.Service.RestartAsync();
        await it.CheckCleanAsync();
        var left = it.Service.Settings.Targets.SelectMany(target => Faults.Damage.FilesBelow(target))
            .Where(path => path.Contains("/files/", StringComparison.Ordinal) || path.Contains("/segments/", StringComparison.Ordinal));
        Assert.Equal("", string.Join('\n', left));
    }
}
