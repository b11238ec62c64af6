using DataLayer.Client;
using DataLayer.Core.Errors;

namespace DataLayer.EndToEndTests.Load;

/// <summary>Several <see cref="LoadWorker"/>s at once.</summary>
internal sealed class MixedLoad
{
    private readonly LoadWorker[] _workers;

    internal MixedLoad(int seed, int workerCount = 4, string root = "/load", int maxLength = 3 << 20)
    {
        _workers = [.. Enumerable.Range(0, workerCount).Select(i => new LoadWorker((seed * 1000) + i, $"{root}/w{i}", maxLength))];
    }

    /// <summary>Operations acknowledged so far.</summary>
    internal int Acknowledged => _workers.Sum(worker => worker.Acknowledged);

    /// <summary>Operations refused as expected so far.</summary>
    internal int Refused => _workers.Sum(worker => worker.Refused);

    /// <summary>The files that are there, by path.</summary>
    internal IEnumerable<KeyValuePair<string, FileModel>> Files => _workers.SelectMany(worker => worker.Files);

    /// <summary>Deletes the files of which nothing is known because a write in place was torn.</summary>
    internal async Task DropTornAsync(DataLayerClient client)
    {
        foreach (var worker in _workers)
        {
            await worker.DropTornAsync(client);
        }
    }

    /// <summary>Makes the folders.</summary>
    internal Task PrepareAsync(DataLayerClient client) => Task.WhenAll(_workers.Select(worker => worker.PrepareAsync(client)));

    /// <summary>Runs until <paramref name="stepCount"/> operations were acknowledged or refused by all workers together, or the connection broke.</summary>
    internal Task RunAsync(DataLayerClient client, int stepCount, Func<DataLayerException, Verdict>? judge = null)
    {
        var left = stepCount;
        return Task.WhenAll(_workers.Select(worker => Task.Run(async () =>
        {
            while (Interlocked.Decrement(ref left) >= 0 && await worker.StepAsync(client, judge))
            {
                // The condition does the work.
            }
        })));
    }

    /// <summary>
    /// Runs until the service is gone: calls <paramref name="end"/> (which ends it) from aside once so many operations were
    /// acknowledged, in the middle of the ones in flight.
    /// </summary>
    internal async Task RunUntilEndedAsync(DataLayerClient client, int stepsBeforeEnd, Func<Task> end)
    {
        var left = stepsBeforeEnd;
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var workers = _workers.Select(worker => Task.Run(async () =>
        {
            while (await worker.StepAsync(client, _ => reached.Task.IsCompleted ? Verdict.Unknown : Verdict.Fault))
            {
                if (Interlocked.Decrement(ref left) <= 0)
                {
                    reached.TrySetResult();
                }
            }
        })).ToArray();
        await Task.WhenAny(reached.Task, Task.WhenAll(workers));
        await end();
        await Task.WhenAll(workers);
    }

    /// <summary>Compares everything with the model; returns what is wrong.</summary>
    internal async Task<IReadOnlyList<string>> VerifyAsync(DataLayerClient client) =>
        [.. (await Task.WhenAll(_workers.Select(worker => worker.VerifyAsync(client)))).SelectMany(faults => faults)];
}
