using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Numerics;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;
using DataLayer.Core.Order;

namespace DataLayer.Engine.Feeds;

/// <summary>Where one sample lies.</summary>
/// <param name="Number">Its number in the index.</param>
/// <param name="Inode">The file.</param>
/// <param name="Generation">The file's generation that the index is of.</param>
/// <param name="Version">The file's version that the index is of.</param>
/// <param name="OffsetBytes">Where it starts in the file.</param>
/// <param name="LengthBytes">How long it is.</param>
/// <param name="Class">The number of its label; −1 without labels.</param>
public readonly record struct SamplePlace(
    long Number, InodeId Inode, uint Generation, long Version, long OffsetBytes, long LengthBytes, int Class);

/// <summary>
/// A sample index, mapped into memory and read in place: a sample is found in a few loads (a binary search over the
/// files, where a file has several samples), with no allocation.
/// </summary>
/// <remarks>
/// Opening reads the whole file once to compare its checksums. Any thread. The mapping goes when the object is
/// collected: there is nothing to dispose, so a feed keeps an index that was replaced meanwhile.
/// </remarks>
public sealed unsafe partial class SampleIndex
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _start;
    private readonly Column[] _columns = new Column[IndexFormat.MaxColumns + 1];
    private readonly byte[] _hash;
    private readonly IndexMeta _meta;
    private readonly long[] _classStarts;
    private readonly long[] _trainStarts;
    private readonly long[] _validationStarts;

    private SampleIndex(string path)
    {
        LengthBytes = new FileInfo(path).Length;
        if (LengthBytes < IndexFormat.HeaderBytes + IndexFormat.PaddingBytes)
        {
            throw Damaged(path, "it is too short");
        }

        _file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        _view = _file.CreateViewAccessor(0, LengthBytes, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
        _start += _view.PointerOffset;
        ReadOnlySpan<byte> header = new(_start, IndexFormat.HeaderBytes);
        int columns = BinaryPrimitives.ReadInt32LittleEndian(header[28..]);
        if (!header[..8].SequenceEqual(IndexFormat.Magic) || columns is < 0 or > IndexFormat.MaxColumns
            || BinaryPrimitives.ReadInt64LittleEndian(header[96..]) != LengthBytes)
        {
            throw Damaged(path, "its header is none of this version");
        }

        Count = BinaryPrimitives.ReadInt64LittleEndian(header[8..]);
        FileCount = BinaryPrimitives.ReadInt64LittleEndian(header[16..]);
        ClassCount = BinaryPrimitives.ReadInt32LittleEndian(header[24..]);
        RecordBytes = BinaryPrimitives.ReadInt64LittleEndian(header[32..]);
        ValidationCount = BinaryPrimitives.ReadInt64LittleEndian(header[40..]);
        _hash = header.Slice(48, OrderKey.HashBytes).ToArray();
        CheckHeader(path, columns);
        ReadColumns(path, columns);
        _meta = ReadMeta(path, header);
        _classStarts = ReadStarts(IndexColumn.ClassStart);
        _trainStarts = ReadStarts(IndexColumn.TrainClassStart);
        _validationStarts = ReadStarts(IndexColumn.ValidationClassStart);
    }

    /// <summary>Samples, a count.</summary>
    public long Count { get; }

    /// <summary>Files, a count.</summary>
    public long FileCount { get; }

    /// <summary>Classes, a count; 0 without labels.</summary>
    public int ClassCount { get; }

    /// <summary>Samples held out for validation, a count.</summary>
    public long ValidationCount { get; }

    /// <summary>Length of a fixed record, bytes; 0 of other kinds.</summary>
    public long RecordBytes { get; }

    /// <summary>Length of the index, bytes.</summary>
    public long LengthBytes { get; }

    /// <summary>The identity of the dataset, 32 bytes.</summary>
    public ReadOnlySpan<byte> Hash => _hash;

    /// <summary>The labels by class number.</summary>
    public IReadOnlyList<string> Classes => _meta.Classes;

    /// <summary>What a sample is.</summary>
    public DatasetKind Kind => _meta.Kind;

    /// <summary>What a fixed record is; null of other kinds.</summary>
    internal RecordShape? Record =>
        RecordBytes == 0 ? null : new RecordShape(RecordBytes, _meta.ElementType, _meta.Shape);

    /// <summary>Maps an index and compares its checksums.</summary>
    /// <exception cref="DataLayerException">Corrupt; NotFound.</exception>
    public static SampleIndex Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        try
        {
            return new SampleIndex(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DataLayerException(ErrorCode.NotFound, $"The index '{path}' is gone: refresh the dataset.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(ErrorCode.TargetFailed, $"The index cannot be read: {e.Message}", e);
        }
    }

    /// <summary>How many samples a part has.</summary>
    public long CountOf(DatasetPart part) => part switch
    {
        DatasetPart.All => Count,
        DatasetPart.Validation => ValidationCount,
        _ => Count - ValidationCount,
    };

    /// <summary>How many samples of a part each class has; empty without labels.</summary>
    public long[] ClassCountsOf(DatasetPart part)
    {
        long[] starts = StartsOf(part);
        long[] counts = new long[Math.Max(0, starts.Length - 1)];
        for (int i = 0; i < counts.Length; i++)
        {
            counts[i] = starts[i + 1] - starts[i];
        }

        return counts;
    }

    /// <summary>The order of a feed over this index.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it does not fit.</exception>
    public SampleOrder MakeOrder(OrderSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        SampleOrder order = new(spec, _hash, CountOf(spec.Part), ClassCountsOf(spec.Part));
        if (order.Sorting == OrdinalSorting.Length)
        {
            _ = ByLength(spec.Part);
        }

        return order;
    }

    /// <summary>The number of the sample that an order's ordinal means.</summary>
    /// <param name="part">The order's part.</param>
    /// <param name="sorting">How ordinals count the samples.</param>
    /// <param name="ordinal">The ordinal, from 0.</param>
    public long Select(DatasetPart part, OrdinalSorting sorting, long ordinal)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ordinal);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(ordinal, CountOf(part));
        if (sorting == OrdinalSorting.Length)
        {
            return ByLength(part)[ordinal];
        }

        if (sorting == OrdinalSorting.Class)
        {
            Column sorted = _columns[(int)(part switch
            {
                DatasetPart.All => IndexColumn.ByClass,
                DatasetPart.Train when ValidationCount > 0 => IndexColumn.TrainByClass,
                DatasetPart.Train => IndexColumn.ByClass,
                _ => IndexColumn.ValidationByClass,
            })];
            if (sorted.IsThere)
            {
                return Read(sorted, ordinal);
            }
        }

        return part == DatasetPart.All || ValidationCount == 0
            ? ordinal
            : SelectHeldOut(ordinal, part == DatasetPart.Validation);
    }

    /// <summary>Whether a sample is held out for validation.</summary>
    public bool IsValidation(long sample)
    {
        CheckSample(sample);
        return ValidationCount > 0 && (Word(sample / 64) >> (int)(sample % 64) & 1) != 0;
    }

    /// <summary>Where a sample lies.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such sample.</exception>
    public SamplePlace this[long sample]
    {
        get
        {
            CheckSample(sample);
            Column first = _columns[(int)IndexColumn.FirstSample];
            long file = first.IsThere ? FindFile(first, sample) : sample;
            long inFile = first.IsThere ? sample - Read(first, file) : 0;
            Column offsets = _columns[(int)IndexColumn.SampleOffset];
            long offset = offsets.IsThere ? Read(offsets, sample)
                : RecordBytes > 0 ? Read(IndexColumn.DataOffset, file) + (inFile * RecordBytes) : 0;
            long length = offsets.IsThere ? Read(IndexColumn.SampleLength, sample)
                : RecordBytes > 0 ? RecordBytes : Read(IndexColumn.FileSize, file);
            Column labels = _columns[(int)IndexColumn.SampleLabel];
            SamplePlace place = new(
                sample, new InodeId(Read(IndexColumn.Inode, file)), (uint)Read(IndexColumn.Generation, file),
                Read(IndexColumn.Version, file), offset, length, labels.IsThere ? (int)Read(labels, sample) : -1);
            GC.KeepAlive(this);
            return place;
        }
    }

    /// <summary>The samples of a file by its number, from the first on, and how many.</summary>
    internal (long First, long Count) SamplesOf(long file)
    {
        Column first = _columns[(int)IndexColumn.FirstSample];
        if (!first.IsThere)
        {
            return (file, 1);
        }

        long from = Read(first, file);
        return (from, (file + 1 < FileCount ? Read(first, file + 1) : Count) - from);
    }

    /// <summary>Where the fixed records of a file start.</summary>
    internal long DataOffsetOf(long file) => RecordBytes > 0 ? Read(IndexColumn.DataOffset, file) : 0;

    /// <summary>The inodes of all files, sorted.</summary>
    internal long[] GetSortedInodes()
    {
        long[] inodes = new long[FileCount];
        for (long i = 0; i < inodes.Length; i++)
        {
            inodes[i] = Read(IndexColumn.Inode, i);
        }

        Array.Sort(inodes);
        return inodes;
    }

    private static DataLayerException Damaged(string path, string how) => new(
        ErrorCode.Corrupt, $"The index '{path}' is damaged: {how}. Refresh the dataset to build it again.");

    private void CheckSample(long sample)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sample);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(sample, Count);
    }

    private void CheckHeader(string path, int columns)
    {
        byte[] head = new ReadOnlySpan<byte>(
            _start, Math.Min((int)LengthBytes, IndexFormat.HeaderBytes + (columns * IndexFormat.DescriptorBytes)))
            .ToArray();
        uint stored = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(124));
        head.AsSpan(124, 4).Clear();
        if (Crc32C.Compute(head) != stored)
        {
            throw Damaged(path, "its header fails its checksum");
        }
    }

    private void ReadColumns(string path, int columns)
    {
        for (int i = 0; i < columns; i++)
        {
            ReadOnlySpan<byte> descriptor = new(
                _start + IndexFormat.HeaderBytes + (i * IndexFormat.DescriptorBytes), IndexFormat.DescriptorBytes);
            int id = BinaryPrimitives.ReadInt32LittleEndian(descriptor);
            int width = BinaryPrimitives.ReadInt32LittleEndian(descriptor[4..]);
            long offset = BinaryPrimitives.ReadInt64LittleEndian(descriptor[16..]);
            long count = id is >= 1 and <= IndexFormat.MaxColumns ? EntriesOf((IndexColumn)id) : 0;
            if (id is < 1 or > IndexFormat.MaxColumns || width is < 0 or > 8 || offset < 0 || count < 0
                || offset > LengthBytes - IndexFormat.PaddingBytes
                || (width > 0 && count > (LengthBytes - IndexFormat.PaddingBytes - offset) / width))
            {
                throw Damaged(path, $"column {id} reaches past its end");
            }

            if (ChecksumOf(offset, count * width) != BinaryPrimitives.ReadUInt32LittleEndian(descriptor[24..]))
            {
                throw Damaged(path, $"column {(IndexColumn)id} fails its checksum");
            }

            _columns[id] = new Column(
                true, width, BinaryPrimitives.ReadInt64LittleEndian(descriptor[8..]), _start + offset);
        }
    }

    private uint ChecksumOf(long offset, long length)
    {
        uint crc = 0;
        for (long done = 0; done < length;)
        {
            int piece = (int)Math.Min(1 << 24, length - done);
            crc = Crc32C.Append(crc, new ReadOnlySpan<byte>(_start + offset + done, piece));
            done += piece;
        }

        return crc;
    }

    private long EntriesOf(IndexColumn column) => column switch
    {
        IndexColumn.SampleOffset or IndexColumn.SampleLength or IndexColumn.SampleLabel or IndexColumn.ByClass => Count,
        IndexColumn.TrainByClass => Count - ValidationCount,
        IndexColumn.ValidationByClass => ValidationCount,
        IndexColumn.ClassStart or IndexColumn.TrainClassStart or IndexColumn.ValidationClassStart => ClassCount + 1,
        IndexColumn.ValidationRank => (Count / IndexFormat.RankSamples) + 1,
        IndexColumn.ValidationBits => ((Count / IndexFormat.RankSamples) + 1) * (IndexFormat.RankSamples / 8),
        _ => FileCount,
    };

    private IndexMeta ReadMeta(string path, ReadOnlySpan<byte> header)
    {
        long offset = BinaryPrimitives.ReadInt64LittleEndian(header[80..]);
        long length = BinaryPrimitives.ReadInt64LittleEndian(header[88..]);
        if (offset < 0 || length is < 0 or > int.MaxValue || offset > LengthBytes - length)
        {
            throw Damaged(path, "its words reach past its end");
        }

        ReadOnlySpan<byte> words = new(_start + offset, (int)length);
        return Crc32C.Compute(words) == BinaryPrimitives.ReadUInt32LittleEndian(header[104..])
            ? JsonSerializer.Deserialize(words, DatasetJson.Default.IndexMeta)!
            : throw Damaged(path, "its words fail their checksum");
    }

    private long[] ReadStarts(IndexColumn id)
    {
        Column column = _columns[(int)id];
        long[] starts = new long[column.IsThere ? ClassCount + 1 : 0];
        for (int i = 0; i < starts.Length; i++)
        {
            starts[i] = Read(column, i);
        }

        return starts;
    }

    private long[] StartsOf(DatasetPart part) => part switch
    {
        DatasetPart.Train when ValidationCount > 0 => _trainStarts,
        DatasetPart.Validation => _validationStarts,
        _ => _classStarts,
    };

    /// <summary>
    /// The last file whose first sample is not behind the sample; files without samples are passed over.
    /// </summary>
    private long FindFile(Column first, long sample)
    {
        long low = 0;
        long high = FileCount - 1;
        while (low < high)
        {
            long middle = (low + high + 1) / 2;
            (low, high) = Read(first, middle) <= sample ? (middle, high) : (low, middle - 1);
        }

        return low;
    }

    private long SelectHeldOut(long ordinal, bool wanted)
    {
        Column ranks = _columns[(int)IndexColumn.ValidationRank];
        long low = 0;
        long high = Count / IndexFormat.RankSamples;
        while (low < high)
        {
            long middle = (low + high + 1) / 2;
            (low, high) = Before(ranks, middle, wanted) <= ordinal ? (middle, high) : (low, middle - 1);
        }

        long left = ordinal - Before(ranks, low, wanted);
        for (long word = low * (IndexFormat.RankSamples / 64); ; word++)
        {
            ulong bits = wanted ? Word(word) : ~Word(word);
            int count = BitOperations.PopCount(bits);
            if (left < count)
            {
                for (; left > 0; left--)
                {
                    bits &= bits - 1;
                }

                GC.KeepAlive(this);
                return (word * 64) + BitOperations.TrailingZeroCount(bits);
            }

            left -= count;
        }
    }

    private long Before(Column ranks, long group, bool wanted)
    {
        long heldOut = Read(ranks, group);
        return wanted ? heldOut : (group * IndexFormat.RankSamples) - heldOut;
    }

    private ulong Word(long word) =>
        *(ulong*)(_columns[(int)IndexColumn.ValidationBits].Start + (word * 8));

    private long Read(IndexColumn column, long index) => Read(_columns[(int)column], index);

    private long Read(in Column column, long index)
    {
        if (column.Width == 0)
        {
            return column.Base;
        }

        ulong value = System.Runtime.CompilerServices.Unsafe.ReadUnaligned<ulong>(
            column.Start + (index * column.Width));
        GC.KeepAlive(this);
        return column.Base + (long)(value & (ulong.MaxValue >> (64 - (column.Width * 8))));
    }

    private readonly record struct Column(bool IsThere, int Width, long Base, nint Address)
    {
        public Column(bool isThere, int width, long lowest, byte* start)
            : this(isThere, width, lowest, (nint)start)
        {
        }

        public byte* Start => (byte*)Address;
    }
}
