using System.Buffers.Binary;
using System.Text;

namespace DataLayer.Tests.Feeds;

/// <summary>
/// A batch as docs/FORMATS/feed.md describes it, read by nothing but that page: every number from its offset there.
/// </summary>
internal sealed class FeedPage
{
    private readonly byte[] _bytes;

    public FeedPage(ReadOnlySpan<byte> batch)
    {
        _bytes = batch.ToArray();
        Assert.Equal("DLBATCH1", Encoding.ASCII.GetString(_bytes, 0, 8));
        Assert.All(_bytes[160..256], zero => Assert.Equal(0, zero));
        Assert.Equal(0, DataOffset % 4096);
        Assert.True(DataOffset + DataBytes <= _bytes.Length);
        foreach (long array in new[] { Long(64), Long(72), Long(80), Long(88) })
        {
            Assert.Equal(0, array % 64);
        }
    }

    public long Sequence => Long(8);

    public long Pass => Long(16);

    public long Cursor => Long(24);

    public long NextCursor => Long(32);

    public int Count => Int(40);

    public int PaddingCount => Int(44);

    public int Layout => Int(48);

    public int Element => Int(52);

    public long RowBytes => Long(56);

    public long DataOffset => Long(96);

    public long DataBytes => Long(104);

    public long WaitNanoseconds => Long(112);

    public long AssemblyNanoseconds => Long(120);

    public long MemoryBytes => Long(128);

    public long HotBytes => Long(136);

    public long OriginBytes => Long(144);

    public bool HasClasses => Long(72) != 0;

    public bool HasKeys => Long(88) != 0;

    public (long Offset, long Length) PlaceOf(int sample) =>
        (Long((int)Long(64) + (16 * sample)), Long((int)Long(64) + (16 * sample) + 8));

    public byte[] SampleAt(int sample)
    {
        (long offset, long length) = PlaceOf(sample);
        Assert.InRange(offset, DataOffset, DataOffset + DataBytes - length);
        return _bytes[(int)offset..(int)(offset + length)];
    }

    public int ClassAt(int sample) => Int((int)Long(72) + (4 * sample));

    public long NumberAt(int sample) => Long((int)Long(80) + (8 * sample));

    public string KeyAt(int sample)
    {
        int keys = (int)Long(88);
        int text = keys + (4 * (Count + 1));
        Assert.Equal(0, Int(keys));
        return Encoding.UTF8.GetString(_bytes[(text + Int(keys + (4 * sample)))..(text + Int(keys + (4 * sample) + 4))]);
    }

    public byte ByteAt(long offset) => _bytes[offset];

    /// <summary>The numbers of the samples that are no padding.</summary>
    public long[] Numbers() => [.. Enumerable.Range(0, Count - PaddingCount).Select(NumberAt)];

    private long Long(int at) => BinaryPrimitives.ReadInt64LittleEndian(_bytes.AsSpan(at));

    private int Int(int at) => BinaryPrimitives.ReadInt32LittleEndian(_bytes.AsSpan(at));
}
