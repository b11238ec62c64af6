using DataLayer.Core.Objects;

namespace DataLayer.Engine.Tiering.Packs;

/// <summary>A tar in memory, as its headers and contents one after the other: what is uploaded, and compared with what
/// was stored. Filled by one thread, then read by any.</summary>
internal sealed class PackImage : IObjectContent
{
    private static readonly byte[] _zeros = new byte[TarFormat.EndBytes];
    private readonly List<(long OffsetBytes, ReadOnlyMemory<byte> Bytes)> _parts = [];

    /// <inheritdoc/>
    public long LengthBytes { get; private set; }

    /// <summary>Adds bytes as they are.</summary>
    public void AddBytes(byte[] bytes) => Append(bytes);

    /// <summary>Adds a file.</summary>
    /// <returns>Where its contents begin.</returns>
    public long Add(byte[] header, byte[] content)
    {
        Append(header);
        long offset = LengthBytes;
        Append(content);
        Append(_zeros.AsMemory(0, (int)(TarFormat.Padded(content.Length) - content.Length)));
        return offset;
    }

    /// <summary>Ends the tar.</summary>
    public void End() => Append(_zeros);

    /// <inheritdoc/>
    public ValueTask ReadExactlyAsync(long offsetBytes, Memory<byte> destination, CancellationToken cancellationToken)
    {
        Copy(offsetBytes, destination.Span);
        return ValueTask.CompletedTask;
    }

    /// <summary>Copies bytes from an offset.</summary>
    public void Copy(long offsetBytes, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offsetBytes, LengthBytes - destination.Length);
        int part = FindPart(offsetBytes);
        while (destination.Length > 0)
        {
            (long start, ReadOnlyMemory<byte> bytes) = _parts[part++];
            ReadOnlySpan<byte> from = bytes.Span[(int)(offsetBytes - start)..];
            from = from[..Math.Min(from.Length, destination.Length)];
            from.CopyTo(destination);
            destination = destination[from.Length..];
            offsetBytes += from.Length;
        }
    }

    private void Append(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length > 0)
        {
            _parts.Add((LengthBytes, bytes));
            LengthBytes += bytes.Length;
        }
    }

    // The last part that begins at or before the offset.
    private int FindPart(long offsetBytes)
    {
        int low = 0;
        for (int high = _parts.Count; high - low > 1;)
        {
            int middle = (low + high) / 2;
            (low, high) = _parts[middle].OffsetBytes <= offsetBytes ? (middle, high) : (low, middle);
        }

        return low;
    }
}
