using System.Text.Json;
using DataLayer.Client.Feeds;
using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Protocol.Http;
using DataLayer.Tests.Server;

namespace DataLayer.Tests.Client.Feeds;

/// <summary>The C# feed against the real service: its socket with shared memory, and the same frames from elsewhere.</summary>
[Collection(ServiceCollection.Name)]
public sealed class FeedOfServiceTests(RunningService service) : IAsyncLifetime
{
    private const int Records = 503;
    private const int RecordBytes = 48;
    private static readonly TimeSpan _longest = TimeSpan.FromSeconds(60);
    private readonly string _name = "csharp-" + Guid.NewGuid().ToString("N")[..8];
    private readonly byte[] _bytes = new byte[Records * RecordBytes];
    private string _folder = "";

    private string Socket => "unix:" + service.FeedSocketPath;

    public async Task InitializeAsync()
    {
        new Random(11).NextBytes(_bytes);
        _folder = await service.MakeFolderAsync();
        await service.Client.WriteFileAsync(_folder + "/records.bin", _bytes);
        await MakeAsync(_name, new DatasetCommand { Path = _folder, Kind = "fixed", RecordBytes = RecordBytes });
    }

    public Task DisposeAsync() => Task.CompletedTask;

    [Theory]
    [InlineData(1, 16, LastStep.Pad, true)]
    [InlineData(2, 7, LastStep.Pad, true)]
    [InlineData(3, 10, LastStep.Drop, true)]
    [InlineData(3, 5, LastStep.Pad, false)]
    public async Task All_ranks_together_see_each_sample_once_a_pass(int world, int batch, LastStep last, bool local)
    {
        List<long>[] passes = [[], []];
        long[] cursors = await Task.WhenAll(Enumerable.Range(0, world).Select(async rank =>
        {
            await using TrainingFeed feed = await OpenAsync(Options(local) with
            {
                Rank = rank,
                World = world,
                Batch = batch,
                Last = last,
                Passes = 2,
            });
            Assert.Equal(("fixed", "dense", (long)Records), (feed.Description.Kind, feed.Description.Layout, feed.Description.Samples));
            await foreach (Batch taken in feed.WithCancellation(Limit()))
            {
                for (int i = 0; i < taken.Count; i++)
                {
                    Assert.Equal(_bytes.AsSpan((int)taken.Numbers[i] * RecordBytes, RecordBytes), taken.GetSample(i));
                }

                lock (passes)
                {
                    passes[taken.Pass].AddRange(taken.Numbers[..(taken.Count - taken.PaddingCount)]);
                }
            }

            return feed.State.Cursor;
        }));
        int lost = last == LastStep.Drop ? Records % (world * batch) : 0;
        Assert.All(passes, pass =>
        {
            Assert.Equal(Records - lost, pass.Count);
            Assert.Equal(pass.Count, pass.Distinct().Count());
        });
        Assert.NotEqual(passes[0], passes[1]);
        Assert.Single(cursors.Distinct());
    }

    /// <summary>Lines of 1 to 2,000 bytes: batches of near lengths, padded to their longest; resumed in another world, each line once.</summary>
    [Fact]
    public async Task Batches_by_lengths_are_of_near_lengths_at_any_world_and_go_on_exactly()
    {
        Random random = new(23);
        string name = _name + "-lines";
        string folder = await service.MakeFolderAsync();
        string[] lines = [.. Enumerable.Range(0, 1003).Select(i => new string((char)('a' + (i % 26)), random.Next(1, 2000)))];
        await service.Client.WriteFileAsync(folder + "/lines.txt", System.Text.Encoding.ASCII.GetBytes(string.Join('\n', lines)));
        await MakeAsync(name, new DatasetCommand { Path = folder, Kind = "lines", Validation = 0.1 });
        OrderSpec order = new() { Mode = OrderMode.Lengths, Part = DatasetPart.Train, BlockSamples = 24, WindowBlocks = 2, Seed = 4 };
        List<long> seen = [];
        long padded = 0;
        long length = 0;
        long samples = 0;
        FeedState? state = null;
        foreach ((int world, int batch, int steps) in new[] { (2, 12, 10), (3, 8, 7), (1, 24, int.MaxValue) })
        {
            FeedState? next = null;
            Dictionary<long, List<int>> stepLengths = [];
            for (int rank = 0; rank < world; rank++)
            {
                await using TrainingFeed feed = await OpenAsync(Options(local: true) with
                {
                    Dataset = name,
                    Order = order,
                    Rank = rank,
                    World = world,
                    Batch = batch,
                    State = state,
                    Last = LastStep.Pad,
                    Layout = BatchLayoutKind.Padded,
                });
                int step = 0;
                samples = feed.Description.Samples;
                await foreach (Batch taken in feed.WithCancellation(Limit()))
                {
                    int real = taken.Count - taken.PaddingCount;
                    for (int i = 0; i < taken.Count; i++)
                    {
                        Assert.Equal(lines[taken.Numbers[i]], System.Text.Encoding.ASCII.GetString(taken.GetSample(i)));
                        stepLengths.TryAdd(taken.Cursor, []);
                        stepLengths[taken.Cursor].Add(lines[taken.Numbers[i]].Length);
                    }

                    (padded, length) = (padded + taken.DataBytes, length + taken.Numbers.ToArray().Sum(n => (long)lines[n].Length));
                    seen.AddRange(taken.Numbers[..real]);
                    if (++step == steps)
                    {
                        break;
                    }
                }

                next = feed.State;
            }

            // 48 neighbours by length of some 900 that are spread evenly up to 2,000; two windows where a block lies across.
            Assert.All(stepLengths.Values, l => Assert.InRange(l.Max() - l.Min(), 0, 400));
            state = next;
        }

        Assert.Equal(seen.Count, seen.Distinct().Count());
        Assert.Equal(samples, seen.Count);
        Assert.InRange(padded, length, (long)(1.15 * length));
    }

