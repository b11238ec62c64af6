using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using DataLayer.Client.Feeds.Connections;
using DataLayer.Core.Batches;

namespace DataLayer.Client.Feeds;

/// <summary>
/// A batch in host memory, read where it lies: nothing is copied. Of a feed on the service's machine that is memory
/// shared with the service.
/// </summary>
/// <inheritdoc cref="FeedBatch" path="/remarks"/>
public sealed unsafe class Batch : FeedBatch
{
    private readonly FeedConnection _connection;
    private readonly int _lengthBytes;

    internal Batch(TrainingFeed feed, FeedConnection connection, FeedSlab slab, BatchHeader header, int lengthBytes)
        : base(feed, header)
    {
        _connection = connection;
        Slab = slab;
        _lengthBytes = lengthBytes;
    }

    /// <summary>All samples' bytes as they lie.</summary>
    /// <exception cref="ObjectDisposedException">The batch was released.</exception>
    public ReadOnlySpan<byte> Data => new BatchBytes(Head, Header).AllData;

    /// <summary>The memory it lies in, which it holds.</summary>
    internal FeedSlab Slab { get; }

    /// <summary>Length of the whole, from the slab's begin, bytes.</summary>
    internal int LengthBytes => _lengthBytes;

    private protected override ReadOnlySpan<byte> Head
    {
        get
        {
            ThrowIfReleased();
            return new ReadOnlySpan<byte>(Slab.Pointer, _lengthBytes);
        }
    }

    /// <summary>A sample's bytes, without what fills its row.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    /// <exception cref="ObjectDisposedException">The batch was released.</exception>
    public ReadOnlySpan<byte> GetSample(int sample) => new BatchBytes(Head, Header).SampleAt(sample);

    /// <summary>
    /// A sample's bytes as Memory, for calls that take one. Its Span refuses to be read after the release.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    /// <exception cref="ObjectDisposedException">The batch was released.</exception>
    public ReadOnlyMemory<byte> GetMemory(int sample)
    {
        (int offset, int length) = new BatchBytes(Head, Header).PlaceOf(sample);
        return new View(this).Memory.Slice(offset, length);
    }

    /// <summary>All elements of dense or padded rows, row by row.</summary>
    /// <typeparam name="T">The elements' own type; of bfloat16 UInt16.</typeparam>
    /// <exception cref="Core.Errors.DataLayerException">InvalidArgument: another type.</exception>
    /// <exception cref="ObjectDisposedException">The batch was released.</exception>
    public ReadOnlySpan<T> GetValues<T>()
        where T : unmanaged
    {
        CheckElement<T>();
        return MemoryMarshal.Cast<byte, T>(Data);
    }

    /// <summary>All samples as one tensor: (count, shape of a sample…), or (count, elements of a row).</summary>
    /// <typeparam name="T">The elements' own type; of bfloat16 UInt16.</typeparam>
    /// <exception cref="Core.Errors.DataLayerException">
    /// InvalidArgument: another type, or each sample lies by itself.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The batch was released.</exception>
    public ReadOnlyTensorSpan<T> GetTensor<T>()
        where T : unmanaged
    {
        nint[] shape = GetShape();
        return new ReadOnlyTensorSpan<T>(GetValues<T>()[..(int)(Count * RowBytes / sizeof(T))], shape);
    }

    private protected override void Release() => _connection.Release(this);

    /// <summary>The batch as Memory; the mapping stays as long as this is referred to.</summary>
    private sealed class View(Batch batch) : MemoryManager<byte>
    {
        public override Memory<byte> Memory => CreateMemory(batch._lengthBytes);

        public override Span<byte> GetSpan()
        {
            batch.ThrowIfReleased();
            return new Span<byte>(batch.Slab.Pointer, batch._lengthBytes);
        }

        public override MemoryHandle Pin(int elementIndex = 0)
        {
            batch.ThrowIfReleased();
            return new MemoryHandle(batch.Slab.Pointer + elementIndex);
        }

        public override void Unpin()
        {
            // Native memory never moves.
        }

        protected override void Dispose(bool disposing)
        {
            // The batch owns the memory.
        }
    }
}
