using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Protocol.Http;

namespace DataLayer.Tests.Server;

[Collection(ServiceCollection.Name)]
public sealed class DatasetEndpointTests(RunningService service)
{
    [Fact]
    public async Task A_dataset_is_made_pinned_read_verified_and_deleted()
    {
        string folder = await service.MakeFolderAsync();
        await WriteAsync(folder + "/a.jsonl", "{\"y\":\"cat\"}\n{\"y\":\"dog\"}\n");
        await WriteAsync(folder + "/b.jsonl", "{\"y\":\"cat\"}\n");
        DatasetCommand command = new() { Path = folder, Kind = "lines", Labels = "field", LabelsFrom = "y" };

        JobStatus job = await EndAsync(await service.Client.Datasets.CreateAsync("set", command));

        Assert.Equal(("done", "index"), (job.State, job.Kind));
        DatasetStatus made = await service.Client.Datasets.GetAsync("set");
        Assert.Equal(("ready", 3L, 2L), (made.State, made.Samples, made.Files));
        Assert.Equal(["cat", "dog"], made.Classes);
        Assert.Equal(command, made.Spec);
        SamplePage page = await service.Client.Datasets.ListSamplesAsync("set", from: 1, limit: 1);
        SampleStatus sample = Assert.Single(page.Samples);
        Assert.Equal((1L, folder + "/a.jsonl", 12L, 11L, "dog", 1, 2L), (sample.Number, sample.Path, sample.OffsetBytes, sample.LengthBytes, sample.Label, sample.Class, page.Next));
        Assert.Equal("{\"y\":\"dog\"}", Encoding.UTF8.GetString(await service.Client.Datasets.ReadSampleAsync("set", 1)));
        OrderReport order = await service.Client.Datasets.GetOrderAsync("set", new OrderSpec { Mode = OrderMode.Balanced, Seed = 5 });
        Assert.Equal((4L, "balanced;part=all;seed=5"), (order.PassLength, order.Order));
        Assert.Equal(2, order.Samples.Count(s => s == 1));

        Assert.Equal("pinned", (await service.Client.Datasets.PinAsync("set")).State);
        await FailsAsync(ErrorCode.WrongState, async () => await service.Client.Datasets.RefreshAsync("set"));
        await FailsAsync(ErrorCode.WrongState, async () => await service.Client.Datasets.DeleteAsync("set"));
        Assert.Equal(0, (await service.Client.Datasets.VerifyAsync("set")).BadFiles);
        await WriteAsync(folder + "/a.jsonl", "{\"y\":\"cow\"}\n");
        DatasetVerificationReport bad = await service.Client.Datasets.VerifyAsync("set", askOrigin: false);
        Assert.Equal((1L, 2L, "a.jsonl"), (bad.BadFiles, bad.BadSamples, bad.Gaps[0].Path));
        await FailsAsync(ErrorCode.Stale, async () => await service.Client.Datasets.ReadSampleAsync("set", 1));

        await service.Client.Datasets.UnpinAsync("set");
        await EndAsync(await service.Client.Datasets.RefreshAsync("set"));
        DatasetStatus refreshed = await service.Client.Datasets.GetAsync("set");
        Assert.Equal((2L, 1L), (refreshed.Samples, refreshed.ReadFiles));
        Assert.NotEqual(made.Hash, refreshed.Hash);
        await service.Client.Datasets.DeleteAsync("set");
        Assert.DoesNotContain(await service.Client.Datasets.ListAsync(), d => d.Name == "set");
        await FailsAsync(ErrorCode.NotFound, async () => await service.Client.Datasets.GetAsync("set"));
    }

    [Fact]
    public async Task A_build_that_fails_says_why()
    {
        string folder = await service.MakeFolderAsync();
        await WriteAsync(folder + "/a.bin", "abc");
        JobStatus job = await EndAsync(
            await service.Client.Datasets.CreateAsync("torn", new DatasetCommand { Path = folder, Kind = "fixed", RecordBytes = 2 }));
        Assert.Equal("failed", job.State);
        Assert.Contains("byte 2", job.Failure, StringComparison.Ordinal);
        DatasetStatus failed = await service.Client.Datasets.GetAsync("torn");
        Assert.Equal("failed", failed.State);
        Assert.Contains(folder + "/a.bin", failed.Fault, StringComparison.Ordinal);
        await FailsAsync(ErrorCode.WrongState, async () => await service.Client.Datasets.ListSamplesAsync("torn"));
        await FailsAsync(ErrorCode.WrongState, async () => await service.Client.Datasets.PinAsync("torn"));
        await FailsAsync(
            ErrorCode.InvalidArgument,
            async () => await service.Client.Datasets.CreateAsync("x", new DatasetCommand { Path = folder, Kind = "parquet" }));
        await service.Client.Datasets.DeleteAsync("torn");
    }

    [Fact]
    public async Task The_command_line_makes_verifies_and_shows_a_dataset()
    {
        string folder = await service.MakeFolderAsync();
        await WriteAsync(folder + "/cat/1", "one");
        await WriteAsync(folder + "/dog/2", "two");

        CliRun made = await RunAsync("dataset", "create", "cli", folder, "--labels", "folder", "--validation", "0.5");
        Assert.True(made.Status == 0, made.Error);
        Assert.Contains("cli: ready, 2 samples in 2 files", made.Text, StringComparison.Ordinal);
        Assert.Contains("2: cat, dog", (await RunAsync("dataset", "show", "cli")).Text, StringComparison.Ordinal);
        Assert.Contains("cli", (await RunAsync("dataset", "list")).Text, StringComparison.Ordinal);
        Assert.Contains("/dog/2", (await RunAsync("dataset", "samples", "cli")).Text, StringComparison.Ordinal);
        Assert.Equal("two", (await RunAsync("dataset", "sample", "cli", "1")).Bytes);
        Assert.Equal("0 1", (await RunAsync("dataset", "order", "cli", "--mode", "sequential")).Text.Trim());
        Assert.Equal(0, (await RunAsync("dataset", "pin", "cli")).Status);
        Assert.Equal(0, (await RunAsync("dataset", "verify", "cli")).Status);
        await WriteAsync(folder + "/dog/2", "TWO");
        CliRun bad = await RunAsync("dataset", "verify", "cli");
        Assert.Equal(1, bad.Status);
        Assert.Contains("dog/2: It was written", bad.Text, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("dataset", "unpin", "cli")).Status);
        Assert.Equal(0, (await RunAsync("dataset", "delete", "cli")).Status);
    }

    private Task<CliRun> RunAsync(params string[] arguments) => CliRun.RunAsync(arguments, service.Url);

    private async Task WriteAsync(string path, string text) =>
        await service.Client.WriteFileAsync(path, Encoding.UTF8.GetBytes(text), new DataLayer.Client.WriteOptions { MakeParents = true });

    private async Task<JobStatus> EndAsync(JobStatus job)
    {
        await foreach (JobStatus now in service.Client.Jobs.WatchAsync(job.Id))
        {
            job = now;
        }

        return job;
    }

    private static async Task FailsAsync(ErrorCode code, Func<Task> action) =>
        Assert.Equal(code, (await Assert.ThrowsAsync<DataLayerException>(action)).Code);
}
