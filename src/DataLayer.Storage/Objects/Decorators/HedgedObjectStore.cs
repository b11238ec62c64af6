using System.Numerics;
using DataLayer.Core.Memory;
using DataLayer.Core.Objects;

namespace DataLayer.Storage.Objects.Decorators;

/// <summary>
/// Asks a second time for a read that is slower than 95 % of its kind (<see cref="SlowLatency"/>), and takes whichever
/// answer comes first.
/// </summary>
/// <remarks>
/// <para>Only reads, which are idempotent. Kinds are powers of two of the length. The share of second requests is
/// bounded (<see cref="HedgeBudget"/>).</para>
/// <para>The first request writes to the caller's buffer, the second to one of ours. If the second wins, the first is
/// cancelled and has ended before its bytes are copied: nothing writes to the caller's buffer after the call returned.
/// If both fail, the first's fault is reported.</para>
/// </remarks>
internal sealed class HedgedObjectStore(
    IObjectStore inner, NativeBufferPool buffers, TimeProvider time, TimeSpan minimumDelay)
    : IObjectStore
{
    /// <summary>Hedges that may go out in a row, a count.</summary>
    internal const int BurstLimit = HedgeBudget.BurstLimit;

    private readonly HedgeBudget _budget = new();
    private readonly SlowLatency[] _latencies = CreateLatencies();
    private readonly CancellationTokenSource _stop = new();
    private long _hedges;
    private long _wins;
    private int _running;

    public string DisplayName => inner.DisplayName;

    /// <summary>Second requests since start, a count.</summary>
    internal long HedgeCount => Interlocked.Read(ref _hedges);

    /// <summary>Second requests that came first, a count.</summary>
    internal long WinCount => Interlocked.Read(ref _wins);

    public ValueTask<ObjectProperties?> HeadAsync(string key, CancellationToken cancellationToken) =>
        inner.HeadAsync(key, cancellationToken);

    public ValueTask<ObjectReadResult> ReadAsync(
        string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken)
    {
        _budget.Earn();
        Read read = new(key, offsetBytes, destination, ifMatch);
        SlowLatency latency = _latencies[BitOperations.Log2((uint)destination.Length | 1)];
        return latency.Value is { } usual && destination.Length is > 0 and <= NativeBufferPool.MaxBufferBytes
            ? ReadHedgedAsync(read, latency, usual > minimumDelay ? usual : minimumDelay, cancellationToken)
            : ReadMeasuredAsync(read, latency, cancellationToken);
    }

    public ValueTask<ObjectProperties> WriteAsync(
        string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken) =>
        inner.WriteAsync(key, content, condition, cancellationToken);

    public ValueTask<bool> DeleteAsync(
        string key, ObjectWriteCondition condition, CancellationToken cancellationToken) =>
        inner.DeleteAsync(key, condition, cancellationToken);

    public ValueTask<ObjectProperties> ChangeClassAsync(
        string key, string ifMatch, string storageClass, CancellationToken cancellationToken) =>
        inner.ChangeClassAsync(key, ifMatch, storageClass, cancellationToken);

    public ValueTask RestoreAsync(string key, int days, string speed, CancellationToken cancellationToken) =>
        inner.RestoreAsync(key, days, speed, cancellationToken);

    public ValueTask<ObjectListPage> ListAsync(ObjectListRequest request, CancellationToken cancellationToken) =>
        inner.ListAsync(request, cancellationToken);

    /// <summary>Cancels losers that still run; they return their buffers as they end.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        while (Volatile.Read(ref _running) > 0)
        {
            await Task.Yield();
        }

        await inner.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    private static SlowLatency[] CreateLatencies()
    {
        SlowLatency[] latencies = new SlowLatency[32];
        for (int i = 0; i < latencies.Length; i++)
        {
            latencies[i] = new SlowLatency();
        }

        return latencies;
    }

    private ValueTask<ObjectReadResult> SendAsync(
        Read read, Memory<byte> destination, CancellationToken cancellationToken) =>
        inner.ReadAsync(read.Key, read.OffsetBytes, destination, read.IfMatch, cancellationToken);

    private async ValueTask<ObjectReadResult> ReadMeasuredAsync(
        Read read, SlowLatency latency, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        ObjectReadResult result = await SendAsync(read, read.Destination, cancellationToken).ConfigureAwait(false);
        latency.Add(time.GetElapsedTime(start));
        return result;
    }

    private async ValueTask<ObjectReadResult> ReadHedgedAsync(
        Read read, SlowLatency latency, TimeSpan delay, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        using CancellationTokenSource first = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<ObjectReadResult> firstTask = SendAsync(read, read.Destination, first.Token).AsTask();
        if (!await HedgeBudget.EndsWithinAsync(firstTask, delay, time).ConfigureAwait(false) && _budget.TrySpend())
        {
            return await RaceAsync(read, firstTask, first, latency, start, cancellationToken).ConfigureAwait(false);
        }

        ObjectReadResult result = await firstTask.ConfigureAwait(false);
        latency.Add(time.GetElapsedTime(start));
        return result;
    }

    private async ValueTask<ObjectReadResult> RaceAsync(
        Read read, Task<ObjectReadResult> firstTask, CancellationTokenSource first, SlowLatency latency, long start,
        CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _hedges);
        CancellationTokenSource second =
            CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        Task<Hedge> secondTask = HedgeAsync(read, second.Token);
        Task winner = await Task.WhenAny(firstTask, secondTask).ConfigureAwait(false);
        if (!winner.IsCompletedSuccessfully)
        {
            // One failed; the other may still bring it.
            winner = winner == firstTask ? secondTask : firstTask;
            await winner.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (winner == secondTask && secondTask.IsCompletedSuccessfully)
        {
            await first.CancelAsync().ConfigureAwait(false);
            await ((Task)firstTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            using BufferLease lease = (await secondTask.ConfigureAwait(false)).Lease;
            ObjectReadResult result = (await secondTask.ConfigureAwait(false)).Result;
            lease.Span[..result.BytesRead].CopyTo(read.Destination.Span);
            Interlocked.Increment(ref _wins);
            latency.Add(time.GetElapsedTime(start));
            second.Dispose();
            return result;
        }

        await second.CancelAsync().ConfigureAwait(false);
        _ = CleanUpAsync(secondTask, second);
        ObjectReadResult own = await firstTask.ConfigureAwait(false);
        latency.Add(time.GetElapsedTime(start));
        return own;
    }

    private async Task<Hedge> HedgeAsync(Read read, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _running);
        try
        {
            BufferLease lease = await buffers.RentAsync(read.Destination.Length, cancellationToken)
                .ConfigureAwait(false);
            try
            {
                return new Hedge(await SendAsync(read, lease.Memory, cancellationToken).ConfigureAwait(false), lease);
            }
            catch
            {
                lease.Dispose();
                throw;
            }
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    private static async Task CleanUpAsync(Task<Hedge> loser, CancellationTokenSource source)
    {
        await ((Task)loser).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (loser.IsCompletedSuccessfully)
        {
            (await loser.ConfigureAwait(false)).Lease.Dispose();
        }

        source.Dispose();
    }

    private readonly record struct Read(string Key, long OffsetBytes, Memory<byte> Destination, string? IfMatch);

    private readonly record struct Hedge(ObjectReadResult Result, BufferLease Lease);
}
