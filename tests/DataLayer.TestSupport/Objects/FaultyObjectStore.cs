using System.Collections.Concurrent;
using DataLayer.Core.Errors;
using DataLayer.Core.Objects;

namespace DataLayer.TestSupport.Objects;

/// <summary>What a <see cref="FaultyObjectStore"/> does to a call.</summary>
public enum ObjectFault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>OriginUnavailable, nothing was done.</summary>
    Unavailable,

    /// <summary>Done, then OriginUnavailable: the acknowledgement is lost.</summary>
    LostAcknowledgement,

    /// <summary>TimedOut, nothing was done.</summary>
    TimedOut,

    /// <summary>Done, then TimedOut.</summary>
    TimedOutAfter,

    /// <summary>A read that lays half of the bytes, then fails as a connection does that ends early.</summary>
    Truncated,

    /// <summary>A read that lays the bytes with a flipped bit, and finds it as stores must: Corrupt.</summary>
    Flipped,

    /// <summary>Done, after a few scheduler turns.</summary>
    Slow,

    /// <summary>A page, or properties, as they were at the last such call; else nothing.</summary>
    OutOfDate,
}

/// <summary>
/// A store that fails by a seeded plan, in all ways the contract allows and some that only caches of gateways do
/// (<see cref="ObjectFault.OutOfDate"/>). Counts what it did; every call draws once.
/// </summary>
public sealed class FaultyObjectStore(IObjectStore inner, int seed, double faultShare, params ObjectFault[] faults) : IObjectStore
{
    private readonly Lock _lock = new();
    private readonly Random _random = new(seed);
    private readonly ConcurrentDictionary<string, ObjectProperties?> _heads = new(StringComparer.Ordinal);
    private long _calls;
    private long _injected;

    /// <inheritdoc/>
    public string DisplayName => inner.DisplayName;

    /// <summary>Calls so far.</summary>
    public long CallCount => Interlocked.Read(ref _calls);

    /// <summary>Calls that were hurt so far.</summary>
    public long FaultCount => Interlocked.Read(ref _injected);

    /// <summary>While true, everything passes.</summary>
    public bool IsHealthy { get; set; }

    /// <inheritdoc/>
    public async ValueTask<ObjectProperties?> HeadAsync(string key, CancellationToken cancellationToken)
    {
        ObjectFault fault = Draw();
        ObjectProperties? found = await RunAsync(fault, () => inner.HeadAsync(key, cancellationToken));
        return fault == ObjectFault.OutOfDate && _heads.TryGetValue(key, out ObjectProperties? old) ? old : _heads[key] = found;
    }

    /// <inheritdoc/>
    public async ValueTask<ObjectReadResult> ReadAsync(
        string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken)
    {
        ObjectFault fault = Draw();
        if (fault is not (ObjectFault.Truncated or ObjectFault.Flipped))
        {
            return await RunAsync(fault, () => inner.ReadAsync(key, offsetBytes, destination, ifMatch, cancellationToken));
        }

        ObjectReadResult result = await inner.ReadAsync(key, offsetBytes, destination, ifMatch, cancellationToken);
        if (fault == ObjectFault.Truncated)
        {
            destination.Span[(result.BytesRead / 2)..].Fill(0xEE);
            throw new DataLayerException(ErrorCode.OriginUnavailable, "made up: the body ended early");
        }

        if (result.BytesRead > 0)
        {
            destination.Span[Next(result.BytesRead)] ^= (byte)(1 << Next(8));
        }

        throw new DataLayerException(ErrorCode.Corrupt, "made up: a bit flipped");
    }

    /// <inheritdoc/>
    public ValueTask<ObjectProperties> WriteAsync(
        string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken) =>
        RunAsync(Draw(), () => inner.WriteAsync(key, content, condition, cancellationToken));

    /// <inheritdoc/>
    public ValueTask<bool> DeleteAsync(string key, ObjectWriteCondition condition, CancellationToken cancellationToken) =>
        RunAsync(Draw(), () => inner.DeleteAsync(key, condition, cancellationToken));

    /// <inheritdoc/>
    public ValueTask<ObjectProperties> ChangeClassAsync(
        string key, string ifMatch, string storageClass, CancellationToken cancellationToken) =>
        RunAsync(Draw(), () => inner.ChangeClassAsync(key, ifMatch, storageClass, cancellationToken));

    /// <inheritdoc/>
    public async ValueTask RestoreAsync(string key, int days, string speed, CancellationToken cancellationToken) =>
        await RunAsync(
            Draw(),
            async () =>
            {
                await inner.RestoreAsync(key, days, speed, cancellationToken);
                return true;
            });

    /// <inheritdoc/>
    public ValueTask<ObjectListPage> ListAsync(ObjectListRequest request, CancellationToken cancellationToken) =>
        RunAsync(Draw(), () => inner.ListAsync(request, cancellationToken));

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private static async ValueTask<T> RunAsync<T>(ObjectFault fault, Func<ValueTask<T>> call)
    {
        switch (fault)
        {
            case ObjectFault.Unavailable:
                throw new DataLayerException(ErrorCode.OriginUnavailable, "made up: no connection");
            case ObjectFault.TimedOut:
                throw new DataLayerException(ErrorCode.TimedOut, "made up: silence");
            case ObjectFault.Slow:
                for (int turn = 0; turn < 20; turn++)
                {
                    await Task.Yield();
                }

                break;
        }

        T result = await call();
        return fault switch
        {
            ObjectFault.LostAcknowledgement or ObjectFault.Truncated or ObjectFault.Flipped =>
                throw new DataLayerException(ErrorCode.OriginUnavailable, "made up: reset after the request"),
            ObjectFault.TimedOutAfter => throw new DataLayerException(ErrorCode.TimedOut, "made up: silence after the request"),
            _ => result,
        };
    }

    private ObjectFault Draw()
    {
        Interlocked.Increment(ref _calls);
        lock (_lock)
        {
            double dice = _random.NextDouble();
            ObjectFault fault = faults[_random.Next(faults.Length)];
            if (IsHealthy || dice >= faultShare)
            {
                return ObjectFault.None;
            }

            _injected++;
            return fault;
        }
    }

    private int Next(int limit)
    {
        lock (_lock)
        {
            return _random.Next(limit);
        }
    }
}
