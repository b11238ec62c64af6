namespace DataLayer.Storage.Objects.S3;

/// <summary>
/// A pooled buffer as a stream for the SDK to send. <see cref="Detach"/> ends its access to the bytes before the buffer
/// goes back to its pool: a send that was given up may still be reading.
/// </summary>
internal sealed class UploadStream(ReadOnlyMemory<byte> bytes) : Stream
{
    private readonly Lock _lock = new();
    private ReadOnlyMemory<byte> _bytes = bytes;
    private bool _detached;
    private int _position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length { get; } = bytes.Length;

    public override long Position
    {
        get => _position;
        set => _position = checked((int)value);
    }

    public override int Read(Span<byte> buffer)
    {
        lock (_lock)
        {
            if (_detached)
            {
                throw new IOException("The upload was given up.");
            }

            ReadOnlySpan<byte> rest = _bytes.Span[Math.Min(_position, _bytes.Length)..];
            int count = Math.Min(rest.Length, buffer.Length);
            rest[..count].CopyTo(buffer);
            _position += count;
            return count;
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<int>(cancellationToken)
            : new ValueTask<int>(Read(buffer.Span));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
    {
        SeekOrigin.Begin => offset,
        SeekOrigin.Current => _position + offset,
        _ => Length + offset,
    };

    public override void Flush()
    {
        // Nothing is written.
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <summary>Waits for a read in progress and lets no other begin.</summary>
    internal void Detach()
    {
        lock (_lock)
        {
            _detached = true;
            _bytes = default;
        }
    }
}
