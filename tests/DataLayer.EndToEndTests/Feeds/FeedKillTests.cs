using System.Globalization;
using DataLayer.Client;
using DataLayer.Client.Feeds;
using DataLayer.Core.Order;
using DataLayer.Protocol.Http;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Processes;
using DataLayer.TestSupport.Service;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Feeds;

/// <summary>C# feeds of the real service under kill -9 of the service and of clients.</summary>
public sealed class FeedKillTests(ITestOutputHelper output)
{
    private const int Records = 6000;
    private const int RecordBytes = 64;
    private static readonly TimeSpan _longest = TimeSpan.FromMinutes(3);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Feeds_outlive_a_service_that_is_killed_and_no_sample_is_lost_or_seen_twice(bool local)
    {
        Random random = new(TestSeed.Take(output));
        using TempFolder folder = new("feed-kill");
        await using ServiceProcess service = await ServiceProcess.StartAsync(
            new ServiceSettings { StateFolder = folder.MakeFolder("state"), Port = FreePort.Next() });
        byte[] bytes = await MakeDatasetAsync(service.Client, random);
        const int world = 3;
        List<TrainingFeed> feeds = [];
        List<IAsyncEnumerator<Batch>> readers = [];
        using CancellationTokenSource limit = new(_longest);
        for (int rank = 0; rank < world; rank++)
        {
            TrainingFeed feed = await TrainingFeed.OpenAsync(
                new TrainingFeedOptions
                {
                    Server = AddressOf(service, local),
                    Dataset = "numbers",
                    Batch = 25,
                    Rank = rank,
                    World = world,
                    Order = new OrderSpec { Seed = 3 },
                    Last = LastStep.Pad,
                    ReconnectTime = _longest,
                },
                limit.Token);
            feeds.Add(feed);
            readers.Add(feed.GetAsyncEnumerator(limit.Token));
        }

        HashSet<int> kills = [.. Enumerable.Range(0, 4).Select(i => random.Next((i * 20) + 1, (i + 1) * 20))];
        List<long> seen = [];
        int ended = 0;
        for (int step = 0; ended == 0; step++)
        {
            foreach (IAsyncEnumerator<Batch> reader in readers)
            {
                if (!await reader.MoveNextAsync())
                {
                    ended++;
                    continue;
                }

                Batch batch = reader.Current;
                for (int i = 0; i < batch.Count; i++)
                {
                    Assert.True(batch.GetSample(i).SequenceEqual(bytes.AsSpan((int)batch.Numbers[i] * RecordBytes, RecordBytes)));
                }

                seen.AddRange(batch.Numbers[..(batch.Count - batch.PaddingCount)]);
            }

            if (kills.Contains(step))
            {
                await service.KillAsync();
                await service.RestartAsync();
            }
        }

        Assert.Equal(world, ended);
        Assert.Equal(Enumerable.Range(0, Records).Select(i => (long)i), seen.Order());
        output.WriteLine($"{kills.Count} kills, reconnects {string.Join(' ', feeds.Select(f => f.ReconnectCount))}");
        Assert.All(feeds, feed => Assert.True(feed.ReconnectCount > 0));
        for (int rank = 0; rank < world; rank++)
        {
            await readers[rank].DisposeAsync();
            await feeds[rank].DisposeAsync();
        }
    }

    [Fact]
    public async Task Whoever_is_killed_at_random_no_sample_is_lost_or_seen_twice_at_the_worlds_that_follow()
    {
        Random random = new(TestSeed.Take(output));
        int rounds = int.Parse(Environment.GetEnvironmentVariable("KILL_ROUNDS") ?? "4", CultureInfo.InvariantCulture);
        using TempFolder folder = new("feed-kill");
        await using ServiceProcess service = await ServiceProcess.StartAsync(
            new ServiceSettings { StateFolder = folder.MakeFolder("state"), Port = FreePort.Next() });
        await MakeDatasetAsync(service.Client, random);
        int[] counts = new int[Records];
        long stood = 0;
        string state = "-";
        TimeSpan slowest = default;
        for (int round = 0; round < rounds; round++)
        {
            using CancellationTokenSource limit = new(_longest);
            int world = random.Next(1, 4);
            int batch = random.Next(1, 60);
            bool local = random.Next(2) == 0;
            await using KilledJob job = KilledJob.Start(AddressOf(service, local), "numbers", world, batch, state);
            int victim = random.Next(world);
            int steps = random.Next(1, 30);
            await Task.WhenAll(Enumerable.Range(0, world).Select(rank => job.WhenDidAsync(rank, rank == victim ? steps : 1, limit.Token)));
            if (random.NextDouble() < 0.4)
            {
                await service.KillAsync();
                await service.RestartAsync();
                long restarted = System.Diagnostics.Stopwatch.GetTimestamp();
                int[] done = [.. Enumerable.Range(0, world).Select(rank => job.StepsOf(rank).Count)];
                await Task.WhenAll(Enumerable.Range(0, world).Select(rank => job.WhenDidAsync(rank, done[rank] + 2, limit.Token)));
                TimeSpan took = System.Diagnostics.Stopwatch.GetElapsedTime(restarted);
                slowest = took > slowest ? took : slowest;
            }

            await job.KillAsync(victim);
            IReadOnlyList<RankStep>[] all = [.. Enumerable.Range(0, world).Select(job.StepsOf)];

            // What all ranks have done is kept; what some did beyond it is of a model that is gone.
            RankStep last = all.Select(each => each[^1]).MinBy(step => step.NextCursor)!;
            foreach (RankStep step in all.SelectMany(each => each).Where(step => step.NextCursor <= last.NextCursor))
            {
                Array.ForEach(step.Samples, sample => counts[sample]++);
            }

            Assert.True(last.NextCursor > stood);
            (state, stood) = (last.State, last.NextCursor);
            Assert.Equal(stood, counts.Sum(count => (long)count));
        }

        (long whole, long rest) = Math.DivRem(stood, Records);
        Assert.All(counts, count => Assert.InRange(count, whole, whole + (rest > 0 ? 1 : 0)));
        output.WriteLine($"{rounds} rounds, {stood} samples, at most {slowest.TotalSeconds:F2} s from the service's start to the next two steps");
        using CancellationTokenSource late = new(_longest);
        while (SlabsOf(service.ProcessId) > 0 || (await service.Client.Datasets.ListFeedsAsync(late.Token)).Count > 0)
        {
            await Task.Yield();
        }
    }

