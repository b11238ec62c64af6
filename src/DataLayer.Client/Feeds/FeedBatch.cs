using System.Runtime.InteropServices;
using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;

namespace DataLayer.Client.Feeds;

/// <summary>
/// What every batch of a feed has, wherever its samples lie: how many, of which step, their labels, numbers and keys.
/// </summary>
/// <remarks>
/// Life: the feed hands it out; it ends when the next one is asked for, unless it was kept; one that was kept ends when
/// it is disposed, or with its feed. Afterwards its memory holds another batch, and asking for anything in it is an
/// <see cref="ObjectDisposedException"/>. What was read of it may be used until then only: spans above all.
/// </remarks>
public abstract class FeedBatch : IDisposable
{
    private readonly TrainingFeed _feed;
    private bool _kept;
    private int _released;

    private protected FeedBatch(TrainingFeed feed, BatchHeader header) => (_feed, Header) = (feed, header);

    /// <summary>Samples in it, padding included.</summary>
    public int Count => Header.SampleCount;

    /// <summary>How many of the last ones are padding: repeated so that all ranks have as many.</summary>
    public int PaddingCount => Header.PaddingCount;

    /// <summary>Its number since the feed was opened or came back, from 0.</summary>
    public long Sequence => (long)Header.Sequence;

    /// <summary>The pass, from 0.</summary>
    public long Pass => Header.Pass;

    /// <summary>The cursor of the step.</summary>
    public long Cursor => Header.Cursor;

    /// <summary>The cursor after it.</summary>
    public long NextCursor => Header.NextCursor;

    /// <summary>How the samples lie.</summary>
    public BatchLayoutKind Layout => Header.Layout;

    /// <summary>What the samples' elements are.</summary>
    public FeedElement Element => Header.Element;

    /// <summary>Length of a row of dense and padded, bytes; else 0.</summary>
    public long RowBytes => Header.RowBytes;

    /// <summary>Length of all samples with what lies between them, bytes.</summary>
    public long DataBytes => Header.DataBytes;

    /// <summary>Where its bytes came from and how long it took.</summary>
    public BatchStatistics Statistics => new(
        TimeSpan.FromMicroseconds(Header.WaitNanoseconds / 1000.0),
        TimeSpan.FromMicroseconds(Header.AssemblyNanoseconds / 1000.0),
        Header.MemoryBytes, Header.HotBytes, Header.OriginBytes, Header.PeerBytes);

    /// <summary>What to keep once this batch is used, to go on behind it; of any rank, for any world size.</summary>
    public FeedState State => _feed.StateAt(NextCursor);

    /// <summary>The samples' class numbers, −1 for none; empty where the dataset has no labels.</summary>
    public ReadOnlySpan<int> Labels => Header.ClassesOffset == 0
        ? []
        : MemoryMarshal.Cast<byte, int>(Head.Slice((int)Header.ClassesOffset, Count * sizeof(int)));

    /// <summary>The samples' numbers in the index.</summary>
    public ReadOnlySpan<long> Numbers =>
        MemoryMarshal.Cast<byte, long>(Head.Slice((int)Header.NumbersOffset, Count * sizeof(long)));

    /// <summary>Whether it may not be used any more.</summary>
    public bool IsReleased => Volatile.Read(ref _released) != 0;

    /// <summary>The header, read and checked once.</summary>
    internal BatchHeader Header { get; }

    /// <summary>All in front of the data: header, table, labels, numbers, keys.</summary>
    /// <exception cref="ObjectDisposedException">It was released.</exception>
    private protected abstract ReadOnlySpan<byte> Head { get; }

    /// <summary>The key of a sample: its path below the dataset's folder; null where no keys were asked for.</summary>
    /// <exception cref="ObjectDisposedException">The batch was released.</exception>
    public string? GetKey(int sample) => new BatchBytes(Head, Header).KeyAt(sample);

