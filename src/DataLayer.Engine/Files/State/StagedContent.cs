namespace DataLayer.Engine.Files.State;

/// <summary>
/// The bytes of a small unflushed content, as a whole in the mapped file. Written under the content's write gate, read
/// by anybody.
/// </summary>
/// <remarks>
/// A reader may find the extent given up, moved and even reused under its copy; the memory stays mapped, and
/// <see cref="TryRead"/> looks again at the end whether the content is still staged and did not move.
/// </remarks>
internal sealed class StagedContent(UnflushedFile file, int slot)
{
    private long _extent = file.ExtentOf(slot);
    private int _moves;

    public int Slot => slot;

    /// <summary>The first bytes, for who holds the write gate.</summary>
    public Memory<byte> Bytes(long length) => file.BytesOf(_extent)[..(int)length];

    /// <summary>Makes room for a length; false if the file has none.</summary>
    public bool TryReserve(long capacityBytes, long keepBytes)
    {
        if (capacityBytes <= file.SpanOf(_extent).Length)
        {
            return true;
        }

        // Odd while the extent moves, so that readers notice before the old one can be reused.
        Interlocked.Increment(ref _moves);
        bool grew = file.TryGrow(slot, capacityBytes, keepBytes);
        Volatile.Write(ref _extent, file.ExtentOf(slot));
        Interlocked.Increment(ref _moves);
        return grew;
    }

    /// <summary>Writes within the reserved room; a gap after <paramref name="length"/> becomes zeros.</summary>
    public void Write(long length, long offsetBytes, ReadOnlySpan<byte> bytes)
    {
        Span<byte> all = file.SpanOf(_extent);
        if (offsetBytes > length)
        {
            all[(int)length..(int)offsetBytes].Clear();
        }

        bytes.CopyTo(all[(int)offsetBytes..]);
    }

    /// <summary>Makes a range zeros.</summary>
    public void Clear(long from, long to) => file.SpanOf(_extent)[(int)from..(int)to].Clear();

    /// <summary>Copies bytes out; false if they moved or went elsewhere meanwhile.</summary>
    public bool TryRead(ContentState content, long offsetBytes, Span<byte> destination)
    {
        int moves = Volatile.Read(ref _moves);
        Span<byte> all = file.SpanOf(Volatile.Read(ref _extent));
        if ((moves & 1) != 0 || offsetBytes + destination.Length > all.Length)
        {
            return false;
        }

        all.Slice((int)offsetBytes, destination.Length).CopyTo(destination);
        Interlocked.MemoryBarrier();
        return Volatile.Read(ref _moves) == moves && content.Staged == this;
    }
}
