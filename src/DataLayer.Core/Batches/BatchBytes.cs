using System.Buffers.Binary;
using System.Text;
using DataLayer.Core.Errors;

namespace DataLayer.Core.Batches;

/// <summary>
/// Reads the parts of a batch in place. Whatever the bytes are, nothing outside of the batch is touched: each offset
/// is read once and checked before it is used, so that bytes that change meanwhile do no harm either.
/// </summary>
public readonly ref struct BatchBytes
{
    private readonly ReadOnlySpan<byte> _batch;

    /// <summary>Reads a batch's header.</summary>
    /// <param name="batch">The whole batch.</param>
    /// <exception cref="DataLayerException">Corrupt, with what is wrong.</exception>
    public BatchBytes(ReadOnlySpan<byte> batch)
    {
        _batch = batch;
        Header = BatchHeader.Read(batch, batch.Length);
    }

    /// <summary>Takes a batch whose header was read before.</summary>
    /// <param name="batch">The whole batch.</param>
    /// <param name="header">What <see cref="BatchHeader.Read"/> made of it, with no greater length.</param>
    public BatchBytes(ReadOnlySpan<byte> batch, BatchHeader header)
    {
        _batch = batch;
        Header = header;
    }

    /// <summary>What the batch is.</summary>
    public BatchHeader Header { get; }

    /// <summary>All samples' bytes as they lie.</summary>
    public ReadOnlySpan<byte> AllData => _batch.Slice((int)Header.DataOffset, (int)Header.DataBytes);

    /// <summary>Where a sample lies.</summary>
    /// <returns>Its offset from the batch's begin, and its length, bytes.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    /// <exception cref="DataLayerException">Corrupt: it does not lie in the data.</exception>
    public (int OffsetBytes, int LengthBytes) PlaceOf(int sample)
    {
        Check(sample);
        ReadOnlySpan<byte> entry = _batch.Slice(
            (int)Header.TableOffset + (sample * BatchHeader.TableEntryBytes), BatchHeader.TableEntryBytes);
        ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(entry);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]);
        ulong end = (ulong)(Header.DataOffset + Header.DataBytes);
        return offset >= (ulong)Header.DataOffset && offset <= end && length <= end - offset
            ? ((int)offset, (int)length)
            : throw BatchHeader.Bad($"its sample {sample} at {offset}, {length} bytes, does not lie in the data");
    }

    /// <summary>A sample's bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    /// <exception cref="DataLayerException">Corrupt: it does not lie in the data.</exception>
    public ReadOnlySpan<byte> SampleAt(int sample)
    {
        (int offset, int length) = PlaceOf(sample);
        return _batch.Slice(offset, length);
    }

    /// <summary>The number of a sample's label; −1 for none.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public int ClassAt(int sample)
    {
        Check(sample);
        return Header.ClassesOffset == 0
            ? -1
            : BinaryPrimitives.ReadInt32LittleEndian(_batch[((int)Header.ClassesOffset + (sample * sizeof(int)))..]);
    }

    /// <summary>A sample's number in the index.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public long NumberAt(int sample)
    {
        Check(sample);
        return BinaryPrimitives.ReadInt64LittleEndian(_batch[((int)Header.NumbersOffset + (sample * sizeof(long)))..]);
    }

    /// <summary>A sample's key; null where the batch has none.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    /// <exception cref="DataLayerException">Corrupt: it does not lie in the batch.</exception>
    public string? KeyAt(int sample)
    {
        Check(sample);
        if (Header.KeysOffset == 0)
        {
            return null;
        }

        int offsets = (int)Header.KeysOffset;
        uint from = BinaryPrimitives.ReadUInt32LittleEndian(_batch[(offsets + (sample * sizeof(uint)))..]);
        uint to = BinaryPrimitives.ReadUInt32LittleEndian(_batch[(offsets + ((sample + 1) * sizeof(uint)))..]);
        int text = offsets + ((Header.SampleCount + 1) * sizeof(uint));
        return from <= to && to <= (uint)(_batch.Length - text)
            ? Encoding.UTF8.GetString(_batch.Slice(text + (int)from, (int)(to - from)))
            : throw BatchHeader.Bad($"the key of its sample {sample} does not lie in it");
    }

    private void Check(int sample)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sample);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(sample, Header.SampleCount);
    }
}