    /// <summary>Where a sample lies in the data.</summary>
    /// <returns>Its offset from the data's begin, and its length without what fills its row, bytes.</returns>
    /// <exception cref="ObjectDisposedException">The batch was released.</exception>
    public (long OffsetBytes, int LengthBytes) GetPlace(int sample)
    {
        (int offset, int length) = new BatchBytes(Head, Header).PlaceOf(sample);
        return (offset - Header.DataOffset, length);
    }

    /// <summary>
    /// Keeps it past the next one: it is the caller's to dispose, and holds one of the feed's slabs until then.
    /// </summary>
    /// <exception cref="ObjectDisposedException">It was released.</exception>
    public void Keep()
    {
        ThrowIfReleased();
        _kept = true;
    }

    /// <summary>Releases it: its memory may be used for another batch.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _released, 1) == 0)
        {
            Release();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Releases it unless it was kept.</summary>
    internal void DisposeUnlessKept()
    {
        if (!_kept)
        {
            Dispose();
        }
    }

    /// <summary>Gives the memory back; called once.</summary>
    private protected abstract void Release();

    /// <summary>Refuses what comes after the release.</summary>
    private protected void ThrowIfReleased()
    {
        if (IsReleased)
        {
            throw new ObjectDisposedException(
                GetType().Name,
                $"The batch at cursor {Cursor} was released, and its memory may hold another one. Copy what you need "
                    + "of a batch before you ask for the next, or call Keep() on it and dispose it when you are done.");
        }
    }

    /// <summary>Refuses to read elements as what they are not.</summary>
    private protected void CheckElement<T>()
        where T : unmanaged
    {
        bool fits = Element switch
        {
            FeedElement.Bytes or FeedElement.UInt8 => typeof(T) == typeof(byte),
            FeedElement.Int8 => typeof(T) == typeof(sbyte),
            FeedElement.Int16 => typeof(T) == typeof(short),
            FeedElement.Int32 => typeof(T) == typeof(int),
            FeedElement.Int64 => typeof(T) == typeof(long),
            FeedElement.Float16 => typeof(T) == typeof(Half),
            FeedElement.Float32 => typeof(T) == typeof(float),
            FeedElement.Float64 => typeof(T) == typeof(double),
            FeedElement.BFloat16 => typeof(T) == typeof(ushort),
            _ => false,
        };
        if (!fits)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"The elements are {FeedElements.NameOf(Element)}, not {typeof(T).Name}: ask for their own type "
                    + "(bfloat16 is UInt16 here), or set Cast or Element in the feed's options.");
        }
    }

    /// <summary>The shape of the rows: samples, then the shape of one, or its elements in a row.</summary>
    private protected nint[] GetShape()
    {
        if (Layout == BatchLayoutKind.Samples)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                "Each sample of this batch lies by itself, so there is no tensor of all: use GetSample, or ask for "
                    + "Layout = Dense (samples of one length) or Padded in the feed's options.");
        }

        long elements = RowBytes / FeedElements.SizeOf(Element);
        if (_feed.Description.Shape is { } shape && Layout == BatchLayoutKind.Dense)
        {
            nint[] whole = new nint[shape.Count + 1];
            whole[0] = Count;
            long product = 1;
            for (int i = 0; i < shape.Count; i++)
            {
                product *= shape[i];
                whole[i + 1] = (nint)shape[i];
            }

            if (product == elements)
            {
                return whole;
            }
        }

        return [Count, (nint)elements];
    }
}

/// <summary>Where a batch's bytes came from, and how long the service worked on it.</summary>
/// <param name="Wait">How long the service waited for bytes of this batch.</param>
/// <param name="Assembly">From the begin of its assembly to its end.</param>
/// <param name="MemoryBytes">Bytes from memory.</param>
/// <param name="HotBytes">Bytes from the hot tier.</param>
/// <param name="OriginBytes">Bytes from the bucket.</param>
/// <param name="PeerBytes">Bytes from other nodes.</param>
public readonly record struct BatchStatistics(
    TimeSpan Wait, TimeSpan Assembly, long MemoryBytes, long HotBytes, long OriginBytes, long PeerBytes);
