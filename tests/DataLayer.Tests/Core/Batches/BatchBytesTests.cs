using System.Buffers.Binary;
using DataLayer.Core.Batches;
using DataLayer.Core.Errors;

namespace DataLayer.Tests.Core.Batches;

public sealed class BatchBytesTests
{
    [Fact]
    public void Reads_what_was_written()
    {
        byte[] bytes = Make();
        BatchBytes batch = new(bytes);
        Assert.Equal(7ul, batch.Header.Sequence);
        Assert.Equal((1L, 2L, 3L), (batch.Header.Pass, batch.Header.Cursor, batch.Header.NextCursor));
        Assert.Equal((5, -1), (batch.ClassAt(0), batch.ClassAt(1)));
        Assert.Equal((100L, 200L), (batch.NumberAt(0), batch.NumberAt(1)));
        Assert.Equal("ä/b", batch.KeyAt(0));
        Assert.Equal("c", batch.KeyAt(1));
        Assert.Equal("one"u8.ToArray(), batch.SampleAt(0).ToArray());
        Assert.Equal("three"u8.ToArray(), batch.SampleAt(1).ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => new BatchBytes(bytes).SampleAt(2));
    }

    [Fact]
    public void Never_leaves_its_bounds_whatever_the_bytes_are()
    {
        byte[] good = Make();
        int read = 0;
        for (int round = 0; round < 20_000; round++)
        {
            byte[] bytes = (byte[])good.Clone();
            Random random = new(round);
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                int at = random.Next(512) & ~7;
                long value = random.Next(4) switch
                {
                    0 => random.NextInt64(),
                    1 => long.MinValue + random.Next(3),
                    2 => random.Next(-5, bytes.Length + 5),
                    _ => long.MaxValue - random.Next(5000),
                };
                BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(at), value);
            }

            int length = random.Next(4) == 0 ? random.Next(bytes.Length) : bytes.Length;
            try
            {
                BatchBytes batch = new(bytes.AsSpan(0, length));
                for (int i = 0; i < batch.Header.SampleCount; i++)
                {
                    _ = batch.SampleAt(i);
                    _ = batch.ClassAt(i);
                    _ = batch.NumberAt(i);
                    _ = batch.KeyAt(i);
                }

                _ = batch.AllData;
                read++;
            }
            catch (DataLayerException e) when (e.Code == ErrorCode.Corrupt)
            {
                // Any other exception fails the test.
            }
        }

        Assert.InRange(read, 1, 19_999);
    }

    private static byte[] Make()
    {
        byte[] bytes = new byte[4096 + 128];
        new BatchHeader
        {
            Sequence = 7,
            Pass = 1,
            Cursor = 2,
            NextCursor = 3,
            SampleCount = 2,
            TableOffset = 256,
            ClassesOffset = 320,
            NumbersOffset = 384,
            KeysOffset = 448,
            DataOffset = 4096,
            DataBytes = 128,
        }.Write(bytes);
        foreach ((int at, long value) in new[] { (256, 4096L), (264, 3), (272, 4160), (280, 5), (384, 100), (392, 200) })
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(at), value);
        }

        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(320), 5);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(324), -1);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(452), 4);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(456), 5);
        "ä/bc"u8.CopyTo(bytes.AsSpan(460));
        "one"u8.CopyTo(bytes.AsSpan(4096));
        "three"u8.CopyTo(bytes.AsSpan(4160));
        return bytes;
    }
}