    [Fact]
    public async Task Any_later_world_goes_on_from_a_state()
    {
        Random random = new(17);
        for (int round = 0; round < 5; round++)
        {
            List<long> seen = [];
            FeedState? state = null;
            while (seen.Count < Records)
            {
                int world = random.Next(1, 4);
                int batch = random.Next(5, 40);
                int steps = random.Next(1, 8);
                FeedState? next = null;
                for (int rank = 0; rank < world; rank++)
                {
                    TrainingFeedOptions options = Options(local: true) with
                    {
                        Rank = rank,
                        World = world,
                        Batch = batch,
                        State = state,
                        Last = LastStep.Pad,
                    };
                    await using TrainingFeed feed = await OpenAsync(options);
                    int step = 0;
                    await foreach (Batch taken in feed.WithCancellation(Limit()))
                    {
                        seen.AddRange(taken.Numbers[..(taken.Count - taken.PaddingCount)]);
                        if (++step == steps)
                        {
                            break;
                        }
                    }

                    next = FeedState.Parse(feed.State.ToText());
                }

                state = next;
            }

            Assert.Equal(Enumerable.Range(0, Records).Select(i => (long)i), seen.Order());
        }
    }

    [Fact]
    public async Task From_elsewhere_the_same_bytes_come_as_through_shared_memory()
    {
        List<byte[]>[] all = [[], []];
        for (int i = 0; i < 2; i++)
        {
            await using TrainingFeed feed = await OpenAsync(Options(local: i == 0) with { Slabs = 2, Layout = BatchLayoutKind.Samples });
            await foreach (Batch batch in feed.WithCancellation(Limit()))
            {
                all[i].Add(batch.Data.ToArray());
                Assert.Equal(batch.Count, batch.Numbers.Length);
            }
        }

        Assert.Equal(all[0], all[1]);
    }

    [Fact]
    public async Task Files_come_with_labels_and_keys()
    {
        string folder = await service.MakeFolderAsync();
        foreach (string file in (string[])["cat/1.txt", "cat/22.txt", "dog/333.txt"])
        {
            await service.Client.WriteFileAsync($"{folder}/{file}", System.Text.Encoding.UTF8.GetBytes(file), new DataLayer.Client.WriteOptions { MakeParents = true });
        }

        string name = _name + "-files";
        await MakeAsync(name, new DatasetCommand { Path = folder, Kind = "files", Labels = "folder" });
        await using TrainingFeed feed = await OpenAsync(Options(local: true) with { Dataset = name, Batch = 3, Keys = true });
        int batches = 0;
        await foreach (Batch batch in feed.WithCancellation(Limit()))
        {
            batches++;
            for (int i = 0; i < 3; i++)
            {
                string key = batch.GetKey(i)!;
                Assert.Equal(key, System.Text.Encoding.UTF8.GetString(batch.GetSample(i)));
                Assert.Equal(key.Split('/')[0], feed.Description.ClassNames![batch.Labels[i]]);
            }
        }

        Assert.Equal(1, batches);
    }

