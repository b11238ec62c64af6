using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;

namespace DataLayer.Tests.Stripes;

/// <summary>Thousands of seeded operations over targets that fail: errors are allowed, wrong bytes never.</summary>
public sealed class FaultedHotTierTests
{
    private const int Size = 200_000;

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    [InlineData(4, 2)]
    public async Task Reads_give_right_bytes_or_an_error(int seed, int copies)
    {
        List<FaultyTarget> targets = [];
        await using HotTierFixture fixture = new(3) { Width = 2, CopyCount = copies };
        fixture.Decorate = target =>
        {
            FaultyTarget faulty = new(target, seed + target.Number);
            targets.Add(faulty);
            return faulty;
        };
        HotTier tier = await fixture.OpenAsync();
        Random random = new(seed);
        ContentId content = HotTierFixture.Content(seed);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        PossibleBytes model = new(HotTierFixture.RandomBytes(seed, Size));
        await tier.WriteAsync(content, placement, 0, model.Latest, default);
        targets.ForEach(target => target.IsOn = true);
        int errors = 0;
        for (int step = 0; step < 2_500; step++)
        {
            int offset = random.Next(Size);
            byte[] bytes = new byte[1 + random.Next(Math.Min(Size - offset, 30_000))];
            bool succeeds;
            if (random.Next(3) == 0)
            {
                random.NextBytes(bytes);
                succeeds = await SucceedsAsync(() => tier.WriteAsync(content, placement, offset, bytes, default));
                model.Write(offset, bytes, succeeds);
            }
            else if (random.Next(10) == 0)
            {
                succeeds = await SucceedsAsync(() => tier.FlushAsync(content, placement, default));
            }
            else
            {
                succeeds = await SucceedsAsync(() => tier.ReadAsync(content, placement, Size, offset, bytes, default));
                Assert.True(!succeeds || model.IsPossible(offset, bytes), $"seed {seed}, step {step}: wrong bytes");
            }

            errors += succeeds ? 0 : 1;
        }

        Assert.True(targets.Sum(target => target.FaultCount) > 250);
        Assert.True(errors > 20);
        targets.ForEach(target => target.IsOn = false);
        byte[] last = HotTierFixture.RandomBytes(99, Size);
        await tier.WriteAsync(content, placement, 0, last, default);
        await tier.FlushAsync(content, placement, default);
        ScrubResult scrub = await tier.ScrubAsync(content, placement, Size, default);
        Assert.Empty(scrub.BadRanges);
        Assert.Equal(0, scrub.RepairedChunks);
        byte[] all = new byte[Size];
        await tier.ReadAsync(content, placement, Size, 0, all, default);
        Assert.Equal(last, all);
    }

    [Theory]
    [InlineData(5, 1)]
    [InlineData(6, 2)]
    public async Task Records_give_right_bytes_or_an_error_and_flushed_ones_stay(int seed, int copies)
    {
        List<FaultyTarget> targets = [];
        await using HotTierFixture fixture = new(3) { CopyCount = copies };
        fixture.Decorate = target =>
        {
            FaultyTarget faulty = new(target, seed + target.Number) { Rate = 0.15, IsOn = true };
            targets.Add(faulty);
            return faulty;
        };
        HotTier tier = await fixture.OpenAsync();
        Random random = new(seed);
        List<(ContentId Content, SegmentPlacement Placement, byte[] Bytes)> flushed = [];
        int inode = 0;
        for (int step = 0; step < 1_200; step++)
        {
            if (random.Next(3) == 0 || flushed.Count == 0)
            {
                ContentId content = HotTierFixture.Content(++inode);
                byte[] bytes = HotTierFixture.RandomBytes(inode, random.Next(20_000));
                SegmentPlacement? placement = null;
                if (await SucceedsAsync(async () => placement = await tier.AppendSmallAsync(content, null, bytes, default))
                    && await SucceedsAsync(() => tier.FlushAsync(content, placement!, default)))
                {
                    flushed.Add((content, placement!, bytes));
                }
            }
            else
            {
                int which = random.Next(flushed.Count);
                (ContentId content, SegmentPlacement placement, byte[] bytes) = flushed[which];
                if (random.Next(6) == 0)
                {
                    await tier.DeleteAsync(content, placement, default);
                    flushed.RemoveAt(which);
                    continue;
                }

                byte[] read = new byte[bytes.Length];
                if (await SucceedsAsync(() => tier.ReadAsync(content, placement, read.Length, 0, read, default)))
                {
                    Assert.True(read.AsSpan().SequenceEqual(bytes), $"seed {seed}, step {step}");
                }
            }
        }

        Assert.True(targets.Sum(target => target.FaultCount) > 150);
        targets.ForEach(target => target.IsOn = false);
        foreach ((ContentId content, SegmentPlacement placement, byte[] bytes) in flushed)
        {
            byte[] read = new byte[bytes.Length];
            await tier.ReadAsync(content, placement, read.Length, 0, read, default);
            Assert.Equal(bytes, read);
        }
    }

    private static async Task<bool> SucceedsAsync(Func<ValueTask> run)
    {
        try
        {
            await run();
            return true;
        }
        catch (DataLayerException fault)
        {
            Assert.NotEqual(ErrorCode.Internal, fault.Code);
            return false;
        }
    }

    /// <summary>
    /// What each byte may be: as last written for certain, or as a failed write left it. After a second failure any.
    /// </summary>
    private sealed class PossibleBytes(byte[] bytes)
    {
        private readonly byte[] _other = (byte[])bytes.Clone();
        private readonly bool[] _isAny = new bool[bytes.Length];

        public byte[] Latest => bytes;

        public void Write(int offset, byte[] written, bool isCertain)
        {
            for (int i = 0; i < written.Length; i++)
            {
                int at = offset + i;
                _isAny[at] = !isCertain && (_isAny[at] || _other[at] != bytes[at]);
                _other[at] = written[i];
                bytes[at] = isCertain ? written[i] : bytes[at];
            }
        }

        public bool IsPossible(int offset, byte[] read)
        {
            if (read.AsSpan().SequenceEqual(bytes.AsSpan(offset, read.Length)))
            {
                return true;
            }

            for (int i = 0; i < read.Length; i++)
            {
                int at = offset + i;
                if (!_isAny[at] && read[i] != bytes[at] && read[i] != _other[at])
                {
                    return false;
                }
            }

            return true;
        }
    }
}
