using System.Diagnostics;
using System.Runtime.CompilerServices;
using DataLayer.Client;
using DataLayer.Client.Feeds;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Protocol.Http;

namespace DataLayer.Server.Demo;

/// <summary>
/// The demo's last passes: the files as a dataset, read through one feed, the training loop's own door. In the first of
/// them the service looks each file up; the second is what a training loop has from then on.
/// </summary>
internal sealed class DemoFeed(DemoOptions options, DataLayerClient client)
{
    /// <summary>The dataset's name.</summary>
    public const string Dataset = "demo";

    // A batch of images is small; of large files one has few. Four slabs of this are a part of any slab memory.
    private const long BatchBytes = 8 << 20;
    private const int MaxBatch = 256;
    private const int Passes = 2;

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

    /// <summary>Two shuffled passes. What they read is counted by the feed itself, batch by batch.</summary>
    /// <param name="pass">The first one's number, from 1.</param>
    /// <param name="batch">Samples a batch, a count.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async IAsyncEnumerable<DemoPass> ReadAsync(
        int pass, int batch, [EnumeratorCancellation] CancellationToken cancellationToken)
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
            Passes = Passes,
        };
        StatisticsReport before = await client.Admin.GetStatisticsAsync(cancellationToken);
        await using TrainingFeed feed = await TrainingFeed.OpenAsync(feedOptions, cancellationToken);
        IAsyncEnumerator<Batch> batches = feed.GetAsyncEnumerator(cancellationToken);
        await using (batches)
        {
            bool any = true;
            for (int i = 0; i < Passes && any; i++)
            {
                Tally tally = new();
                long start = Stopwatch.GetTimestamp();
                do
                {
                    any = await batches.MoveNextAsync();
                }
                while (any && tally.Add(batches.Current, feed.Description.PassLength));

                double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                StatisticsReport after = await client.Admin.GetStatisticsAsync(cancellationToken);
                yield return tally.ToPass(pass + i, seconds, before, after);
                before = after;
            }
        }
    }

    /// <summary>What the batches of one pass had.</summary>
    private sealed class Tally
    {
        private long _files;
        private long _bytes;
        private long _memory;
        private long _hot;
        private long _cold;
        private TimeSpan _wait;

        /// <summary>Counts a batch; false with the last one of its pass.</summary>
        public bool Add(Batch batch, long passLength)
        {
            int real = batch.Count - batch.PaddingCount;
            for (int i = 0; i < real; i++)
            {
                _bytes += batch.GetSample(i).Length;
            }

            _files += real;
            BatchStatistics from = batch.Statistics;
            (_memory, _hot, _cold) = (_memory + from.MemoryBytes, _hot + from.HotBytes, _cold + from.OriginBytes);
            _wait += from.Wait;
            return batch.NextCursor % passLength != 0;
        }

        public DemoPass ToPass(int pass, double seconds, StatisticsReport before, StatisticsReport after) =>
            DemoPass.Between(pass, seconds, _files, _bytes, before, after) with
            {
                Through = "feed",
                WaitSeconds = _wait.TotalSeconds,
                MemoryHits = _memory,
                HotReads = _hot,
                ColdReads = _cold,
            };
    }
}