    [Fact]
    public async Task A_dense_batch_is_a_tensor()
    {
        await using TrainingFeed feed = await OpenAsync(Options(local: true) with { Element = FeedElement.Int16, Batch = 4 });
        await foreach (Batch batch in feed.WithCancellation(Limit()))
        {
            Assert.Equal([4, RecordBytes / 2], batch.GetTensor<short>().Lengths);
            Assert.Equal(BitConverter.ToInt16(_bytes, (int)(batch.Numbers[3] * RecordBytes) + 6), batch.GetTensor<short>()[3, 3]);
            break;
        }
    }

    [Fact]
    public async Task Wrong_use_is_an_error_that_says_what_to_do()
    {
        TrainingFeedOptions right = Options(local: true);
        await ExpectAsync(right with { Dataset = "unknown" }, ErrorCode.NotFound, "unknown");
        await ExpectAsync(right with { World = 60 }, ErrorCode.InvalidArgument, "smaller batch, or pad");
        await ExpectAsync(right with { Order = new OrderSpec { Mode = OrderMode.Weighted } }, ErrorCode.InvalidArgument, "weight");
        FeedState state;
        await using (TrainingFeed feed = await OpenAsync(right))
        {
            state = feed.State;
        }

        await ExpectAsync(right with { State = state, Order = new OrderSpec { Seed = 9 } }, ErrorCode.Stale, "ask for the same order and seed");
        await service.Client.WriteFileAsync(_folder + "/more.bin", _bytes);
        await WaitAsync(await service.Client.Datasets.RefreshAsync(_name));
        await ExpectAsync(right with { State = state }, ErrorCode.Stale, "pin the dataset");
        await ExpectAsync(right with { Index = state.Index }, ErrorCode.Stale, "index");
    }

    [Fact]
    public async Task The_bench_says_how_busy_accelerators_were_kept()
    {
        string[] line = ["--json", "feed", "bench", _name, "--accelerators", "2", "--batch", "10", "--compute", "0.002", "--socket", Socket["unix:".Length..]];
        CliRun run = await CliRun.RunAsync(line, service.Url, cancellationToken: Limit());
        Assert.Equal(("", 0), (run.Error, run.Status));
        JsonElement report = JsonDocument.Parse(run.Text).RootElement;
        Assert.Equal((50, 500L, 500L * RecordBytes), (report.GetProperty("steps").GetInt32(), report.GetProperty("samples").GetInt64(), report.GetProperty("bytes").GetInt64()));
        Assert.InRange(report.GetProperty("utilisation").GetDouble(), 0.0001, 1);
        Assert.InRange(report.GetProperty("waitP50Seconds").GetDouble(), 0, report.GetProperty("waitMaxSeconds").GetDouble());
        Assert.InRange(report.GetProperty("samplesPerSecond").GetDouble(), 1, 10_000);
        CliRun text = await CliRun.RunAsync([.. line[1..], "--steps", "3"], service.Url, cancellationToken: Limit());
        Assert.Contains("60 samples in 6 batches", text.Text, StringComparison.Ordinal);
        CliRun remote = await CliRun.RunAsync([.. line[..^2], "--steps", "2"], service.Url, cancellationToken: Limit());
        Assert.Equal(40, JsonDocument.Parse(remote.Text).RootElement.GetProperty("samples").GetInt32());
        CliRun wrong = await CliRun.RunAsync([.. line[1..], "--accelerators", "0"], service.Url, cancellationToken: Limit());
        Assert.NotEqual(0, wrong.Status);
    }

    private TrainingFeedOptions Options(bool local) => new()
    {
        Server = local ? Socket : service.Url.ToString(),
        Dataset = _name,
        Batch = 16,
        Order = new OrderSpec { Seed = 5 },
        ReconnectTime = TimeSpan.FromSeconds(5),
    };

    private async Task MakeAsync(string name, DatasetCommand command) => await WaitAsync(await service.Client.Datasets.CreateAsync(name, command));

    private async Task WaitAsync(JobStatus job)
    {
        await foreach (JobStatus now in service.Client.Jobs.WatchAsync(job.Id, Limit()))
        {
            job = now;
        }

        Assert.Equal("done", job.State);
    }

    private static CancellationToken Limit() => new CancellationTokenSource(_longest).Token;

    private static Task<TrainingFeed> OpenAsync(TrainingFeedOptions options) => TrainingFeed.OpenAsync(options).AsTask().WaitAsync(_longest);

    private static async Task ExpectAsync(TrainingFeedOptions options, ErrorCode code, string text)
    {
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(() => OpenAsync(options));
        Assert.True(fault.Code == code, fault.ToString());
        Assert.Contains(text, fault.Message, StringComparison.Ordinal);
    }
}
