using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;

namespace DataLayer.Tests.Stripes;

/// <summary>Data and holes of striped contents.</summary>
public sealed class StripeSeekTests
{
    private const int ChunkBytes = 64 << 10;
    private const int MaxBytes = 60 * ChunkBytes;

    [Theory]
    [InlineData(1, 1, 11)]
    [InlineData(3, 1, 12)]
    [InlineData(2, 2, 13)]
    public async Task Data_covers_every_byte_written_and_whole_chunks_never_written_are_holes(int width, int copies, int seed)
    {
        await using HotTierFixture fixture = new(width * copies) { Width = width, CopyCount = copies };
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(7);
        StripedPlacement placement = tier.PlaceStriped(null, content, MaxBytes);
        Random random = new(seed);
        bool[] written = new bool[MaxBytes];
        for (int step = 0; step < 60; step++)
        {
            int offset = random.Next(MaxBytes - 1);
            int length = random.Next(1, Math.Min(3 * ChunkBytes, MaxBytes - offset));
            if (step == 0 || random.Next(3) > 0)
            {
                await tier.WriteAsync(content, placement, offset, HotTierFixture.RandomBytes(step, length), default);
                written.AsSpan(offset, length).Fill(true);
            }
            else
            {
                int first = (offset + ChunkBytes - 1) / ChunkBytes * ChunkBytes;
                int end = Math.Max(first, (offset + length) / ChunkBytes * ChunkBytes);
                await tier.PunchAsync(content, placement, first, end - first, default);
                written.AsSpan(first, end - first).Clear();
            }

            tier = step switch
            {
                20 => await fixture.KillAndOpenAsync(),
                40 => await FlushAndReopenAsync(fixture, content, placement),
                _ => tier,
            };
            await CheckAsync(tier, content, placement, written, $"seed {seed}, step {step}");
        }
    }

    [Fact]
    public async Task Lost_bytes_are_data_and_no_hole()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(7);
        StripedPlacement placement = tier.PlaceStriped(null, content, MaxBytes);
        await tier.WriteAsync(content, placement, 0, HotTierFixture.RandomBytes(1, 4 * ChunkBytes), default);
        await tier.FlushAsync(content, placement, default);
        await tier.DisposeAsync();
        using (FileStream file = File.OpenWrite(Assert.Single(fixture.BackingFiles())))
        {
            file.SetLength(0);
        }

        tier = await fixture.OpenAsync();
        Assert.Equal(ChunkBytes, await tier.SeekAsync(content, placement, ChunkBytes, 4 * ChunkBytes, hole: false, default));
        Assert.Equal(4 * ChunkBytes, await tier.SeekAsync(content, placement, 0, 4 * ChunkBytes, hole: true, default));
    }

    private static async Task<HotTier> FlushAndReopenAsync(HotTierFixture fixture, ContentId content, StripedPlacement placement)
    {
        await fixture.Tier.FlushAsync(content, placement, default);
        return await fixture.ReopenAsync();
    }

    private static async Task CheckAsync(HotTier tier, ContentId content, StripedPlacement placement, bool[] written, string context)
    {
        for (long at = 0; at < MaxBytes;)
        {
            long data = await tier.SeekAsync(content, placement, at, MaxBytes, hole: false, default);
            Assert.False(written.AsSpan((int)at, (int)(data - at)).Contains(true), $"{context}: a hole at {at} holds data");
            long hole = await tier.SeekAsync(content, placement, data, MaxBytes, hole: true, default);
            for (long chunk = (data + ChunkBytes - 1) / ChunkBytes; (chunk + 1) * ChunkBytes <= hole; chunk++)
            {
                Assert.True(written.AsSpan((int)(chunk * ChunkBytes), ChunkBytes).Contains(true), $"{context}: chunk {chunk} is no data");
            }

            Assert.True(hole > data || data == MaxBytes, context);
            at = hole;
        }
    }
}
