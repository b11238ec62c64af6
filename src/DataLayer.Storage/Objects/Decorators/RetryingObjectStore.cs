using DataLayer.Core.Errors;
using DataLayer.Core.Memory;
using DataLayer.Core.Objects;

namespace DataLayer.Storage.Objects.Decorators;

/// <summary>Tries calls again that failed with what may pass, as its <see cref="RetryPolicy"/> allows.</summary>
/// <remarks>
/// Head, read, list and delete are idempotent and simply repeated. A delete whose answer was lost and that is repeated
/// under a condition finds nothing and succeeds. A write is repeated as a whole; if its condition then fails, the
/// object that is there is read and compared: equal bytes mean that the attempt before was applied and only its answer
/// lost.
/// </remarks>
internal sealed class RetryingObjectStore(IObjectStore inner, RetryPolicy policy, NativeBufferPool buffers)
    : IObjectStore
{
    private const int CompareBytes = 1 << 20;

    public string DisplayName => inner.DisplayName;

    public ValueTask<ObjectProperties?> HeadAsync(string key, CancellationToken cancellationToken) => policy.RunAsync(
        (inner, key), static (state, _, token) => state.inner.HeadAsync(state.key, token), cancellationToken);

    public async ValueTask<ObjectReadResult> ReadAsync(
        string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken)
    {
        RetryLoss loss = new();
        ObjectReadResult result = await policy.RunAsync(
            (inner, key, offsetBytes, destination, ifMatch),
            static (state, _, token) =>
                state.inner.ReadAsync(state.key, state.offsetBytes, state.destination, state.ifMatch, token),
            cancellationToken, loss).ConfigureAwait(false);
        return result with { Times = result.Times with { Throttled = loss.Throttled, Failed = loss.Failed } };
    }

    public ValueTask<ObjectProperties> WriteAsync(
        string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken) =>
        policy.RunAsync(
            (Store: this, key, content, condition),
            static (state, attempt, token) =>
                state.Store.TryWriteAsync(state.key, state.content, state.condition, attempt, token),
            cancellationToken);

    public ValueTask<bool> DeleteAsync(
        string key, ObjectWriteCondition condition, CancellationToken cancellationToken) =>
        policy.RunAsync(
            (inner, key, condition),
            static (state, _, token) => state.inner.DeleteAsync(state.key, state.condition, token),
            cancellationToken);

    public ValueTask<ObjectProperties> ChangeClassAsync(
        string key, string ifMatch, string storageClass, CancellationToken cancellationToken) =>
        policy.RunAsync(
            (inner, key, ifMatch, storageClass),
            static (state, _, token) =>
                state.inner.ChangeClassAsync(state.key, state.ifMatch, state.storageClass, token),
            cancellationToken);

    public async ValueTask RestoreAsync(string key, int days, string speed, CancellationToken cancellationToken) =>
        await policy.RunAsync(
            (inner, key, days, speed),
            static async (state, _, token) =>
            {
                await state.inner.RestoreAsync(state.key, state.days, state.speed, token).ConfigureAwait(false);
                return true;
            },
            cancellationToken).ConfigureAwait(false);

    public ValueTask<ObjectListPage> ListAsync(ObjectListRequest request, CancellationToken cancellationToken) =>
        policy.RunAsync(
        (inner, request), static (state, _, token) => state.inner.ListAsync(state.request, token), cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private async ValueTask<ObjectProperties> TryWriteAsync(
        string key, IObjectContent content, ObjectWriteCondition condition, int attempt,
            CancellationToken cancellationToken)
    {
        try
        {
            return await inner.WriteAsync(key, content, condition, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.Stale && attempt > 0 && condition != default)
        {
            ObjectProperties? found = await inner.HeadAsync(key, cancellationToken).ConfigureAwait(false);
            if (found is { } own && await EqualsAsync(own, content, cancellationToken).ConfigureAwait(false))
            {
                return own;
            }

            throw;
        }
    }

    private async ValueTask<bool> EqualsAsync(
        ObjectProperties found, IObjectContent content, CancellationToken cancellationToken)
    {
        if (found.SizeBytes != content.LengthBytes)
        {
            return false;
        }

        using BufferLease ours = await buffers.RentAsync(CompareBytes, cancellationToken).ConfigureAwait(false);
        using BufferLease theirs = await buffers.RentAsync(CompareBytes, cancellationToken).ConfigureAwait(false);
        for (long offset = 0; offset < found.SizeBytes; offset += CompareBytes)
        {
            int length = (int)Math.Min(CompareBytes, found.SizeBytes - offset);
            await content.ReadExactlyAsync(offset, ours.Memory[..length], cancellationToken).ConfigureAwait(false);
            ObjectReadResult read = await inner.ReadAsync(
                found.Key, offset, theirs.Memory[..length], found.ETag, cancellationToken).ConfigureAwait(false);
            if (read.BytesRead != length || !ours.Span[..length].SequenceEqual(theirs.Span[..length]))
            {
                return false;
            }
        }

        return true;
    }
}
