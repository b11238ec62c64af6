using System.Collections.Immutable;
using DataLayer.Core.Errors;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Stripes;

public sealed class PlacementTests
{
    [Fact]
    public void A_range_falls_into_column_pieces_that_cover_it_exactly()
    {
        Random random = new(1);
        for (int i = 0; i < 2_000; i++)
        {
            int width = 1 + random.Next(5);
            StripedPlacement placement = new("p", 65_536 << random.Next(3), width, 1, [.. Enumerable.Range(0, width)]);
            long offset = random.NextInt64(10_000_000);
            int length = 1 + random.Next(3_000_000);
            long total = 0;
            for (int column = 0; column < width; column++)
            {
                ColumnRange range = ColumnRange.Of(placement, column, offset, length);
                total += range.LengthBytes;
                if (range.LengthBytes > 0)
                {
                    long first = ColumnRange.ToFileOffset(placement, column, range.OffsetBytes);
                    long last = ColumnRange.ToFileOffset(placement, column, range.OffsetBytes + range.LengthBytes - 1);
                    Assert.InRange(first, offset, offset + length - 1);
                    Assert.InRange(last, offset, offset + length - 1);
                    Assert.Equal(column, placement.ColumnOf(first));
                    Assert.Equal(range.OffsetBytes, placement.ColumnOffsetOf(first));
                }
            }

            Assert.Equal(length, total);
        }
    }

    [Fact]
    public void A_view_maps_every_column_byte_to_its_place_in_the_buffer()
    {
        StripedPlacement placement = new("p", 65_536, 3, 1, [0, 1, 2]);
        byte[] buffer = new byte[500_000];
        const long Offset = 123_456;
        for (int column = 0; column < 3; column++)
        {
            StripeView view = new(buffer.AsMemory(), Offset, placement, column);
            ColumnRange range = ColumnRange.Of(placement, column, Offset, buffer.Length);
            for (long at = range.OffsetBytes; at < range.OffsetBytes + range.LengthBytes;)
            {
                Span<byte> piece = view.Slice(at, (int)(range.OffsetBytes + range.LengthBytes - at));
                piece.Fill((byte)(column + 1));
                at += piece.Length;
            }
        }

        for (int i = 0; i < buffer.Length; i++)
        {
            Assert.Equal(placement.ColumnOf(Offset + i) + 1, buffer[i]);
        }
    }

    [Fact]
    public async Task Starts_spread_over_targets_and_copies_never_share_one()
    {
        await using HotTierFixture fixture = new(4) { Width = 3, CopyCount = 2 };
        HotTier tier = await fixture.OpenAsync();
        int[] starts = new int[4];
        for (int inode = 1; inode <= 4_000; inode++)
        {
            StripedPlacement placement = tier.PlaceStriped(null, HotTierFixture.Content(inode), 0);
            Assert.Equal((3, 2), (placement.Width, placement.CopyCount));
            Assert.Equal(3, placement.Targets[..3].Distinct().Count());
            for (int column = 0; column < 3; column++)
            {
                Assert.NotEqual(placement.TargetOf(column, 0), placement.TargetOf(column, 1));
            }

            starts[placement.TargetOf(0, 0)]++;
        }

        Assert.All(starts, count => Assert.InRange(count, 850, 1_150));
        Assert.Equal(tier.PlaceStriped(null, HotTierFixture.Content(5), 0), tier.PlaceStriped(
            null, HotTierFixture.Content(5, 2), 0));
    }

    [Fact]
    public async Task A_content_of_one_unit_has_width_1()
    {
        await using HotTierFixture fixture = new(2) { Width = 2 };
        HotTier tier = await fixture.OpenAsync();
        Assert.Equal(1, tier.PlaceStriped(null, HotTierFixture.Content(1), 65_536).Width);
        Assert.Equal(2, tier.PlaceStriped(null, HotTierFixture.Content(1), 65_537).Width);
        Assert.Equal(2, tier.PlaceStriped(null, HotTierFixture.Content(1), 0).Width);
    }

    [Fact]
    public async Task Fewer_targets_than_copies_is_NoSpace_with_every_target_named()
    {
        await using HotTierFixture fixture = new(2) { CopyCount = 2 };
        HotTier tier = await fixture.OpenAsync();
        tier.SetDraining(0, draining: true);
        DataLayerException fault = Assert.Throws<DataLayerException>(() =>
            tier.PlaceStriped(null, HotTierFixture.Content(1), 0));
        Assert.Equal(ErrorCode.NoSpace, fault.Code);
        Assert.All(fixture.Directories, directory => Assert.Contains(directory, fault.Message,
            StringComparison.Ordinal));
    }

    [Fact]
    public async Task All_option_errors_are_told_at_once()
    {
        HotTierOptions options = new()
        {
            Pools =
            [
                new PoolOptions { Name = "bad name", Directories = ["relative"], Width = 0, UnitBytes = 100_000,
                    CopyCount = 3, ReserveBytes = -1 },
                new PoolOptions { Name = "empty", Directories = [] },
            ],
            OpenFileCount = 1,
            SegmentBytes = 5,
        };
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(async () =>
            await HotTier.OpenAsync(options, TimeProvider.System, NullLogger<HotTier>.Instance, default));
        Assert.Equal(ErrorCode.InvalidArgument, fault.Code);
        foreach (string part in new[] { "letters", "relative", "width", "power of "
            + "two", "copyCount", "reserveBytes", "empty.directories", "defaultPool", "openFileCount", "segmentBytes" })
        {
            Assert.Contains(part, fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task An_unknown_pool_and_an_unknown_target_are_told()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        Assert.Contains("'gold'", Assert.Throws<DataLayerException>(() =>
            tier.PlaceStriped("gold", HotTierFixture.Content(1), 0)).Message,
            StringComparison.Ordinal);
        StripedPlacement placement = new("default", 65_536, 1, 1, ImmutableArray.Create(9));
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(HotTierFixture.Content(1), placement, 10, 0, new byte[10], default));
        Assert.Equal(ErrorCode.TargetFailed, fault.Code);
    }
}
