using System.Text;
using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Service;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Jobs;

/// <summary>Jobs of the real service under kill -9, and watched by a client that outlives it.</summary>
public sealed class JobKillTests(ITestOutputHelper output)
{
    private const int FileCount = 1500;

    [Fact]
    public async Task A_warm_up_goes_on_after_each_kill_and_ends_with_all_resident_and_unharmed()
    {
        var seed = TestSeed.Take(output);
        var random = new Random(seed);
        using var folder = new TempFolder("job-kill");
        var bucket = MakeBucket(folder, random);
        await using var service = await ServiceProcess.StartAsync(new ServiceSettings { StateFolder = folder.MakeFolder("state") });
        await service.Client.Admin.AttachAsync(new AttachCommand { Source = "file://" + bucket, Path = "/data", Store = "files" });
        var job = await service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = ["/data"] });
        var list = await service.Client.Jobs.WarmListAsync(
            Encoding.UTF8.GetBytes(string.Join('\n', Enumerable.Range(0, FileCount).Select(i => $"/data/{Name(i)}"))), "check");
        await service.Client.Jobs.PauseAsync(list.Id);
        var kills = 0;
        for (; kills < 8; kills++)
        {
            // Killed once the job has got a bit further than after the kill before.
            var at = await FollowUntilAsync(service.Client, job.Id, (kills + 1) * FileCount / 10);
            if (at.HasEnded)
            {
                break;
            }

            await service.KillAsync();
            await service.RestartAsync();
            Assert.Equal("paused", (await service.Client.Jobs.GetAsync(list.Id)).State);
        }

        var ended = await FollowUntilAsync(service.Client, job.Id, long.MaxValue);
        output.WriteLine($"{kills} kills; {ended.Result}");
        Assert.Equal(("done", FileCount), (ended.State, ended.Result!.Value.GetProperty("resident").GetInt32()));
        Assert.Equal(FileCount, ended.Result!.Value.GetProperty("checksummed").GetInt32());
        Assert.True(kills > 0, "The job ended before it could be killed once.");

        await service.Client.Jobs.ResumeAsync(list.Id);
        var looked = await FollowUntilAsync(service.Client, list.Id, long.MaxValue);
        Assert.Equal(("done", FileCount), (looked.State, looked.Result!.Value.GetProperty("resident").GetInt32()));
        Assert.True((await service.Client.Admin.CheckAsync()).Clean);
        for (var i = 0; i < FileCount; i += 97)
        {
            var wanted = await File.ReadAllBytesAsync(Path.Combine(bucket, Name(i)));
            using var bytes = await service.Client.ReadFileAsync("/data/" + Name(i));
            Assert.True(bytes.Memory.Span.SequenceEqual(wanted), Name(i));
        }
    }

    [Fact]
    public async Task A_cancelled_warm_up_loses_nothing_and_a_watcher_outlives_the_service()
    {
        using var folder = new TempFolder("job-cancel");
        var bucket = MakeBucket(folder, new Random(7));
        await using var service = await ServiceProcess.StartAsync(new ServiceSettings
        {
            StateFolder = folder.MakeFolder("state"),
            UnixSocketPath = folder.Combine("api.sock"),
        });
        await service.Client.Admin.AttachAsync(new AttachCommand { Source = "file://" + bucket, Path = "/data", Store = "files" });
        using var watcher = new DataLayerClient(new DataLayerClientOptions
        {
            UnixSocketPath = folder.Combine("api.sock"),
            ServerUri = new Uri("http://localhost"),
            RetryCount = 20,
        });
        var job = await service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = ["/data"] });
        await service.Client.Jobs.PauseAsync(job.Id);
        var paused = new TaskCompletionSource();
        var watching = WatchAsync(watcher, job.Id, paused);
        await paused.Task;

        await service.KillAsync();
        await service.RestartAsync();
        await service.Client.Jobs.CancelAsync(job.Id);

        var seen = await watching;
        Assert.Equal("cancelled", seen[^1].State);
        Assert.Equal(seen.Select(j => j.Sequence).Order(), seen.Select(j => j.Sequence));
        Assert.True((await service.Client.Admin.CheckAsync()).Clean);
        var again = await service.RunVerbAsync("warm", "/data", "--check");
        var whole = await service.RunVerbAsync("warm", "/data", "--no-verify");
        var complete = await service.RunVerbAsync("warm", "/data", "--check", "--json");
        Assert.Equal((1, 0, 0), (again.ExitCode, whole.ExitCode, complete.ExitCode));
        var ended = await Assert.ThrowsAsync<DataLayerException>(async () => await service.Client.Jobs.ResumeAsync(job.Id));
        Assert.Equal(ErrorCode.WrongState, ended.Code);
    }

    private static async Task<List<JobStatus>> WatchAsync(DataLayerClient client, long id, TaskCompletionSource paused)
    {
        List<JobStatus> seen = [];
        await foreach (var job in client.Jobs.WatchAsync(id))
        {
            seen.Add(job);
            if (job.State == "paused")
            {
                paused.TrySetResult();
            }
        }

        return seen;
    }

    private static async Task<JobStatus> FollowUntilAsync(DataLayerClient client, long id, long doneObjects)
    {
        JobStatus? last = null;
        await foreach (var job in client.Jobs.WatchAsync(id))
        {
            last = job;
            if (job.DoneObjects >= doneObjects)
            {
                break;
            }
        }

        return last!;
    }

    private static string Name(int i) => $"{i % 20:00}/{i:00000}.bin";

    private static string MakeBucket(TempFolder folder, Random random)
    {
        var bucket = folder.MakeFolder("bucket");
        for (var i = 0; i < FileCount; i++)
        {
            var path = Path.Combine(bucket, Name(i));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            var bytes = new byte[random.Next(1, i % 50 == 0 ? 3_000_000 : 20_000)];
            random.NextBytes(bytes);
            File.WriteAllBytes(path, bytes);
        }

        return bucket;
    }
}
