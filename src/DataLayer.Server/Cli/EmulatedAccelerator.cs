using System.Collections.Concurrent;
using System.Diagnostics;
using DataLayer.Client.Feeds;
using DataLayer.Server.Interop;

namespace DataLayer.Server.Cli;

/// <summary>
/// One accelerator that is not there: it waits for a batch, then is busy with it for a time that is given, as a real
/// one would be. What it counts is what a training loop would feel.
/// </summary>
/// <remarks>
/// The busy time is slept on a thread of its own, so that accelerators do not take each other's processors. It is
/// counted as given, not as it came out: what the sleep adds is lost time, as is the wait.
/// </remarks>
internal sealed class EmulatedAccelerator(TrainingFeed feed, TimeSpan compute, long maxSteps)
{
    /// <summary>How long each step but the first waited for its batch.</summary>
    public LatencyHistogram Waits { get; } = new();

    /// <summary>Until the first batch was there.</summary>
    public TimeSpan FirstWait { get; private set; }

    /// <summary>Batches, a count.</summary>
    public long Steps { get; private set; }

    /// <summary>Samples without padding, a count.</summary>
    public long Samples { get; private set; }

    /// <summary>Bytes of samples.</summary>
    public long Bytes { get; private set; }

    /// <summary>From the first batch to the end of the last one's work.</summary>
    public TimeSpan Elapsed { get; private set; }

    /// <summary>The share of <see cref="Elapsed"/> in which it was busy, 0 to 1.</summary>
    public double Utilisation => Elapsed > TimeSpan.Zero ? Math.Min(1, Steps * compute / Elapsed) : 0;

    /// <summary>Reads until the feed ends, or so many steps are done.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using BlockingCollection<(long Until, TaskCompletionSource Done)> work = [];
        Thread thread = new(() => Work(work)) { IsBackground = true, Name = "accelerator" };
        thread.Start();
        try
        {
            long asked = Stopwatch.GetTimestamp();
            long first = 0;
            await foreach (Batch batch in feed.WithCancellation(cancellationToken))
            {
                long came = Stopwatch.GetTimestamp();
                if (Steps++ == 0)
                {
                    first = came;
                    FirstWait = Stopwatch.GetElapsedTime(asked, came);
                }
                else
                {
                    Waits.Add(Stopwatch.GetElapsedTime(asked, came));
                }

                Samples += batch.Count - batch.PaddingCount;
                Bytes += batch.DataBytes;
                TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
                work.Add((came + (long)(compute.TotalSeconds * Stopwatch.Frequency), done), cancellationToken);
                await done.Task;
                asked = Stopwatch.GetTimestamp();
                Elapsed = Stopwatch.GetElapsedTime(first, asked);
                if (Steps == maxSteps)
                {
                    break;
                }
            }
        }
        finally
        {
            work.CompleteAdding();
            thread.Join();
        }
    }

    private static void Work(BlockingCollection<(long Until, TaskCompletionSource Done)> work)
    {
        foreach ((long until, TaskCompletionSource done) in work.GetConsumingEnumerable())
        {
            MonotonicSleep.Until(until);
            done.SetResult();
        }
    }
}
