using System.Globalization;
using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Processes;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Mounts;

/// <summary>
/// The service is killed, and stopped as for an upgrade, under processes that write, rename, map, append, delete and verify on its
/// mount: they wait, and see no error and no wrong byte.
/// </summary>
public sealed class ServiceKillTests(ITestOutputHelper output)
{
    /// <summary>
    /// Clients: each works in a folder of its own on a model of it in memory, prints a line a step, and ends at the file "stop". Its
    /// first fault is a traceback and the exit code 1.
    /// </summary>
    private const string Clients = """
        import hashlib, mmap, random, sys, traceback
        def client(number, seed):
            r = random.Random(seed * 1000 + number)
            home = f"client{number}"
            os.mkdir(home)
            model, log = {}, open(f"{home}/log", "ab")
            logged = 0
            held = open(f"{home}/held", "w+b"); held.write(b"held"); held.flush(); os.unlink(f"{home}/held")
            step = 0
            while not os.path.exists(sys.argv[3]):
                step += 1
                name = f"f{r.randrange(12)}"
                path = f"{home}/{name}"
                act = r.random()
                if act < 0.35 or name not in model:
                    data = r.randbytes(r.choice([0, 10, 5000, 70_000, 300_000]))
                    with open(f"{home}/new", "wb") as f:
                        for at in range(0, len(data), 40_000):
                            f.write(data[at:at + 40_000])
                        if r.random() < 0.3:
                            f.flush(); os.fsync(f.fileno())
                    os.rename(f"{home}/new", path)
                    model[name] = data
                elif act < 0.5 and len(model[name]) >= 10:
                    data = bytearray(model[name])
                    with open(path, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
                        at = r.randrange(len(data) - 9)
                        m[at:at + 9] = data[at:at + 9] = r.randbytes(9)
                        m.flush()
                    model[name] = bytes(data)
                elif act < 0.6:
                    os.unlink(path); del model[name]
                elif act < 0.7:
                    line = r.randbytes(100)
                    log.write(line); log.flush(); logged += 100
                    assert os.fstat(log.fileno()).st_size == logged, (os.fstat(log.fileno()).st_size, logged)
                elif act < 0.75:
                    held.seek(0); assert held.read() == b"held"
                elif act < 0.85:
                    names = sorted(os.listdir(home))
                    assert names == sorted([*model, "log"]), (names, sorted(model))
                else:
                    with open(path, "rb") as f:
                        read = f.read()
                    assert read == model[name], (path, len(read), len(model[name]))
                print("step", flush=True)
            for name, data in model.items():
                with open(f"{home}/{name}", "rb") as f:
                    assert f.read() == data, name
            with open(f"{home}/sums", "w") as f:
                for name, data in model.items():
                    f.write(f"{name} {hashlib.sha256(data).hexdigest()}\n")
        children = []
        for number in range(int(sys.argv[1])):
            pid = os.fork()
            if pid == 0:
                try:
                    client(number, int(sys.argv[2]))
                    os._exit(0)
                except BaseException:
                    traceback.print_exc()
                    sys.stderr.flush()
                    os._exit(1)
            children.append(pid)
        sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children))
        """;

    private const string VerifySums = """
        import hashlib
        for home in os.listdir("."):
            for line in open(f"{home}/sums"):
                name, sum = line.split()
                assert hashlib.sha256(open(f"{home}/{name}", "rb").read()).hexdigest() == sum, (home, name)
        """;

    [Fact]
    public async Task Kills_under_load_are_seen_by_no_client()
    {
        var seed = TestSeed.Take(output);
        var rounds = TestSeed.Count("DATALAYER_MOUNT_KILLS", 8);
        await UnderLoadAsync(clientCount: 8, seed, rounds, async (it, round) =>
        {
            await it.Service.KillAsync();
            await it.Service.RestartAsync();

            // Every second time the next kill may come before the keeper has found the service, or while it takes over.
            while (round % 2 == 0 && (await it.Client.Admin.ListMountsAsync()).Mounts.Count == 0)
            {
                await Task.Yield();
            }
        });
    }

    [Fact]
    public async Task Upgrades_under_load_are_seen_by_no_client()
    {
        var seed = TestSeed.Take(output);
        await UnderLoadAsync(clientCount: 4, seed, rounds: 3, async (it, _) =>
        {
            Assert.Equal(0, await it.Service.StopAsync());
            await it.Service.RestartAsync();
        });
    }

    private async Task UnderLoadAsync(int clientCount, int seed, int rounds, Func<Installation, int, Task> disturb)
    {
        await using var it = await Installation.StartAsync();
        await using var mount = await KeptMount.StartAsync(it.Service.Endpoint, "/", it.Folder.Combine("mnt"));
        var stop = it.Folder.Combine("stop");
        using var clients = Command.Start(
            "python3",
            [
                "-c", $"import os\nos.chdir(\"{mount.Path}\")\n{Clients}", clientCount.ToString(CultureInfo.InvariantCulture),
                seed.ToString(CultureInfo.InvariantCulture), stop,
            ],
            environment: null);
        OrphanWatch.Add(clients.Id);
        var faults = clients.StandardError.ReadToEndAsync();
        var random = new Random(seed);
        long steps = 0;
        for (var round = 0; round < rounds; round++)
        {
            var until = steps + random.Next(20, 200);
            while (steps < until && await clients.StandardOutput.ReadLineAsync() is not null)
            {
                steps++;
            }

            Assert.False(clients.HasExited && clients.ExitCode != 0, $"Round {round} of seed {seed}:\n{(clients.HasExited ? await faults : "")}");
            await disturb(it, round);
        }

        await File.WriteAllTextAsync(stop, "");
        while (await clients.StandardOutput.ReadLineAsync() is not null)
        {
            steps++;
        }

        await clients.WaitForExitAsync();
        Assert.True(clients.ExitCode == 0, $"Seed {seed}:\n{await faults}\n{mount.Log}");
        output.WriteLine($"{rounds} rounds, {steps} steps of {clientCount} clients; {mount.Log}");
        // The keeper counts services whose welcome it has read. One that is killed before does not count, also where it
        // has listed the mount already; only the last lives on for sure.
        Assert.InRange((await it.Client.Admin.ListMountsAsync()).Mounts.Single().TakeoverCount, 1, rounds);
        Assert.Equal(0, await mount.SignalAsync(Signals.Terminate));
        await it.CheckCleanAsync();
        await using var cold = await KeptMount.StartAsync(it.Service.Endpoint, "/", it.Folder.Combine("cold"));
        await Python.RunAsync(cold.Path, VerifySums);
    }
}
