using System.Diagnostics;
using DataLayer.Client;
using DataLayer.Client.Feeds;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Demo;

/// <summary>
/// The demo's last pass: the files as a dataset, read once through a feed, the training loop's own door. Where that
/// cannot be done with these files it says why.
/// </summary>
internal sealed class DemoFeed(DemoOptions options, DataLayerClient client)
{
    /// <summary>The dataset's name.</summary>
    public const string Dataset = "demo";

    // A batch of images is small; of large files one has few. Four slabs of this are a part of any slab memory.
    private const long BatchBytes = 8 << 20;
    private const int MaxBatch = 256;

    /// <summary>Samples a batch, a count, for files of a length.</summary>
    public static int BatchOf(long files, long bytes) =>
        (int)Math.Clamp(BatchBytes / Math.Max(1, bytes / Math.Max(1, files)), 1, MaxBatch);

    /// <summary>
    /// Indexes the files below a folder of the tree, or brings the index of an earlier run up to date; how many samples
    /// there are.
    /// </summary>
    /// <exception cref="DataLayerException">What the job failed with; AlreadyExists: the name is taken.</exception>
    public async Task<long> IndexAsync(string treePath, CancellationToken cancellationToken)
    {
        DatasetCommand command = new() { Path = treePath, Kind = "files" };
        JobStatus job = await client.Datasets.CreateAsync(Dataset, command, cancellationToken);
        await foreach (JobStatus now in client.Jobs.WatchAsync(job.Id, cancellationToken))
        {
            job = now;
        }

        return job.State == "done"
            ? (await client.Datasets.GetAsync(Dataset, cancellationToken)).Samples
            : throw new DataLayerException(ErrorCode.WrongState, $"The index was not built: {job.Failure}");
    }

    /// <summary>One shuffled pass. What it reads is counted by the feed itself, batch by batch.</summary>
    /// <param name="pass">Its number, from 1.</param>
    /// <param name="batch">Samples a batch, a count.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<DemoPass> ReadAsync(int pass, int batch, CancellationToken cancellationToken)
    {
        string folder = (await client.Admin.ListMountsAsync(cancellationToken)).StateFolder;
        string socket = Path.Combine(folder, "feed.sock");
        TrainingFeedOptions feedOptions = new()
        {
            Server = File.Exists(socket) ? "unix:" + socket : options.Server,
            Token = options.Token,
            TokenFile = options.TokenFile,
            Dataset = Dataset,
            Batch = batch,
            Order = new OrderSpec { Seed = options.Seed },
            Last = LastStep.Pad,
        };
        StatisticsReport before = await client.Admin.GetStatisticsAsync(cancellationToken);
        long files = 0;
        long bytes = 0;
        long memory = 0;
        long hot = 0;
        long cold = 0;
        TimeSpan wait = default;
        long start = Stopwatch.GetTimestamp();
        await using (TrainingFeed feed = await TrainingFeed.OpenAsync(feedOptions, cancellationToken))
        {
            await foreach (Batch made in feed.WithCancellation(cancellationToken))
            {
                for (int i = 0; i < made.Count - made.PaddingCount; i++)
                {
                    bytes += made.GetSample(i).Length;
                }

                files += made.Count - made.PaddingCount;
                BatchStatistics from = made.Statistics;
                (memory, hot, cold) = (memory + from.MemoryBytes, hot + from.HotBytes, cold + from.OriginBytes);
                wait += from.Wait;
            }
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        StatisticsReport after = await client.Admin.GetStatisticsAsync(cancellationToken);
        return DemoPass.Between(pass, seconds, files, bytes, before, after) with
        {
            Through = "feed",
            WaitSeconds = wait.TotalSeconds,
            MemoryHits = memory,
            HotReads = hot,
            ColdReads = cold,
        };
    }
}