    [Fact]
    public async Task A_client_that_is_killed_leaves_the_next_one_all_slabs()
    {
        Random random = new(TestSeed.Take(output));
        using TempFolder folder = new("feed-kill");
        string state = folder.MakeFolder("state");
        await using ServiceProcess service = await ServiceProcess.StartAsync(new ServiceSettings { StateFolder = state });
        await MakeDatasetAsync(service.Client, random);
        string socket = Path.Combine(state, "feed.sock");
        using CancellationTokenSource limit = new(_longest);
        for (int round = 0; round < 2; round++)
        {
            // The client reads for as long as it lives, and works a second on each batch: it dies with its slabs in hand.
            string[] line =
            [
                BuiltProgram.DataLayer, "feed", "bench", "numbers", "--socket", socket, "--batch", "50", "--compute", "1",
                "--accelerators", "2", "--slabs", "64", "--passes", "1000",
            ];
            using System.Diagnostics.Process client = Command.Start("dotnet", line, environment: null);
            while (SlabsOf(service.ProcessId) < 3)
            {
                Assert.False(client.HasExited);
                limit.Token.ThrowIfCancellationRequested();
                await Task.Yield();
            }

            client.Kill();
            await client.WaitForExitAsync(limit.Token);
            while (SlabsOf(service.ProcessId) > 0)
            {
                limit.Token.ThrowIfCancellationRequested();
                await Task.Yield();
            }
        }

        await using TrainingFeed feed = await TrainingFeed.OpenAsync(
            new TrainingFeedOptions { Server = "unix:" + socket, Dataset = "numbers", Batch = 50, Slabs = 64 }, limit.Token);
        long samples = 0;
        await foreach (Batch batch in feed.WithCancellation(limit.Token))
        {
            samples += batch.Count;
        }

        Assert.Equal(Records, samples);
    }

    /// <summary>The feed's socket, or the API's port, which stays the same over restarts.</summary>
    private static string AddressOf(ServiceProcess service, bool local) =>
        local ? "unix:" + Path.Combine(service.Settings.StateFolder, "feed.sock") : service.Endpoint.ToString().TrimEnd('/');

    private static async Task<byte[]> MakeDatasetAsync(DataLayerClient client, Random random)
    {
        byte[] bytes = new byte[Records * RecordBytes];
        random.NextBytes(bytes);
        for (int i = 0; i < Records; i++)
        {
            BitConverter.TryWriteBytes(bytes.AsSpan(i * RecordBytes), i);
        }

        await client.MakeDirectoryAsync("/numbers");
        await client.WriteFileAsync("/numbers/records.bin", bytes);
        DatasetCommand command = new() { Path = "/numbers", Kind = "fixed", RecordBytes = RecordBytes };
        JobStatus job = await client.Datasets.CreateAsync("numbers", command);
        await foreach (JobStatus now in client.Jobs.WatchAsync(job.Id))
        {
            job = now;
        }

        Assert.Equal("done", job.State);
        return bytes;
    }

    /// <summary>How many slabs a process has open, as the kernel knows them.</summary>
    private static int SlabsOf(int processId)
    {
        int count = 0;
        foreach (string link in Directory.EnumerateFiles(FormattableString.Invariant($"/proc/{processId}/fd")))
        {
            count += new FileInfo(link).LinkTarget is { } target && target.Contains("datalayer-slab", StringComparison.Ordinal) ? 1 : 0;
        }

        return count;
    }
}
