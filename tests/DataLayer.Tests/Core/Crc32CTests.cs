using System.Text;
using DataLayer.Core.Integrity;

namespace DataLayer.Tests.Core;

public sealed class Crc32CTests
{
    [Fact]
    public void The_check_value_of_the_catalogue_comes_out() =>
        Assert.Equal(0xE3069283u, Crc32C.Compute(Encoding.ASCII.GetBytes("123456789")));

    /// <summary>RFC 3720, appendix B.4: 32 bytes of zeros, of ones, counting up.</summary>
    [Fact]
    public void The_test_vectors_of_the_rfc_come_out()
    {
        Assert.Equal(0x8A9136AAu, Crc32C.Compute(new byte[32]));
        Assert.Equal(0x62A8AB43u, Crc32C.Compute([.. Enumerable.Repeat((byte)0xFF, 32)]));
        Assert.Equal(0x46DD794Eu, Crc32C.Compute([.. Enumerable.Range(0, 32).Select(i => (byte)i)]));
    }

    [Fact]
    public void Appending_pieces_equals_computing_the_whole_at_every_length()
    {
        byte[] bytes = new byte[40_000];
        new Random(7).NextBytes(bytes);
        Random cuts = new(8);
        for (int length = 0; length < bytes.Length; length += 1 + (length / 3))
        {
            int cut = cuts.Next(length + 1);
            uint pieces = Crc32C.Append(Crc32C.Compute(bytes.AsSpan(0, cut)), bytes.AsSpan(cut, length - cut));
            Assert.Equal(BitByBit(bytes.AsSpan(0, length)), pieces);
            Assert.Equal(pieces, Crc32C.Compute(bytes.AsSpan(0, length)));
            Assert.Equal(pieces, Crc32C.AppendInLanes(0, bytes.AsSpan(0, length)));
        }
    }

    [Fact]
    public void Every_length_start_and_state_sums_alike_on_any_processor()
    {
        byte[] bytes = new byte[2_000];
        new Random(10).NextBytes(bytes);
        uint state = 0;
        for (int length = 0; length <= bytes.Length; length++)
        {
            int start = Math.Min(length % 67, bytes.Length - length);
            uint expected = Crc32C.AppendInLanes(state, bytes.AsSpan(start, length));
            Assert.Equal(expected, Crc32C.Append(state, bytes.AsSpan(start, length)));
            state = expected;
        }
    }

    [Fact]
    public void Any_single_flipped_bit_changes_the_value()
    {
        byte[] bytes = new byte[512];
        new Random(9).NextBytes(bytes);
        uint before = Crc32C.Compute(bytes);
        for (int bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotEqual(before, Crc32C.Compute(bytes));
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    private static uint BitByBit(ReadOnlySpan<byte> bytes)
    {
        uint crc = ~0u;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int i = 0; i < 8; i++)
            {
                crc = (crc >> 1) ^ (0x82F63B78u & (0u - (crc & 1)));
            }
        }

        return ~crc;
    }
}
