namespace DataLayer.TestProcess.MountLoads;

/// <summary>What a client knows of one of its files: the content, under how many names it is, and the descriptor it keeps open.</summary>
internal sealed class LoadFile
{
    private byte[] _bytes = [];

    /// <summary>Bytes of the content.</summary>
    internal int Length { get; private set; }

    /// <summary>Names it has now; 0 where it lives on by its descriptor alone.</summary>
    internal int NameCount { get; set; }

    /// <summary>A descriptor open for reading and writing, or -1.</summary>
    internal int Descriptor { get; set; } = -1;

    /// <summary>The content.</summary>
    internal ReadOnlySpan<byte> Content => _bytes.AsSpan(0, Length);

    /// <summary>Cuts, or grows with zeros.</summary>
    internal void Resize(int length)
    {
        if (length > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(length, Math.Min(2 * _bytes.Length, 2 << 20)));
        }

        _bytes.AsSpan(Math.Min(length, Length), Math.Abs(length - Length)).Clear();
        Length = length;
    }

    /// <summary>The bytes of a range that a write is to fill; grows the file where it ends behind its end.</summary>
    internal Span<byte> Range(int offset, int length)
    {
        if (offset + length > Length)
        {
            Resize(offset + length);
        }

        return _bytes.AsSpan(offset, length);
    }
}
