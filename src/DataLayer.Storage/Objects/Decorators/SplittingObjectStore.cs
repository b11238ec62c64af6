using DataLayer.Core.Errors;
using DataLayer.Core.Objects;

namespace DataLayer.Storage.Objects.Decorators;

/// <summary>
/// Does long reads as several ranges in parallel, straight into the caller's buffer. Ranges are aligned in the object,
/// so that block checksums cover them wholly.
/// </summary>
/// <remarks>
/// All ranges are of one version: with an ETag from the caller they all carry it; without, the first range goes alone
/// and the others carry the ETag it brought. The first fault is reported after all ranges ended; the others are
/// cancelled. Idempotent as reads are; everything else passes through.
/// </remarks>
internal sealed class SplittingObjectStore(IObjectStore inner, int rangeBytes, int rangesInFlight) : IObjectStore
{
    public string DisplayName => inner.DisplayName;

    private IObjectStore Inner => inner;

    private int RangeBytes => rangeBytes;

    public ValueTask<ObjectProperties?> HeadAsync(string key, CancellationToken cancellationToken) =>
        inner.HeadAsync(key, cancellationToken);

    public ValueTask<ObjectReadResult> ReadAsync(
        string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken) =>
        destination.Length <= rangeBytes
            ? inner.ReadAsync(key, offsetBytes, destination, ifMatch, cancellationToken)
            : ReadSplitAsync(key, offsetBytes, destination, ifMatch, cancellationToken);

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

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private async ValueTask<ObjectReadResult> ReadSplitAsync(
        string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        int done = 0;
        ObjectReadResult first = default;
        if (ifMatch is null)
        {
            done = (int)Math.Min(destination.Length, rangeBytes - (offsetBytes & (rangeBytes - 1)));
            first = await inner.ReadAsync(key, offsetBytes, destination[..done], null, cancellationToken)
                .ConfigureAwait(false);
            int left = (int)Math.Clamp(first.ObjectSizeBytes - offsetBytes, 0, destination.Length);
            if (left <= done)
            {
                return first;
            }

            destination = destination[..left];
        }

        Ranges ranges = new(this, key, offsetBytes, destination, ifMatch ?? first.ETag, done);
        ObjectReadResult rest = await ranges.ReadAsync(Math.Max(1, rangesInFlight), cancellationToken)
            .ConfigureAwait(false);
        return rest with { BytesRead = done + rest.BytesRead };
    }

    /// <summary>The ranges of one read that are still to be done.</summary>
    private sealed class Ranges(
        SplittingObjectStore store, string key, long offsetBytes, Memory<byte> destination, string etag,
        int skippedBytes)
    {
        private readonly Lock _lock = new();
        private int _next = skippedBytes;
        private int _count;
        private ObjectReadResult _last;
        private Exception? _fault;

        internal async ValueTask<ObjectReadResult> ReadAsync(int inFlight, CancellationToken cancellationToken)
        {
            using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            int workers = Math.Min(inFlight, ((destination.Length - _next) / store.RangeBytes) + 1);
            Task[] tasks = new Task[workers];
            for (int i = 0; i < workers; i++)
            {
                tasks[i] = WorkAsync(stop);
            }

            await Task.WhenAll(tasks).ConfigureAwait(false);
            if (_fault is not null)
            {
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(_fault);
            }

            return _last with { BytesRead = _count };
        }

        private async Task WorkAsync(CancellationTokenSource stop)
        {
            while (TryTake(out int from, out int length))
            {
                try
                {
                    ObjectReadResult result = await store.Inner.ReadAsync(
                        key, offsetBytes + from, destination.Slice(from, length), etag, stop.Token)
                            .ConfigureAwait(false);
                    Accept(from, length, result);
                }
                catch (Exception e)
                {
                    Fail(e);
                    await stop.CancelAsync().ConfigureAwait(false);
                    return;
                }
            }
        }

        private bool TryTake(out int from, out int length)
        {
            lock (_lock)
            {
                from = _next;
                int toBoundary = (int)(store.RangeBytes - ((offsetBytes + from) & (store.RangeBytes - 1)));
                length = Math.Min(destination.Length - from, toBoundary);
                _next += length;
                return length > 0 && _fault is null;
            }
        }

        private void Accept(int from, int length, ObjectReadResult result)
        {
            int expected = (int)Math.Clamp(result.ObjectSizeBytes - offsetBytes - from, 0, length);
            if (result.BytesRead != expected || result.ETag != etag)
            {
                throw new DataLayerException(ErrorCode.Stale,
                    $"The object '{key}' in {store.DisplayName} changed during a read: "
                    + $"a range has {result.BytesRead} bytes of ETag {result.ETag}, "
                    + $"{expected} of {etag} were expected.");
            }

            lock (_lock)
            {
                _count += result.BytesRead;
                _last = result;
            }
        }

        private void Fail(Exception e)
        {
            lock (_lock)
            {
                _fault ??= e;
            }
        }
    }
}
