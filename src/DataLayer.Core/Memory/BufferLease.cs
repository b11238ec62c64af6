namespace DataLayer.Core.Memory;

/// <summary>
/// The right to use one pooled buffer. Whoever holds it owns the bytes and disposes it once; a buffer handed to the
/// kernel, a
/// device or a socket is returned only after that I/O ended, cancelled or not.
/// </summary>
public readonly struct BufferLease : IDisposable, IEquatable<BufferLease>
{
    private readonly NativeBufferPool? _pool;
    private readonly NativeBuffer? _buffer;
    private readonly int _token;

    internal BufferLease(NativeBufferPool pool, NativeBuffer buffer, int token, int lengthBytes)
    {
        _pool = pool;
        _buffer = buffer;
        _token = token;
        LengthBytes = lengthBytes;
    }

    /// <summary>The length asked for, bytes; the buffer behind it may be larger.</summary>
    public int LengthBytes { get; }

    /// <summary>The bytes, page-aligned.</summary>
    /// <exception cref="ObjectDisposedException">The lease was returned.</exception>
    public Memory<byte> Memory => Checked().Memory[..LengthBytes];

    /// <summary>The bytes, page-aligned.</summary>
    /// <exception cref="ObjectDisposedException">The lease was returned.</exception>
    public Span<byte> Span => Checked().GetSpan()[..LengthBytes];

    /// <summary>Whether two leases are the same right to the same buffer.</summary>
    public static bool operator ==(BufferLease left, BufferLease right) => left.Equals(right);

    /// <summary>Whether two leases differ.</summary>
    public static bool operator !=(BufferLease left, BufferLease right) => !left.Equals(right);

    /// <summary>
    /// Returns the buffer. A second return does nothing in Release builds and throws in Debug builds.
    /// </summary>
    public void Dispose()
    {
        if (_buffer is not null)
        {
            _pool!.Return(_buffer, _token);
        }
    }

    /// <inheritdoc/>
    public bool Equals(BufferLease other) => ReferenceEquals(_buffer, other._buffer) && _token == other._token;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is BufferLease other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_buffer, _token);

    private NativeBuffer Checked()
    {
        ObjectDisposedException.ThrowIf(_buffer is null || _buffer.Token != _token, typeof(BufferLease));
        return _buffer;
    }
}
