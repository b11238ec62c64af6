using System.Collections;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using DataLayer.Server.Cli;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server;

[Collection(ServiceCollection.Name)]
public sealed class TraceCommandTests(RunningService service)
{
    [Fact]
    public async Task What_was_recorded_is_replayed_elsewhere_read_by_read_and_measured()
    {
        string folder = await service.MakeFolderAsync();
        string copy = await service.MakeFolderAsync();
        foreach (string where in new[] { folder, copy })
        {
            await service.Client.WriteFileAsync(where + "/a", new byte[300_000]);
            await service.Client.WriteFileAsync(where + "/b", new byte[5_000]);
        }

        using TempFolder disk = new("trace");
        string file = disk.Combine("trace.tsv");
        using BegunWriter error = new();
        Task<int> recording = CommandLine.RunAsync(
            ["trace", "record", file, "--path", folder, "--for", "2s"], Environment(error), CancellationToken.None);
        await error.Begun;
        byte[] buffer = new byte[100_000];
        await service.Client.ReadAtAsync(folder + "/a", 100_000, buffer);
        await service.Client.ReadAtAsync(folder + "/b", 1_000, buffer.AsMemory(0, 2_000));
        await service.Client.ReadAtAsync(copy + "/a", 0, buffer); // Elsewhere: not of the trace.
        Assert.Equal(ExitCode.Success, await recording);

        string[][] lines = [.. (await File.ReadAllLinesAsync(file)).Where(l => l[0] != '#').Select(l => l.Split('\t'))];
        Assert.Equal(100_000, lines.Where(l => l[3] == folder + "/a").Sum(l => int.Parse(l[2], null)));
        Assert.Equal("100000", lines.First(l => l[3] == folder + "/a")[6]);
        Assert.Equal(["read", "2000", folder + "/b", "-", "-", "1000"], lines.Single(l => l[3] == folder + "/b")[1..]);
        Assert.DoesNotContain(lines, l => l[3].StartsWith(copy, StringComparison.Ordinal));

        JsonElement report = await ReplayAsync(ExitCode.Success, file, "--speed", "max", "--map", $"{folder}={copy}");
        Assert.Equal(lines.Length, report.GetProperty("reads").GetInt64());
        Assert.Equal(102_000, report.GetProperty("bytes").GetInt64());
        Assert.True(report.GetProperty("p50Seconds").GetDouble() > 0);
        Assert.True(report.GetProperty("maxSeconds").GetDouble() >= report.GetProperty("p99Seconds").GetDouble());
    }

    [Fact]
    public async Task The_recorded_times_are_kept_or_shortened_by_the_speed_and_failures_are_told()
    {
        string folder = await service.MakeFolderAsync();
        await service.Client.WriteFileAsync(folder + "/a", new byte[1000]);
        using TempFolder disk = new("trace");
        string file = disk.Combine("trace.tsv");
        await File.WriteAllTextAsync(
            file, $"0\tread\t10\t{folder}/a\n0.2\tread\t20\t{folder}/a\t-\t-\t500\n0.4\tread\t30\t{folder}/none\n0.1\twrite\t9\t{folder}/a\n");

        JsonElement report = await ReplayAsync(ExitCode.Failure, file, "--speed", "2");
        Assert.True(report.GetProperty("seconds").GetDouble() >= 0.2);
        Assert.Equal(0.4, report.GetProperty("recordedSeconds").GetDouble(), 3);
        Assert.Equal((2, 30, 1), (
            report.GetProperty("reads").GetInt32(), report.GetProperty("bytes").GetInt32(), report.GetProperty("failed").GetInt32()));
        Assert.Contains("/none", report.GetProperty("firstError").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reads_are_told_as_they_come_to_who_looks_on_and_a_path_that_is_not_there_is_refused()
    {
        string folder = await service.MakeFolderAsync();
        await service.Client.WriteFileAsync(folder + "/a", new byte[1000]);
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<AccessRecord> first = FirstAsync(folder, begun);
        await begun.Task;
        await service.Client.ReadAtAsync(folder + "/a", 100, new byte[50]);
        AccessRecord read = await first;
        Assert.Equal((folder + "/a", 100L, 50, 1000L, 0L), (read.Path, read.OffsetBytes, read.LengthBytes, read.SizeBytes, read.Missed));

        DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => FirstAsync(folder + "/none", begun));
        Assert.Equal(ErrorCode.NotFound, error.Code);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(0.99)]
    [InlineData(1)]
    public void A_quantile_is_within_two_percent(double share)
    {
        LatencyHistogram histogram = new();
        for (int i = 1; i <= 100_000; i++)
        {
            histogram.Add(TimeSpan.FromMicroseconds(i));
        }

        Assert.InRange(histogram.QuantileSeconds(share), share * 0.1, share * 0.1 * 1.02);
        Assert.Equal(0.1, histogram.LongestSeconds, 9);
        Assert.Equal(0, new LatencyHistogram().QuantileSeconds(share));
    }

    private async Task<AccessRecord> FirstAsync(string path, TaskCompletionSource begun)
    {
        await foreach (AccessRecord read in service.Client.Admin.WatchAccessesAsync(path, null, () => begun.TrySetResult()))
        {
            return read;
        }

        throw new InvalidOperationException("The accesses ended.");
    }

    private async Task<JsonElement> ReplayAsync(int status, params string[] arguments)
    {
        CliRun run = await CliRun.RunAsync(["--json", "trace", "replay", .. arguments], service.Url);
        Assert.True(run.Status == status, run.Text + run.Error);
        return JsonDocument.Parse(run.Text).RootElement;
    }

    private CliEnvironment Environment(TextWriter error) => new()
    {
        Out = TextWriter.Null,
        Error = error,
        OpenInput = () => Stream.Null,
        OpenOutput = () => Stream.Null,
        Variables = new Hashtable { ["HOME"] = "/nonexistent", [CommandRun.ServerVariable] = service.Url.ToString() },
        Time = TimeProvider.System,
    };

    /// <summary>Tells when the command said that it records.</summary>
    private sealed class BegunWriter : StringWriter
    {
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Begun => _begun.Task;

        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            if (value == "recording")
            {
                _begun.TrySetResult();
            }
        }
    }
}
