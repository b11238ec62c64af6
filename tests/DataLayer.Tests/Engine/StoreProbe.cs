using System.Collections.Concurrent;
using DataLayer.Core.Objects;

namespace DataLayer.Tests.Engine;

/// <summary>Stands in front of a store: counts calls, holds reads until told, and lets calls fail as a test says.</summary>
internal sealed class StoreProbe
{
    private readonly TaskCompletionSource _firstRead = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _gate;

    public int Reads;
    public int Heads;
    public int Lists;
    public int Writes;
    public int Deletes;
    public long ReadBytes;
    public int MaxReadBytes;

    /// <summary>The storage classes of objects by key, where the store has some; else null.</summary>
    public ConcurrentDictionary<string, string>? Classes { get; set; }

    /// <summary>Called before each request with its verb and key; what it throws is the answer.</summary>
    public Func<string, string, Exception?>? Before { get; set; }

    /// <summary>Called after a request was carried out: throwing loses the answer.</summary>
    public Func<string, string, Exception?>? After { get; set; }

    /// <summary>How long each read takes longer, as at an origin far away: for measurements, not for tests.</summary>
    public TimeSpan ReadDelay { get; set; }

    /// <summary>Ends when a read has arrived.</summary>
    public Task FirstReadAsync() => _firstRead.Task;

    public void Hold() => _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Open()
    {
        TaskCompletionSource? gate = _gate;
        _gate = null;
        gate?.SetResult();
    }

    public void Reset()
    {
        Reads = Heads = Lists = Writes = Deletes = MaxReadBytes = 0;
        ReadBytes = 0;
    }

    public IObjectStore Over(IObjectStore inner) => new Store(this, inner);

    private sealed class Store(StoreProbe probe, IObjectStore inner) : IObjectStore
    {
        public string DisplayName => inner.DisplayName;

        public async ValueTask<ObjectProperties?> HeadAsync(string key, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref probe.Heads);
            Fail(probe.Before, "HEAD", key);
            return await inner.HeadAsync(key, cancellationToken) is { } found ? WithClass(key, found) : null;
        }

        public async ValueTask<ObjectReadResult> ReadAsync(
            string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref probe.Reads);
            Interlocked.Add(ref probe.ReadBytes, destination.Length);
            probe._firstRead.TrySetResult();
            probe.MaxReadBytes = Math.Max(probe.MaxReadBytes, destination.Length);
            if (probe._gate is { } gate)
            {
                await gate.Task.WaitAsync(cancellationToken);
            }

            if (probe.ReadDelay > TimeSpan.Zero)
            {
                await Task.Delay(probe.ReadDelay, cancellationToken);
            }

            Fail(probe.Before, "GET", key);
            return await inner.ReadAsync(key, offsetBytes, destination, ifMatch, cancellationToken);
        }

        public async ValueTask<ObjectProperties> WriteAsync(
            string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref probe.Writes);
            Fail(probe.Before, "PUT", key);
            ObjectProperties written = await inner.WriteAsync(key, content, condition, cancellationToken);
            Fail(probe.After, "PUT", key);
            return written;
        }

        public async ValueTask<bool> DeleteAsync(string key, ObjectWriteCondition condition, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref probe.Deletes);
            Fail(probe.Before, "DELETE", key);
            bool deleted = await inner.DeleteAsync(key, condition, cancellationToken);
            Fail(probe.After, "DELETE", key);
            return deleted;
        }

        public async ValueTask<ObjectProperties> ChangeClassAsync(
            string key, string ifMatch, string storageClass, CancellationToken cancellationToken)
        {
            Fail(probe.Before, "COPY", key);
            ObjectProperties changed;
            if (probe.Classes is { } classes)
            {
                changed = (await inner.HeadAsync(key, cancellationToken))!.Value;
                Assert.Equal(ifMatch, changed.ETag);
                classes[key] = storageClass;
                changed = WithClass(key, changed);
            }
            else
            {
                changed = await inner.ChangeClassAsync(key, ifMatch, storageClass, cancellationToken);
            }

            Fail(probe.After, "COPY", key);
            return changed;
        }

        public async ValueTask RestoreAsync(string key, int days, string speed, CancellationToken cancellationToken)
        {
            Fail(probe.Before, "RESTORE", key);
            await inner.RestoreAsync(key, days, speed, cancellationToken);
        }

        public async ValueTask<ObjectListPage> ListAsync(ObjectListRequest request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref probe.Lists);
            Fail(probe.Before, "LIST", request.Prefix);
            return await inner.ListAsync(request, cancellationToken);
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private ObjectProperties WithClass(string key, ObjectProperties found) =>
            probe.Classes?.TryGetValue(key, out string? storageClass) == true
                ? found with { StorageClass = storageClass }
                : found;

        private static void Fail(Func<string, string, Exception?>? hook, string verb, string key)
        {
            if (hook?.Invoke(verb, key) is { } error)
            {
                throw error;
            }
        }
    }
}
