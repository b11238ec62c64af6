using System.Buffers;
using DataLayer.Core.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>
/// One piece of shared memory that batches are assembled in. Owned by a <see cref="SlabSet"/>, which disposes it when
/// nothing is read into it any more.
/// </summary>
public sealed unsafe class Slab : MemoryManager<byte>
{
    private readonly SharedMapping _mapping;

    internal Slab(uint number, int lengthBytes)
    {
        Number = number;
        LengthBytes = lengthBytes;
        File = SharedMemoryFile.Create("datalayer-slab", lengthBytes);
        try
        {
            _mapping = SharedMapping.Map(File, lengthBytes, writable: true);
        }
        catch
        {
            File.Dispose();
            throw;
        }
    }

    /// <summary>Its place among the feed's slabs; one that is replaced leaves its number to the next.</summary>
    public uint Number { get; }

    /// <summary>Its length, bytes.</summary>
    public int LengthBytes { get; }

    /// <summary>What the client maps.</summary>
    public SafeFileHandle File { get; }

    /// <summary>Whether the client was given it. The sender's.</summary>
    public bool IsAnnounced { get; set; }

    /// <summary>Whether a batch is in it, assembled or under way. Guarded by the set.</summary>
    internal bool IsTaken { get; set; }

    /// <summary>The first byte.</summary>
    internal byte* Pointer => _mapping.Pointer;

    /// <inheritdoc/>
    public override Span<byte> GetSpan() => new(_mapping.Pointer, LengthBytes);

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0) => new(_mapping.Pointer + elementIndex, pinnable: this);

    /// <inheritdoc/>
    public override void Unpin()
    {
        // Mapped memory never moves.
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _mapping.Dispose();
        File.Dispose();
    }
}
