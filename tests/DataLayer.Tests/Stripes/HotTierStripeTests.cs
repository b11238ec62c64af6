using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;

namespace DataLayer.Tests.Stripes;

public sealed class HotTierStripeTests
{
    [Fact]
    public async Task Width_1_backing_file_is_the_file_byte_for_byte()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        byte[] bytes = HotTierFixture.RandomBytes(1, 300_001);
        ContentId content = HotTierFixture.Content(7);
        StripedPlacement placement = tier.PlaceStriped(null, content, bytes.Length);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        await tier.FlushAsync(content, placement, default);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(Assert.Single(fixture.BackingFiles())));
    }

    [Fact]
    public async Task Width_3_reads_back_across_units_at_any_offset()
    {
        await using HotTierFixture fixture = new(3) { Width = 3 };
        HotTier tier = await fixture.OpenAsync();
        byte[] bytes = HotTierFixture.RandomBytes(2, 1_500_000);
        ContentId content = HotTierFixture.Content(9);
        StripedPlacement placement = tier.PlaceStriped(null, content, bytes.Length);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        foreach ((int offset, int length) in new[] { (0, 1_500_000), (1, 1), (65_535, 2), (65_536, 65_536),
            (100_000, 999_999), (1_499_999, 1) })
        {
            byte[] read = new byte[length];
            await tier.ReadAsync(content, placement, bytes.Length, offset, read, default);
            Assert.True(read.AsSpan().SequenceEqual(bytes.AsSpan(offset, length)), $"{offset} + {length}");
        }

        Assert.Equal(3, fixture.BackingFiles().Count);
    }

    [Fact]
    public async Task A_gap_reads_as_zeros()
    {
        await using HotTierFixture fixture = new(2) { Width = 2 };
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(3);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        await tier.WriteAsync(content, placement, 1_000_000, new byte[] { 1, 2, 3 }, default);
        byte[] read = new byte[1_000_003];
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.True(read.AsSpan(0, 1_000_000).IndexOfAnyExcept((byte)0) < 0);
        Assert.Equal([1, 2, 3], read[1_000_000..]);
    }

    [Fact]
    public async Task Reading_a_content_that_is_not_there_is_NotFound()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(3);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(content, placement, 10, 0, new byte[10], default));
        Assert.Equal(ErrorCode.NotFound, fault.Code);
    }

    [Fact]
    public async Task Deleting_gives_all_files_back_and_may_be_repeated()
    {
        await using HotTierFixture fixture = new(2) { Width = 2, CopyCount = 2 };
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(3);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        await tier.WriteAsync(content, placement, 0, new byte[200_000], default);
        Assert.Equal(4, fixture.BackingFiles().Count);
        await tier.DeleteAsync(content, placement, default);
        await tier.DeleteAsync(content, placement, default);
        Assert.Empty(fixture.BackingFiles());
    }

    [Theory]
    [InlineData(1, 1, 1, false)]
    [InlineData(1, 1, 2, true)]
    [InlineData(3, 3, 3, false)]
    [InlineData(3, 2, 4, true)]
    public async Task Behaves_like_a_byte_array(int targets, int width, int seed, bool twoCopies)
    {
        await using HotTierFixture fixture = new(Math.Max(targets, twoCopies ? 2 : 1))
        {
            Width = width,
            CopyCount = twoCopies ? 2 : 1,
            OpenFileCount = 16,
        };
        HotTier tier = await fixture.OpenAsync();
        Random random = new(seed);
        byte[] model = new byte[2 << 20];
        int size = 0;
        ContentId content = HotTierFixture.Content(seed);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        for (int step = 0; step < 150; step++)
        {
            switch (random.Next(size == 0 ? 2 : 8))
            {
                case 0 or 1 or 2 or 3:
                    int offset = random.Next(4) == 0 ? size : random.Next(model.Length - 1);
                    offset = random.Next(3) == 0 ? offset & ~0xFFFF : offset;
                    int length = Math.Min(1 + random.Next(random.Next(2) == 0 ? 5_000 : 300_000),
                        model.Length - offset);
                    if (length <= 0)
                    {
                        continue;
                    }

                    byte[] bytes = HotTierFixture.RandomBytes(random.Next(), length);
                    await tier.WriteAsync(content, placement, offset, bytes, default);
                    bytes.CopyTo(model, offset);
                    size = Math.Max(size, offset + length);
                    break;
                case 4:
                    int cut = random.Next(size + 1);
                    await tier.TruncateAsync(content, placement, cut, default);
                    model.AsSpan(cut).Clear();
                    size = random.Next(2) == 0 ? cut : size;
                    break;
                case 5:
                    await tier.FlushAsync(content, placement, default);
                    break;
                case 6 when random.Next(5) == 0:
                    tier = random.Next(2) == 0 ? await fixture.ReopenAsync() : await fixture.KillAndOpenAsync();
                    break;
                default:
                    int from = random.Next(size);
                    byte[] read = new byte[1 + random.Next(size - from)];
                    await tier.ReadAsync(content, placement, size, from, read, default);
                    Assert.True(read.AsSpan().SequenceEqual(model.AsSpan(from, read.Length)),
                        $"seed {seed}, step {step}, {from} + {read.Length}");
                    break;
            }
        }

        if (size > 0)
        {
            byte[] all = new byte[size];
            await tier.ReadAsync(content, placement, size, 0, all, default);
            Assert.True(all.AsSpan().SequenceEqual(model.AsSpan(0, size)), $"seed {seed}, end");
        }
    }
}
