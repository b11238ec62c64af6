using System.Buffers.Binary;
using DataLayer.Core.Errors;

namespace DataLayer.Core.Batches;

/// <summary>The first 256 bytes of a batch: what it is, and where its parts lie (docs/FORMATS/feed.md).</summary>
/// <remarks>
/// What <see cref="Read"/> returned was checked against the batch's length: all arrays lie inside. The table's entries
/// and the keys' offsets are checked as they are read (<see cref="BatchBytes"/>).
/// </remarks>
public readonly record struct BatchHeader
{
    /// <summary>Length of the header, bytes.</summary>
    public const int SizeBytes = 256;

    /// <summary>The longest batch, bytes.</summary>
    public const long MaxBatchBytes = int.MaxValue;

    /// <summary>What the arrays between header and data start at a multiple of, bytes.</summary>
    public const int ArrayAlignmentBytes = 64;

    /// <summary>What the data start at a multiple of, bytes.</summary>
    public const int DataAlignmentBytes = 4096;

    /// <summary>Length of a sample's entry in the table, bytes.</summary>
    public const int TableEntryBytes = 16;

    /// <summary>From 0 in each connection.</summary>
    public ulong Sequence { get; init; }

    /// <summary>The pass, from 0.</summary>
    public long Pass { get; init; }

    /// <summary>The cursor of the step.</summary>
    public long Cursor { get; init; }

    /// <summary>The cursor after it: what a state keeps once the batch is used.</summary>
    public long NextCursor { get; init; }

    /// <summary>Samples, padding included.</summary>
    public int SampleCount { get; init; }

    /// <summary>How many of the last ones are padding.</summary>
    public int PaddingCount { get; init; }

    /// <summary>How the samples lie.</summary>
    public BatchLayoutKind Layout { get; init; }

    /// <summary>What the data are.</summary>
    public FeedElement Element { get; init; }

    /// <summary>Length of a row of dense and padded, bytes; else 0.</summary>
    public long RowBytes { get; init; }

    /// <summary>Where the table starts, bytes from the batch's begin; as all offsets here.</summary>
    public long TableOffset { get; init; }

    /// <summary>Where the classes start; 0 for no labels.</summary>
    public long ClassesOffset { get; init; }

    /// <summary>Where the samples' numbers start.</summary>
    public long NumbersOffset { get; init; }

    /// <summary>Where the keys start; 0 for none.</summary>
    public long KeysOffset { get; init; }

    /// <summary>Where the data start.</summary>
    public long DataOffset { get; init; }

    /// <summary>Length of the data, bytes.</summary>
    public long DataBytes { get; init; }

    /// <summary>How long the service waited for bytes of this batch, ns.</summary>
    public long WaitNanoseconds { get; init; }

    /// <summary>From the begin of its assembly to its end, ns.</summary>
    public long AssemblyNanoseconds { get; init; }

    /// <summary>Bytes that came from memory.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Bytes that came from the hot tier.</summary>
    public long HotBytes { get; init; }

    /// <summary>Bytes that came from the origin.</summary>
    public long OriginBytes { get; init; }

    /// <summary>Bytes that came from other nodes.</summary>
    public long PeerBytes { get; init; }

    /// <summary>"DLBATCH1".</summary>
    private static ReadOnlySpan<byte> Magic => "DLBATCH1"u8;

    /// <summary>Writes the header, zeros included.</summary>
    /// <param name="batch">At least <see cref="SizeBytes"/> bytes.</param>
    public void Write(Span<byte> batch)
    {
        batch[..SizeBytes].Clear();
        Magic.CopyTo(batch);
        BinaryPrimitives.WriteUInt64LittleEndian(batch[8..], Sequence);
        BinaryPrimitives.WriteInt64LittleEndian(batch[16..], Pass);
        BinaryPrimitives.WriteInt64LittleEndian(batch[24..], Cursor);
        BinaryPrimitives.WriteInt64LittleEndian(batch[32..], NextCursor);
        BinaryPrimitives.WriteInt32LittleEndian(batch[40..], SampleCount);
        BinaryPrimitives.WriteInt32LittleEndian(batch[44..], PaddingCount);
        BinaryPrimitives.WriteInt32LittleEndian(batch[48..], (int)Layout);
        BinaryPrimitives.WriteInt32LittleEndian(batch[52..], (int)Element);
        BinaryPrimitives.WriteInt64LittleEndian(batch[56..], RowBytes);
        BinaryPrimitives.WriteInt64LittleEndian(batch[64..], TableOffset);
        BinaryPrimitives.WriteInt64LittleEndian(batch[72..], ClassesOffset);
        BinaryPrimitives.WriteInt64LittleEndian(batch[80..], NumbersOffset);
        BinaryPrimitives.WriteInt64LittleEndian(batch[88..], KeysOffset);
        BinaryPrimitives.WriteInt64LittleEndian(batch[96..], DataOffset);
        BinaryPrimitives.WriteInt64LittleEndian(batch[104..], DataBytes);
        BinaryPrimitives.WriteInt64LittleEndian(batch[112..], WaitNanoseconds);
        BinaryPrimitives.WriteInt64LittleEndian(batch[120..], AssemblyNanoseconds);
        BinaryPrimitives.WriteInt64LittleEndian(batch[128..], MemoryBytes);
        BinaryPrimitives.WriteInt64LittleEndian(batch[136..], HotBytes);
        BinaryPrimitives.WriteInt64LittleEndian(batch[144..], OriginBytes);
        BinaryPrimitives.WriteInt64LittleEndian(batch[152..], PeerBytes);
    }

    /// <summary>Reads a header and checks that all it names lies in the batch.</summary>
    /// <param name="batch">The batch's begin, at least <see cref="SizeBytes"/> bytes of it.</param>
    /// <param name="lengthBytes">Length of the whole batch, bytes.</param>
    /// <exception cref="DataLayerException">Corrupt, with what is wrong.</exception>
    public static BatchHeader Read(ReadOnlySpan<byte> batch, long lengthBytes)
    {
        if (batch.Length < SizeBytes || lengthBytes < SizeBytes || !batch[..8].SequenceEqual(Magic))
        {
            throw Bad("it does not begin as one");
        }

        BatchHeader header = new()
        {
            Sequence = BinaryPrimitives.ReadUInt64LittleEndian(batch[8..]),
            Pass = BinaryPrimitives.ReadInt64LittleEndian(batch[16..]),
            Cursor = BinaryPrimitives.ReadInt64LittleEndian(batch[24..]),
            NextCursor = BinaryPrimitives.ReadInt64LittleEndian(batch[32..]),
            SampleCount = BinaryPrimitives.ReadInt32LittleEndian(batch[40..]),
            PaddingCount = BinaryPrimitives.ReadInt32LittleEndian(batch[44..]),
            Layout = (BatchLayoutKind)BinaryPrimitives.ReadInt32LittleEndian(batch[48..]),
            Element = (FeedElement)BinaryPrimitives.ReadInt32LittleEndian(batch[52..]),
            RowBytes = BinaryPrimitives.ReadInt64LittleEndian(batch[56..]),
            TableOffset = BinaryPrimitives.ReadInt64LittleEndian(batch[64..]),
            ClassesOffset = BinaryPrimitives.ReadInt64LittleEndian(batch[72..]),
            NumbersOffset = BinaryPrimitives.ReadInt64LittleEndian(batch[80..]),
            KeysOffset = BinaryPrimitives.ReadInt64LittleEndian(batch[88..]),
            DataOffset = BinaryPrimitives.ReadInt64LittleEndian(batch[96..]),
            DataBytes = BinaryPrimitives.ReadInt64LittleEndian(batch[104..]),
            WaitNanoseconds = BinaryPrimitives.ReadInt64LittleEndian(batch[112..]),
            AssemblyNanoseconds = BinaryPrimitives.ReadInt64LittleEndian(batch[120..]),
            MemoryBytes = BinaryPrimitives.ReadInt64LittleEndian(batch[128..]),
            HotBytes = BinaryPrimitives.ReadInt64LittleEndian(batch[136..]),
            OriginBytes = BinaryPrimitives.ReadInt64LittleEndian(batch[144..]),
            PeerBytes = BinaryPrimitives.ReadInt64LittleEndian(batch[152..]),
        };
        header.Check(lengthBytes);
        return header;
    }

    private void Check(long lengthBytes)
    {
        if (SampleCount < 1 || PaddingCount < 0 || PaddingCount > SampleCount)
        {
            throw Bad($"it has {SampleCount} samples, {PaddingCount} of them padding");
        }

        if (Layout is < BatchLayoutKind.Samples or > BatchLayoutKind.Padded
            || Element is < FeedElement.Bytes or > FeedElement.BFloat16)
        {
            throw Bad($"its layout is {(int)Layout} and its element type {(int)Element}");
        }

        CheckArray("table", TableOffset, (long)SampleCount * TableEntryBytes, lengthBytes);
        CheckArray("numbers", NumbersOffset, (long)SampleCount * sizeof(long), lengthBytes);
        if (ClassesOffset != 0)
        {
            CheckArray("classes", ClassesOffset, (long)SampleCount * sizeof(int), lengthBytes);
        }

        if (KeysOffset != 0)
        {
            CheckArray("keys", KeysOffset, ((long)SampleCount + 1) * sizeof(uint), lengthBytes);
        }

        if (DataOffset < SizeBytes || DataOffset % DataAlignmentBytes != 0 || DataBytes < 0
            || DataOffset > lengthBytes || DataBytes > lengthBytes - DataOffset)
        {
            throw Bad($"its {DataBytes} bytes of data at {DataOffset} do not lie in its {lengthBytes} bytes");
        }

        bool isInRows = Layout != BatchLayoutKind.Samples;
        if (RowBytes < 0 || (isInRows ? RowBytes > DataBytes / SampleCount : RowBytes != 0)
            || RowBytes % FeedElements.SizeOf(Element) != 0)
        {
            throw Bad($"its rows have {RowBytes} bytes");
        }
    }

    private static void CheckArray(string name, long offset, long length, long lengthBytes)
    {
        if (offset < SizeBytes || offset % ArrayAlignmentBytes != 0 || offset > lengthBytes
            || length > lengthBytes - offset)
        {
            throw Bad($"its {name} at {offset}, {length} bytes, do not lie in its {lengthBytes} bytes");
        }
    }

    internal static DataLayerException Bad(FormattableString how) =>
        Bad(how.ToString(System.Globalization.CultureInfo.InvariantCulture));

    internal static DataLayerException Bad(string how) => new(
        ErrorCode.Corrupt,
        $"A batch is damaged: {how}. Use client and service of the same release; if they are, report it.");
}
