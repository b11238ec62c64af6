using DataLayer.Core.Errors;
using DataLayer.Core.Layout;

namespace DataLayer.Tests.Core;

public sealed class LayoutTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(BlockLayout.BlockBytes, 1)]
    [InlineData(BlockLayout.BlockBytes + 1, 2)]
    [InlineData(BlockLayout.MaxFileBytes, uint.MaxValue)]
    public void A_file_has_as_many_blocks_as_its_size_needs(long sizeBytes, uint count) =>
        Assert.Equal(count, BlockLayout.BlockCount(sizeBytes));

    [Fact]
    public void A_file_larger_than_the_layout_allows_is_refused() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => BlockLayout.BlockCount(BlockLayout.MaxFileBytes + 1));

    [Fact]
    public void Only_the_last_block_is_short()
    {
        long size = (3L * BlockLayout.BlockBytes) + 17;
        Assert.Equal(BlockLayout.BlockBytes, BlockLayout.BlockLength(2, size));
        Assert.Equal(17, BlockLayout.BlockLength(3, size));
        Assert.Equal(0, BlockLayout.BlockLength(4, size));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_byte_of_a_striped_file_lies_once_where_the_placement_says(int width)
    {
        StripedPlacement placement = new("p", 4, width, 1, [.. Enumerable.Range(0, width)]);
        for (long size = 0; size < 4 * width * 4; size++)
        {
            Dictionary<(int Column, long Offset), long> seen = [];
            for (long offset = 0; offset < size; offset++)
            {
                Assert.True(seen.TryAdd((placement.ColumnOf(offset), placement.ColumnOffsetOf(offset)), offset));
            }

            for (int column = 0; column < width; column++)
            {
                long[] offsets = [.. seen.Keys.Where(k => k.Column == column).Select(k => k.Offset).Order()];
                Assert.Equal(placement.ColumnLength(column, size), offsets.Length);
                Assert.Equal(Enumerable.Range(0, offsets.Length).Select(i => (long)i), offsets);
            }
        }
    }

    [Fact]
    public void The_second_copy_of_a_column_lies_on_its_own_target()
    {
        StripedPlacement placement = new("p", 1 << 20, 2, 2, [7, 8, 8, 7]);
        Assert.Equal(7, placement.TargetOf(0, 0));
        Assert.Equal(8, placement.TargetOf(1, 0));
        Assert.Equal(8, placement.TargetOf(0, 1));
        Assert.Equal(7, placement.TargetOf(1, 1));
    }

    [Fact]
    public void A_placement_reads_back_from_its_text()
    {
        Placement[] placements =
        [
            new StripedPlacement("nvme", 1 << 20, 3, 2, [1, 2, 3, 2, 3, 1]),
            new SegmentPlacement("default", 42, 1L << 40, 784, [5]),
            new SegmentPlacement("default", 1, 0, 1, [5, 6]),
        ];
        foreach (Placement placement in placements)
        {
            Assert.Equal(placement, PlacementText.Parse(placement.ToText()));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("striped:p:65536:2:1:1")]
    [InlineData("striped:p:0:1:1:1")]
    [InlineData("striped:p:65536:-1:1:1")]
    [InlineData("segment:p:1:2:3:1,2,3")]
    [InlineData("segment:p:1:2:x:1")]
    [InlineData("mirror:p:1:2:3:1")]
    [InlineData("segment:p:1:2:3:")]
    public void A_damaged_placement_is_corrupt_and_names_the_remedy(string text)
    {
        DataLayerException fault = Assert.Throws<DataLayerException>(() => PlacementText.Parse(text));
        Assert.Equal(ErrorCode.Corrupt, fault.Code);
        Assert.Contains("fsck", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Residency_agrees_with_a_plain_set_through_random_changes()
    {
        const int Seed = 20261122;
        Random random = new(Seed);
        uint blocks = 100;
        ResidencyBitmap bitmap = new(blocks);
        HashSet<uint> model = [];
        for (int step = 0; step < 5000; step++)
        {
            switch (random.Next(10))
            {
                case 0:
                    blocks = (uint)random.Next(0, 300);
                    bitmap.Resize(blocks);
                    model.RemoveWhere(b => b >= blocks);
                    break;
                case 1:
                    bitmap = new ResidencyBitmap(blocks, bitmap.ToBytes());
                    break;
                default:
                    if (blocks > 0)
                    {
                        uint block = (uint)random.Next((int)blocks);
                        bool hot = random.Next(2) == 0;
                        bitmap[block] = hot;
                        _ = hot ? model.Add(block) : model.Remove(block);
                    }

                    break;
            }

            Assert.Equal((uint)model.Count, bitmap.ResidentCount);
            Assert.Equal(model.Count == blocks, bitmap.IsFull);
        }

        for (uint block = 0; block < blocks; block++)
        {
            Assert.Equal(model.Contains(block), bitmap[block]);
        }
    }

    [Fact]
    public void A_full_bitmap_has_no_bit_past_its_end()
    {
        ResidencyBitmap full = ResidencyBitmap.Full(11);
        Assert.True(full.IsFull);
        Assert.Equal([0xFF, 0x07], full.ToBytes());
        full.Resize(20);
        Assert.Equal(11u, full.ResidentCount);
        Assert.Throws<ArgumentOutOfRangeException>(() => full[20]);
    }

    [Theory]
    [InlineData("4096", 4096)]
    [InlineData("64KiB", 65536)]
    [InlineData("1.5 GiB", 1610612736)]
    [InlineData("10GB", 10_000_000_000)]
    [InlineData("2m", 2097152)]
    [InlineData("7 B", 7)]
    [InlineData("0", 0)]
    public void A_size_reads_as_people_write_it(string text, long bytes)
    {
        Assert.True(ByteSize.TryParse(text, out long parsed));
        Assert.Equal(bytes, parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("-1")]
    [InlineData("12 apples")]
    [InlineData("1e3")]
    [InlineData("9000000PiB")]
    [InlineData("KiB")]
    public void A_size_that_is_none_is_refused(string? text) => Assert.False(ByteSize.TryParse(text, out _));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1536, "1.50 KiB")]
    [InlineData(15 << 20, "15.0 MiB")]
    [InlineData(1L << 40, "1.00 TiB")]
    public void A_size_is_written_with_three_digits(long bytes, string text) => Assert.Equal(text, ByteSize.Format(bytes));
}
