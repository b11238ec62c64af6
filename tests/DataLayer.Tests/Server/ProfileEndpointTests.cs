using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Tests.Server;

[Collection(ServiceCollection.Name)]
public sealed class ProfileEndpointTests(RunningService service)
{
    [Fact]
    public async Task A_profile_is_recorded_replayed_exported_and_removed()
    {
        string bucket = service.MakeBucket(("a", "alpha"), ("b", "beta"));
        string folder = await service.MakeFolderAsync() + "/data";
        await service.Client.Admin.AttachAsync(new AttachCommand { Source = "file://" + bucket, Path = folder });
        ProfileStatus begun = await service.Client.Admin.RecordProfileAsync("p", new RecordProfileCommand { Path = folder, Seconds = 3600 });
        Assert.True(begun.Recording);
        Assert.NotNull(begun.EndsAt);
        (await service.Client.ReadFileAsync(folder + "/a")).Dispose();
        ProfileStatus kept = await service.Client.Admin.StopProfileAsync("p");
        Assert.Equal((1L, 1L, 5L), (kept.Files, kept.Blocks, kept.SizeBytes));
        Assert.Contains(await service.Client.Admin.ListProfilesAsync(), profile => profile is { Name: "p", Recording: false });
        Assert.Equal(folder + "/a", Assert.Single((await service.Client.Admin.GetProfileAsync("p")).Files).Path);

        await service.Client.Admin.EvictAsync(folder, hot: true);
        ReplayReport dry = await service.Client.Admin.ReplayProfileAsync("p", dryRun: true);
        Assert.True(dry is { DryRun: true, Blocks: 1 });
        ReplayReport done = await service.Client.Admin.ReplayProfileAsync("p");
        Assert.Equal((1L, 1L, 0L), (done.Blocks, done.Hot, done.Failed));

        byte[] bytes = await service.Client.Admin.ExportProfileAsync("p");
        await service.Client.Admin.ImportProfileAsync("q", bytes);
        Assert.Equal(2, (await service.Client.Admin.MergeProfilesAsync("m", ["p", "q"])).Runs);
        Assert.Equal(0, (await service.Client.Admin.TrimProfileAsync("m", new TrimProfileCommand { MaxBytes = 0, To = "none" })).Blocks);
        foreach (string name in (string[])["p", "q", "m", "none"])
        {
            await service.Client.Admin.RemoveProfileAsync(name);
        }

        await FailsAsync(ErrorCode.NotFound, async () => await service.Client.Admin.GetProfileAsync("p"));
        await FailsAsync(ErrorCode.NotFound, async () => await service.Client.Admin.ReplayProfileAsync("p"));
        await FailsAsync(ErrorCode.NotFound, async () => await service.Client.Admin.StopProfileAsync("p"));
        await FailsAsync(ErrorCode.InvalidArgument, async () => await service.Client.Admin.ImportProfileAsync("p", "text"u8.ToArray()));
        await FailsAsync(ErrorCode.InvalidArgument, async () => await service.Client.Admin.RecordProfileAsync("p q", new RecordProfileCommand()));
        await FailsAsync(ErrorCode.InvalidArgument, async () => await service.Client.Admin.RecordProfileAsync("p", new RecordProfileCommand { Seconds = -1 }));
    }

    [Fact]
    public async Task History_tells_what_was_read_below_a_folder()
    {
        string folder = await service.MakeFolderAsync();
        await service.Client.WriteFileAsync(folder + "/f", "content"u8.ToArray());
        (await service.Client.ReadFileAsync(folder + "/f")).Dispose();

        HistoryReport report = await service.Client.Admin.GetHistoryAsync(folder, "day");

        HistoryRow row = Assert.Single(report.Rows);
        Assert.Equal(7, row.MemoryBytes + row.HotBytes + row.ColdBytes);
        Assert.True(row is { Opens: >= 1, Reads: >= 1 });
        Assert.Empty((await service.Client.Admin.GetHistoryAsync(folder, "hour", until: DateTimeOffset.UnixEpoch.AddDays(1))).Rows);
        await FailsAsync(ErrorCode.InvalidArgument, async () => await service.Client.Admin.GetHistoryAsync(folder, "week"));
        await FailsAsync(ErrorCode.NotFound, async () => await service.Client.Admin.GetHistoryAsync(folder + "/none"));
    }

    private static async Task FailsAsync(ErrorCode code, Func<Task> action) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<DataLayerException>(action)).Code);
}
