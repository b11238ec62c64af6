using System.Buffers;

namespace DataLayer.Client;

/// <summary>
/// A file's whole content in a rented buffer. Dispose it to give the buffer back; the memory is not valid after that.
/// </summary>
public sealed class FileBytes : IDisposable
{
    private byte[]? _buffer;

    internal FileBytes(byte[] buffer, int length, string? entityTag)
    {
        _buffer = buffer;
        LengthBytes = length;
        EntityTag = entityTag;
    }

    /// <summary>The content's length, bytes.</summary>
    public int LengthBytes { get; }

    /// <summary>The content's entity tag without quotes.</summary>
    public string? EntityTag { get; }

    /// <summary>The content.</summary>
    /// <exception cref="ObjectDisposedException">The buffer was given back.</exception>
    public ReadOnlyMemory<byte> Memory
    {
        get
        {
            ObjectDisposedException.ThrowIf(_buffer is null, this);
            return _buffer.AsMemory(0, LengthBytes);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _buffer, null) is { Length: > 0 } buffer)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
