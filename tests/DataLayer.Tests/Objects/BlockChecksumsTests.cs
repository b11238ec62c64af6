using DataLayer.Core.Integrity;
using DataLayer.Storage.Objects;

namespace DataLayer.Tests.Objects;

public sealed class BlockChecksumsTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(65_536)]
    [InlineData(65_537)]
    [InlineData(1_000_000)]
    [InlineData(20 << 20)]
    [InlineData((20 << 20) + 1)]
    public void Text_read_back_vouches_for_every_block(int size)
    {
        byte[] bytes = new byte[size];
        new Random(size).NextBytes(bytes);
        BlockChecksums checksums = BlockChecksums.Parse(Build(bytes, 100_000).ToText(), size)!;
        for (long at = 0; at < size; at = checksums.BlockEnd(at))
        {
            Assert.Equal(at, checksums.BlockStart(at));
            Assert.Equal(Crc32C.Compute(bytes.AsSpan((int)at, (int)(checksums.BlockEnd(at) - at))), checksums.Of(at));
        }
    }

    [Fact]
    public void The_pieces_shown_do_not_matter()
    {
        byte[] bytes = new byte[300_000];
        new Random(3).NextBytes(bytes);
        string whole = Build(bytes, bytes.Length).ToText();
        foreach (int piece in new[] { 1000, 65_536, 65_537, 299_999 })
        {
            Assert.Equal(whole, Build(bytes, piece).ToText());
        }
    }

    [Theory]
    [InlineData(1L, 1L << 16)]
    [InlineData(20L << 20, 1L << 16)]
    [InlineData((20L << 20) + 1, 1L << 17)]
    [InlineData(320L << 20, 1L << 20)]
    [InlineData(5L << 40, 1L << 34)]
    public void Blocks_are_as_small_as_the_metadata_allows(long size, long blockBytes)
    {
        int count = (int)((size + blockBytes - 1) / blockBytes);
        Assert.InRange(count, 1, 320);
        string text = $"1.{long.Log2(blockBytes)}.{Convert.ToBase64String(new byte[count * 4]).TrimEnd('=').Replace('+', '-').Replace('/', '_')}";
        Assert.InRange(text.Length, 1, 1716);
        Assert.Equal(blockBytes, BlockChecksums.Parse(text, size)!.BlockBytes);
        if (size <= 20L << 20)
        {
            Assert.Equal(blockBytes, Build(new byte[size], 1 << 20).BlockBytes);
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("2.16.AAAAAA")]
    [InlineData("1.16")]
    [InlineData("1..AAAAAA")]
    [InlineData("1.5.AAAAAA")]
    [InlineData("1.99.AAAAAA")]
    [InlineData("1.16.AAAA")]
    [InlineData("1.16.AAAAAAAAAAA")]
    [InlineData("1.16.$$$$$$")]
    public void Text_that_is_not_of_this_object_vouches_for_nothing(string? text) => Assert.Null(BlockChecksums.Parse(text, 100));

    private static BlockChecksums Build(byte[] bytes, int pieceBytes)
    {
        BlockChecksums.Builder builder = new(bytes.Length);
        for (int at = 0; at < bytes.Length; at += pieceBytes)
        {
            builder.Append(bytes.AsSpan(at, Math.Min(pieceBytes, bytes.Length - at)));
        }

        return builder.Build();
    }
}
