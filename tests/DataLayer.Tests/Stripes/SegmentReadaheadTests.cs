using DataLayer.Storage.Stripes;

namespace DataLayer.Tests.Stripes;

public sealed class SegmentReadaheadTests
{
    private const int RecordBytes = 16 << 10;
    private const int SegmentRecords = 2048;

    [Fact]
    public void A_pass_in_any_order_asks_for_each_window_once()
    {
        SegmentReadahead readahead = new();
        int[] order = [.. Enumerable.Range(0, SegmentRecords)];
        new Random(5).Shuffle(order);
        int asked = order.Take(SegmentRecords - 1).Count(record => readahead.Note((long)record * RecordBytes, RecordBytes));

        Assert.InRange(asked, 1, SegmentRecords * RecordBytes / SegmentReadahead.WindowBytes);
    }

    [Fact]
    public void The_next_pass_asks_again()
    {
        SegmentReadahead readahead = new();
        int windows = SegmentRecords * RecordBytes / SegmentReadahead.WindowBytes;
        int Pass() => Enumerable.Range(0, SegmentRecords).Count(record => readahead.Note((long)record * RecordBytes, RecordBytes));
        _ = Pass();

        Assert.InRange(Pass(), windows / 2, windows + 1);
    }

    [Fact]
    public void Reading_one_record_again_and_again_asks_once_in_eight_mebibytes()
    {
        SegmentReadahead readahead = new();
        int asked = Enumerable.Range(0, 511).Count(_ => readahead.Note(RecordBytes * 7, RecordBytes));

        Assert.Equal(1, asked);
    }

    [Fact]
    public void A_place_behind_the_longest_segment_is_not_asked_for()
    {
        Assert.False(new SegmentReadahead().Note(5L << 30, RecordBytes));
    }
}
