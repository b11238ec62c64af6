using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Tests.Access;

public sealed class DatasetScopeTests(GuardedService guarded) : IClassFixture<GuardedService>
{
    [Fact]
    public async Task Datasets_outside_of_the_scope_are_not_there()
    {
        using DataLayerClient admin = guarded.Open("admin");
        using DataLayerClient tenant = guarded.Open("tenant");
        using DataLayerClient reader = guarded.Open("scoped reader");
        await EndAsync(admin, await admin.Datasets.CreateAsync("theirs", new DatasetCommand { Path = GuardedService.Outside, Kind = "files" }));
        await EndAsync(tenant, await tenant.Datasets.CreateAsync("ours", new DatasetCommand { Path = GuardedService.Inside, Kind = "files" }));

        Assert.Equal(["ours"], (await tenant.Datasets.ListAsync()).Select(d => d.Name));
        Assert.Equal(["ours"], (await reader.Datasets.ListAsync()).Select(d => d.Name));
        Assert.Equal("own"u8.ToArray(), await reader.Datasets.ReadSampleAsync("ours", 0));
        await FailsAsync(ErrorCode.NotFound, async () => await tenant.Datasets.ReadSampleAsync("theirs", 0));
        await FailsAsync(ErrorCode.NotFound, async () => await tenant.Datasets.PinAsync("theirs"));
        await FailsAsync(ErrorCode.NotFound, async () => await tenant.Datasets.DeleteAsync("theirs"));
        await FailsAsync(ErrorCode.PermissionDenied, async () => await reader.Datasets.PinAsync("ours"));
        await FailsAsync(
            ErrorCode.AlreadyExists, async () => await tenant.Datasets.CreateAsync("theirs", new DatasetCommand { Path = GuardedService.Inside, Kind = "files" }));
        await FailsAsync(
            ErrorCode.PermissionDenied, async () => await tenant.Datasets.CreateAsync("more", new DatasetCommand { Path = GuardedService.Outside, Kind = "files" }));
        await FailsAsync(
            ErrorCode.PermissionDenied,
            async () => await tenant.Datasets.CreateAsync(
                "more", new DatasetCommand { Path = GuardedService.Inside, Kind = "files", Labels = "csv", LabelsFrom = GuardedService.Outside + "/secret" }));
    }

    private static async Task EndAsync(DataLayerClient client, JobStatus job)
    {
        await foreach (JobStatus now in client.Jobs.WatchAsync(job.Id))
        {
            job = now;
        }

        Assert.Equal("done", job.State);
    }

    private static async Task FailsAsync(ErrorCode code, Func<Task> action) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<DataLayerException>(action)).Code);
}
