using System.Security.Cryptography;
using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Mounts;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Mounts;

/// <summary>
/// The service is killed between any two instructions, again and again, under eight clients that write, rename, map, lock and verify on a
/// mount. None of them may see an error or a wrong byte: requests wait, and the next service answers them.
/// <c>DATALAYER_MOUNT_KILLS=100</c> kills as often as the promise says.
/// </summary>
public sealed class MountKillTests(ITestOutputHelper output)
{
    private const int Clients = 8;

    [Fact]
    public async Task Kills_of_the_service_are_seen_by_no_client_of_a_mount()
    {
        var seed = TestSeed.Take(output);
        var random = new Random(seed);
        var kills = TestSeed.Count("DATALAYER_MOUNT_KILLS", 10);
        await using var it = await Installation.StartAsync();
        var manifest = it.Folder.Combine("manifest");
        List<double> takeovers = [];
        await using (var mount = await KeptMount.StartAsync(it.Service.Endpoint, "/", it.Folder.Combine("mnt")))
        {
            await it.Client.MakeDirectoryAsync("/load");
            await using var load = MountLoadProcess.Start(mount.Path + "/load", seed, Clients, manifest);
            for (var kill = 0; kill < kills && load.Faults.Count == 0; kill++)
            {
                await load.WhenDoneAsync(random.Next(1, 600));
                load.TakeSlowest();
                await it.Service.KillAsync();
                await it.Service.RestartAsync();
                await load.WhenAllWorkAsync();
                takeovers.Add(load.TakeSlowest());
            }

            var (code, total) = await load.StopAsync();
            output.WriteLine($"{total}; longest call of a client over each kill, ms: {string.Join(' ', takeovers)}");
            Assert.True(load.Faults.Count == 0, string.Join(" | ", load.Faults));
            Assert.Equal(0, code);
            Assert.Equal(0, await mount.SignalAsync(Signals.Terminate));
        }

        Assert.Equal(kills, takeovers.Count);
        await VerifyColdAsync(it, manifest);
        await it.CheckCleanAsync();
    }

    /// <summary>With a new service and a new mount, each file must hold what its client wrote.</summary>
    private static async Task VerifyColdAsync(Installation it, string manifest)
    {
        Assert.Equal(0, await it.Service.StopAsync());
        await it.Service.RestartAsync();
        await using var mount = await KeptMount.StartAsync(it.Service.Endpoint, "/", it.Folder.Combine("mnt"));
        var lines = await File.ReadAllLinesAsync(manifest);
        Assert.NotEmpty(lines);
        Assert.All(lines, line =>
        {
            var (hash, name) = (line[..64], line[65..]);
            Assert.Equal(hash, Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes($"{mount.Path}/load/{name}"))));
        });
    }
}
