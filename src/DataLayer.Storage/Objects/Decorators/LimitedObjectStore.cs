using System.Diagnostics;
using DataLayer.Core.Errors;
using DataLayer.Core.Objects;

namespace DataLayer.Storage.Objects.Decorators;

/// <summary>
/// Lets a bounded number of calls into a store at a time; more wait their turn, and past a bound of waiters a call
/// fails with Overloaded. Changes nothing else: no retry, no effect on idempotence.
/// </summary>
internal sealed class LimitedObjectStore(IObjectStore inner, int callLimit, int waiterLimit) : IObjectStore
{
    private readonly SemaphoreSlim _slots = new(callLimit, callLimit);
    private int _waiters;

    public string DisplayName => inner.DisplayName;

    public ValueTask<ObjectProperties?> HeadAsync(string key, CancellationToken cancellationToken) => RunAsync(
        (inner, key), static (state, token) => state.inner.HeadAsync(state.key, token), cancellationToken);

    public async ValueTask<ObjectReadResult> ReadAsync(
        string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken)
    {
        TimeSpan queued = await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectReadResult result = await inner.ReadAsync(key, offsetBytes, destination, ifMatch, cancellationToken)
                .ConfigureAwait(false);
            return queued == TimeSpan.Zero
                ? result
                : result with { Times = result.Times with { Queued = result.Times.Queued + queued } };
        }
        finally
        {
            _slots.Release();
        }
    }

    public ValueTask<ObjectProperties> WriteAsync(
        string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken) =>
            RunAsync(
        (inner, key, content, condition),
        static (state, token) => state.inner.WriteAsync(state.key, state.content, state.condition, token),
        cancellationToken);

    public ValueTask<bool> DeleteAsync(
        string key, ObjectWriteCondition condition, CancellationToken cancellationToken) => RunAsync(
        (inner, key, condition),
        static (state, token) => state.inner.DeleteAsync(state.key, state.condition, token),
        cancellationToken);

    public ValueTask<ObjectProperties> ChangeClassAsync(
        string key, string ifMatch, string storageClass, CancellationToken cancellationToken) => RunAsync(
        (inner, key, ifMatch, storageClass),
        static (state, token) => state.inner.ChangeClassAsync(state.key, state.ifMatch, state.storageClass, token),
        cancellationToken);

    public async ValueTask RestoreAsync(string key, int days, string speed, CancellationToken cancellationToken) =>
        await RunAsync(
            (inner, key, days, speed),
            static async (state, token) =>
            {
                await state.inner.RestoreAsync(state.key, state.days, state.speed, token).ConfigureAwait(false);
                return true;
            },
            cancellationToken).ConfigureAwait(false);

    public ValueTask<ObjectListPage> ListAsync(
        ObjectListRequest request, CancellationToken cancellationToken) => RunAsync(
        (inner, request), static (state, token) => state.inner.ListAsync(state.request, token), cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await inner.DisposeAsync().ConfigureAwait(false);
        _slots.Dispose();
    }

    private async ValueTask<TResult> RunAsync<TState, TResult>(
        TState state, Func<TState, CancellationToken, ValueTask<TResult>> call, CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await call(state, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _slots.Release();
        }
    }

    /// <summary>Takes a slot; how long that took.</summary>
    private ValueTask<TimeSpan> EnterAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return _slots.Wait(0, CancellationToken.None)
            ? ValueTask.FromResult(TimeSpan.Zero)
            : WaitAsync(cancellationToken);
    }

    private async ValueTask<TimeSpan> WaitAsync(CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        if (Interlocked.Increment(ref _waiters) > waiterLimit)
        {
            Interlocked.Decrement(ref _waiters);
            throw new DataLayerException(ErrorCode.Overloaded,
                $"{callLimit} requests to {inner.DisplayName} are in flight and {waiterLimit} wait. "
                + "Lower the load or raise the store's requestLimit.");
        }

        RequestMeter.RecordWaiting(1);
        try
        {
            await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
            return Stopwatch.GetElapsedTime(start);
        }
        finally
        {
            RequestMeter.RecordWaiting(-1);
            Interlocked.Decrement(ref _waiters);
        }
    }
}
