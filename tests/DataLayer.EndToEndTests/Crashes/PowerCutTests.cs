using DataLayer.EndToEndTests.Load;
using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Service;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Crashes;

/// <summary>
/// The power is cut in the middle of a mixed load: the service's whole state lies on an ext4 of its own that is shut down without a
/// log flush, so all that was not fsynced is gone. What was acknowledged must be there all the same.
/// </summary>
public sealed class PowerCutTests(ITestOutputHelper output)
{
    private const int Workers = 4;

    [Fact]
    public async Task Power_cuts_lose_nothing_that_was_acknowledged()
    {
        var seed = TestSeed.Take(output);
        var random = new Random(seed);
        var rounds = TestSeed.Count("DATALAYER_POWER_CUT_ROUNDS", 10);
        using var disk = SmallFilesystem.Ext4(768);
        var load = new MixedLoad(seed, Workers);
        await using var service = await ServiceProcess.StartAsync(Settings(disk));
        await load.PrepareAsync(service.Client);
        for (var round = 0; round < rounds; round++)
        {
            await CutAsync(service, disk, load, random.Next(1, 80));
            await service.RestartAsync();
            var faults = await FindFaultsAsync(service, load);
            Assert.True(faults.Count == 0, $"Round {round} of seed {seed}:\n{string.Join('\n', faults)}");
        }

        output.WriteLine($"{rounds} power cuts, {load.Acknowledged} operations acknowledged, {load.Refused} refused");
    }

    /// <summary>The control: with every flush a no-op the same test must find losses, else it proves nothing.</summary>
    [Fact]
    public async Task With_fsync_turned_into_a_no_op_a_power_cut_loses_acknowledged_data()
    {
        var seed = TestSeed.Take(output);
        using var disk = SmallFilesystem.Ext4(768);
        var load = new MixedLoad(seed, Workers);
        var settings = Settings(disk);
        await using var service = await ServiceProcess.StartAsync(settings);
        await load.PrepareAsync(service.Client);
        await service.StopAsync();
        service.Settings = settings with { Injection = StraceInjector.FlushCalls + ":retval=0" };
        await service.RestartAsync();
        await CutAsync(service, disk, load, stepsBeforeEnd: 60);

        service.Settings = settings;
        IReadOnlyList<string> faults;
        try
        {
            await service.RestartAsync();
            faults = await FindFaultsAsync(service, load);
        }
        catch (InvalidOperationException e)
        {
            faults = [e.Message];
        }

        output.WriteLine($"{load.Acknowledged} acknowledged, found: {string.Join("; ", faults.Take(5))}");
        Assert.NotEmpty(faults);
    }

    private static ServiceSettings Settings(SmallFilesystem disk) => new() { StateFolder = disk.Path + "/state" };

    private static async Task CutAsync(ServiceProcess service, SmallFilesystem disk, MixedLoad load, int stepsBeforeEnd)
    {
        await load.RunUntilEndedAsync(service.Client, stepsBeforeEnd, async () =>
        {
            // The processor stops with the disk: an fsync that the shutdown overtakes may return without an error, and its answer
            // must not get out (decision 70).
            Signals.Halt(service.ProcessId);
            disk.ShutDown();
            await service.KillAsync();
        });
        disk.Remount();

        // After a real power cut the machine has booted anew, and the service empties what was staged before it.
        File.Delete(disk.Path + "/state/unflushed");
    }

    private static async Task<IReadOnlyList<string>> FindFaultsAsync(ServiceProcess service, MixedLoad load)
    {
        var check = await service.Client.Admin.CheckAsync();
        IReadOnlyList<string> lost = await load.VerifyAsync(service.Client);
        return [.. check.Problems.Select(problem => $"fsck: {problem.Kind} {problem.Inode}: {problem.Message}"), .. lost];
    }
}
