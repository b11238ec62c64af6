using DataLayer.Protocol.Http;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Service;

namespace DataLayer.EndToEndTests.Tiering;

/// <summary>A headroom of the real service: refilled, kept over kill -9, given back.</summary>
public sealed class HeadroomTests
{
    private const int FileCount = 40;
    private const int FileBytes = 300_000;

    [Fact]
    public async Task A_share_is_refilled_kept_over_a_kill_in_its_window_and_given_back()
    {
        using var folder = new TempFolder("headroom");
        var bucket = folder.MakeFolder("bucket");
        for (var i = 0; i < FileCount; i++)
        {
            var bytes = new byte[FileBytes];
            new Random(i).NextBytes(bytes);
            await File.WriteAllBytesAsync(Path.Combine(bucket, $"f{i}"), bytes);
        }

        await using var service = await ServiceProcess.StartAsync(new ServiceSettings { StateFolder = folder.MakeFolder("state") });
        await service.Client.Admin.AttachAsync(new AttachCommand { Source = "file://" + bucket, Path = "/data", Store = "files" });
        var added = await service.Client.Jobs.AddHeadroomAsync(new HeadroomCommand
        {
            Name = "always",
            Path = "/data",
            HotBytes = 2L * FileCount * FileBytes,
            MemoryBytes = 4 << 20,
            Window = new HeadroomWindowTimes { TimeZone = "Europe/Berlin" }, // Whole days: open now.
        });

        var ready = await ReadyAsync(service, refills: 1);
        Assert.True(ready is { InForce: true, Course: { Resident: FileCount, Checksummed: FileCount, Missing: 0 } });
        Assert.Equal((0, FileCount), await EvictAsync(service));
        await service.KillAsync();
        await service.RestartAsync();

        var again = await ReadyAsync(service, refills: 2); // Memory was empty.
        Assert.Equal((added.Id, true), (again.Id, again.InForce));
        Assert.Equal((0, FileCount), await EvictAsync(service));
        await service.Client.Jobs.RemoveHeadroomAsync(added.Id);
        (long Released, long Kept) evicted;
        do
        {
            evicted = await EvictAsync(service); // Given back a moment later.
        }
        while (evicted.Released == 0);

        Assert.Empty(await service.Client.Jobs.ListHeadroomsAsync());
        Assert.True((await service.Client.Admin.CheckAsync()).Clean);
    }

    private static async Task<HeadroomReport> ReadyAsync(ServiceProcess service, int refills)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        while (true)
        {
            var headroom = Assert.Single(await service.Client.Jobs.ListHeadroomsAsync(limit.Token));
            if (headroom.Phase == "ready" && headroom.Course!.Refills >= refills)
            {
                return headroom;
            }

            if (headroom.Course is { RefillJob: > 0 } course)
            {
                // Its end is awaited by its events; the next look takes it up.
                await foreach (var _ in service.Client.Jobs.WatchAsync(course.RefillJob, cancellationToken: limit.Token))
                {
                }
            }

            await Task.Yield();
        }
    }

    private static async Task<(long Released, long Kept)> EvictAsync(ServiceProcess service)
    {
        var job = await service.Client.Jobs.WarmAsync(new WarmJobCommand { Paths = ["/data"], Mode = "evict" });
        await foreach (var at in service.Client.Jobs.WatchAsync(job.Id))
        {
            job = at;
        }

        return (job.Result!.Value.GetProperty("released").GetInt64(), job.Result!.Value.GetProperty("kept").GetInt64());
    }
}
