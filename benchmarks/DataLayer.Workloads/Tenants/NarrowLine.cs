using System.Diagnostics;
using DataLayer.Core.Objects;

namespace DataLayer.Workloads.Tenants;

/// <summary>
/// A line to object stores that takes so many bytes a second, shared evenly by all transfers on it, and a time to each
/// first byte. Reads alone go over it.
/// </summary>
internal sealed class NarrowLine(double bytesPerSecond, TimeSpan firstByte)
{
    private const int PieceBytes = 256 << 10;
    private readonly Lock _sync = new();
    private long _freeAt;

    /// <summary>What went over it, bytes.</summary>
    public long Bytes;

    public IObjectStore Over(IObjectStore inner) => new Store(this, inner);

    private async Task TransferAsync(int bytes, CancellationToken stop)
    {
        await Task.Delay(firstByte, stop);
        for (int left = bytes; left > 0; left -= PieceBytes)
        {
            int piece = Math.Min(left, PieceBytes);
            long at;
            lock (_sync)
            {
                at = Math.Max(_freeAt, Stopwatch.GetTimestamp()) + (long)(piece / bytesPerSecond * Stopwatch.Frequency);
                _freeAt = at;
            }

            TimeSpan wait = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), at);
            if (wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, stop);
            }
        }

        Interlocked.Add(ref Bytes, bytes);
    }

    private sealed class Store(NarrowLine line, IObjectStore inner) : IObjectStore
    {
        public string DisplayName => inner.DisplayName;

        public ValueTask DisposeAsync() => inner.DisposeAsync();

        public async ValueTask<ObjectReadResult> ReadAsync(
            string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken)
        {
            ObjectReadResult read = await inner.ReadAsync(key, offsetBytes, destination, ifMatch, cancellationToken);
            await line.TransferAsync(read.BytesRead, cancellationToken);
            return read;
        }

        public ValueTask<ObjectProperties?> HeadAsync(string key, CancellationToken cancellationToken) => inner.HeadAsync(key, cancellationToken);

        public ValueTask<ObjectProperties> WriteAsync(
            string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken) =>
            inner.WriteAsync(key, content, condition, cancellationToken);

        public ValueTask<bool> DeleteAsync(string key, ObjectWriteCondition condition, CancellationToken cancellationToken) =>
            inner.DeleteAsync(key, condition, cancellationToken);

        public ValueTask<ObjectProperties> ChangeClassAsync(
            string key, string ifMatch, string storageClass, CancellationToken cancellationToken) =>
            inner.ChangeClassAsync(key, ifMatch, storageClass, cancellationToken);

        public ValueTask RestoreAsync(string key, int days, string speed, CancellationToken cancellationToken) =>
            inner.RestoreAsync(key, days, speed, cancellationToken);

        public ValueTask<ObjectListPage> ListAsync(ObjectListRequest request, CancellationToken cancellationToken) =>
            inner.ListAsync(request, cancellationToken);
    }
}
