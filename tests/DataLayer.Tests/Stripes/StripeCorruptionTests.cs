using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;

namespace DataLayer.Tests.Stripes;

/// <summary>Every kind of damage on disk, with one copy and with two: never wrong bytes, and with two copies never an
/// error.</summary>
public sealed class StripeCorruptionTests
{
    private const int Size = (5 * 65_536) + 1_000;

    public static TheoryData<string, int> Damages()
    {
        TheoryData<string, int> all = [];
        foreach (string damage in new[]
        {
            "flip-bit", "zero-page", "truncate", "swap-chunks", "misdirected-chunk", "stale-chunk", "delete-data",
            "side-flip-entry", "side-flip-half",
            "side-zero-page",
            "side-truncate", "side-empty", "side-head", "side-of-another", "side-delete",
        })
        {
            all.Add(damage, 1);
            all.Add(damage, 2);
        }

        return all;
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task Damage_is_an_error_with_one_copy_and_is_healed_with_two(string damage, int copies)
    {
        await using HotTierFixture fixture = new(copies) { CopyCount = copies };
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        ContentId other = HotTierFixture.Content(2);
        byte[] bytes = HotTierFixture.RandomBytes(1, Size);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        await tier.WriteAsync(content, placement, 0, HotTierFixture.RandomBytes(9, Size), default);
        await tier.FlushAsync(content, placement, default);
        string victim = fixture.BackingFiles().Single(path =>
            path.StartsWith(fixture.Directories[placement.TargetOf(0, 0)], StringComparison.Ordinal));
        byte[] stale = await File.ReadAllBytesAsync(victim);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        await tier.FlushAsync(content, placement, default);
        await tier.WriteAsync(other, tier.PlaceStriped(null, other, 0), 0, HotTierFixture.RandomBytes(2, Size),
            default);
        await tier.DisposeAsync();
        string foreign = fixture.BackingFiles().First(path => path != victim
            && path.Contains("0000000000000002.", StringComparison.Ordinal));
        bool isHarmless = Damage(damage, victim, foreign, stale);

        tier = await fixture.OpenAsync();
        byte[] read = new byte[Size];
        if (copies == 1)
        {
            // A damaged head, or one of an entry's two checksums, loses nothing: the other says what is right.
            if (isHarmless)
            {
                await tier.ReadAsync(content, placement, Size, 0, read, default);
                Assert.Equal(bytes, read);
                return;
            }

            DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
                async () => await tier.ReadAsync(content, placement, Size, 0, read, default));
            Assert.Equal(ErrorCode.Corrupt, fault.Code);
            Assert.Contains(fixture.Directories[0], fault.Message, StringComparison.Ordinal);
            ScrubResult bad = await tier.ScrubAsync(content, placement, Size, default);
            Assert.NotEmpty(bad.BadRanges);
            await AssertRestIsReadableAsync(tier, content, placement, bytes, bad);
            return;
        }

        for (int round = 0; round < 4; round++)
        {
            Array.Clear(read);
            await tier.ReadAsync(content, placement, Size, 0, read, default);
            Assert.True(read.AsSpan().SequenceEqual(bytes), $"round {round}");
        }

        ScrubResult first = await tier.ScrubAsync(content, placement, Size, default);
        Assert.Empty(first.BadRanges);
        tier = await fixture.ReopenAsync();
        ScrubResult second = await tier.ScrubAsync(content, placement, Size, default);
        Assert.Equal(0, second.RepairedChunks);
        Assert.Empty(second.BadRanges);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(victim));
    }

    [Fact]
    public async Task A_full_rewrite_heals_a_damaged_chunk_and_a_partial_one_is_refused()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        await tier.WriteAsync(content, placement, 0, HotTierFixture.RandomBytes(1, 131_072), default);
        await tier.DisposeAsync();
        Overwrite(fixture.BackingFiles()[0], 70_000, [1, 2, 3]);
        tier = await fixture.OpenAsync();
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.WriteAsync(content, placement, 66_000, new byte[10], default));
        Assert.Equal(ErrorCode.Corrupt, fault.Code);
        byte[] whole = HotTierFixture.RandomBytes(3, 65_536);
        await tier.WriteAsync(content, placement, 65_536, whole, default);
        byte[] read = new byte[65_536];
        await tier.ReadAsync(content, placement, 131_072, 65_536, read, default);
        Assert.Equal(whole, read);
    }

    [Fact]
    public async Task Scrub_makes_copies_alike_that_are_both_valid_but_differ()
    {
        await using HotTierFixture fixture = new(2) { CopyCount = 2 };
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        await tier.WriteAsync(content, placement, 0, HotTierFixture.RandomBytes(1, 65_536), default);
        await tier.FlushAsync(content, placement, default);
        await tier.DisposeAsync();
        string second = fixture.BackingFiles().Single(path =>
            path.StartsWith(fixture.Directories[placement.TargetOf(0, 1)], StringComparison.Ordinal));
        byte[] oldData = await File.ReadAllBytesAsync(second);
        byte[] oldSide = await File.ReadAllBytesAsync(second + ".sum");
        tier = await fixture.OpenAsync();
        byte[] bytes = HotTierFixture.RandomBytes(2, 65_536);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        await tier.FlushAsync(content, placement, default);
        await tier.DisposeAsync();
        await File.WriteAllBytesAsync(second, oldData);
        await File.WriteAllBytesAsync(second + ".sum", oldSide);
        tier = await fixture.OpenAsync();
        ScrubResult result = await tier.ScrubAsync(content, placement, 65_536, default);
        Assert.Equal(1, result.RepairedChunks);
        await tier.DisposeAsync();
        Assert.Equal(bytes, await File.ReadAllBytesAsync(second));
        tier = await fixture.OpenAsync();
    }

    [Theory]
    [InlineData("header", 1)]
    [InlineData("header", 2)]
    [InlineData("content", 1)]
    [InlineData("content", 2)]
    [InlineData("zero", 1)]
    [InlineData("zero", 2)]
    [InlineData("truncate", 1)]
    [InlineData("truncate", 2)]
    [InlineData("swap", 1)]
    [InlineData("swap", 2)]
    [InlineData("delete", 1)]
    [InlineData("delete", 2)]
    public async Task A_damaged_segment_is_an_error_with_one_copy_and_is_healed_with_two(string damage, int copies)
    {
        await using HotTierFixture fixture = new(copies) { CopyCount = copies };
        HotTier tier = await fixture.OpenAsync();
        List<(ContentId Content, SegmentPlacement Placement, byte[] Bytes)> all = [];
        for (int i = 0; i < 3; i++)
        {
            byte[] bytes = HotTierFixture.RandomBytes(i, 20_000);
            ContentId content = HotTierFixture.Content(i + 1);
            all.Add((content, await tier.AppendSmallAsync(content, null, bytes, default), bytes));
            await tier.FlushAsync(content, all[^1].Placement, default);
        }

        (ContentId id, SegmentPlacement placement, byte[] expected) = all[1];
        await tier.DisposeAsync();
        string file = Directory.GetFiles(Path.Combine(fixture.Directories[placement.Targets[0]], "segments"), "*.seg")
            .Single();
        DamageSegment(damage, file, placement, all[2].Placement);
        tier = await fixture.OpenAsync();
        byte[] read = new byte[20_000];
        if (copies == 1)
        {
            DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
                async () => await tier.ReadAsync(id, placement, read.Length, 0, read, default));
            Assert.Equal(damage == "delete" ? ErrorCode.NotFound : ErrorCode.Corrupt, fault.Code);
            ScrubResult bad = await tier.ScrubAsync(id, placement, read.Length, default);
            Assert.Equal([(0L, 20_000L)], bad.BadRanges);
            return;
        }

        foreach ((ContentId content, SegmentPlacement at, byte[] bytes) in all)
        {
            await tier.ReadAsync(content, at, read.Length, 0, read, default);
            Assert.Equal(bytes, read);
        }

        ScrubResult healed = await tier.ScrubAsync(id, placement, read.Length, default);
        Assert.Equal(0, healed.RepairedChunks);
        Assert.Empty(healed.BadRanges);
        byte[] record = (await File.ReadAllBytesAsync(file))[((int)placement.OffsetBytes + 48)..];
        Assert.Equal(expected, record[..20_000]);
    }

    private static async Task AssertRestIsReadableAsync(
        HotTier tier, ContentId content, StripedPlacement placement, byte[] bytes, ScrubResult bad)
    {
        for (int offset = 0; offset < Size; offset += 65_536)
        {
            int length = Math.Min(65_536, Size - offset);
            byte[] part = new byte[length];
            if (bad.BadRanges.Any(range => offset >= range.OffsetBytes && offset < range.OffsetBytes
                + range.LengthBytes))
            {
                await Assert.ThrowsAsync<DataLayerException>(async () => await tier.ReadAsync(content, placement, Size,
                    offset, part, default));
            }
            else
            {
                await tier.ReadAsync(content, placement, Size, offset, part, default);
                Assert.Equal(bytes[offset..(offset + length)], part);
            }
        }
    }

    /// <summary>Damages the victim; true if what is left is enough to verify everything.</summary>
    private static bool Damage(string damage, string victim, string foreign, byte[] stale)
    {
        string side = victim + ".sum";
        switch (damage)
        {
            case "flip-bit":
                byte[] all = File.ReadAllBytes(victim);
                Overwrite(victim, 100_000, [(byte)(all[100_000] ^ 4)]);
                break;
            case "zero-page":
                Overwrite(victim, 69_632, new byte[4096]);
                break;
            case "truncate":
                Truncate(victim, 200_000);
                break;
            case "swap-chunks":
                byte[] data = File.ReadAllBytes(victim);
                Overwrite(victim, 65_536, data[131_072..196_608]);
                Overwrite(victim, 131_072, data[65_536..131_072]);
                break;
            case "misdirected-chunk":
                Overwrite(victim, 65_536, File.ReadAllBytes(foreign)[65_536..131_072]);
                break;
            case "stale-chunk":
                Overwrite(victim, 65_536, stale[65_536..131_072]);
                break;
            case "delete-data":
                File.Delete(victim);
                break;
            case "side-flip-entry":
                byte[] entries = File.ReadAllBytes(side);
                Overwrite(side, 4096 + 33, [(byte)(entries[4096 + 33] ^ 1)]);
                Overwrite(side, 4096 + 37, [(byte)(entries[4096 + 37] ^ 1)]);
                break;
            case "side-flip-half":
                byte[] halves = File.ReadAllBytes(side);
                Overwrite(side, 4096 + 33, [(byte)(halves[4096 + 33] ^ 1)]);
                return true;
            case "side-zero-page":
                Overwrite(side, 4096, new byte[4096]);
                break;
            case "side-truncate":
                Truncate(side, 4096);
                break;
            case "side-empty":
                Truncate(side, 0);
                break;
            case "side-head":
                Overwrite(side, 0, new byte[4096]);
                return true;
            case "side-of-another":
                File.Copy(foreign + ".sum", side, overwrite: true);
                break;
            case "side-delete":
                File.Delete(side);
                break;
            default:
                throw new ArgumentException(damage, nameof(damage));
        }

        return false;
    }

    private static void DamageSegment(string damage, string file, SegmentPlacement placement, SegmentPlacement next)
    {
        byte[] all = File.ReadAllBytes(file);
        int start = (int)placement.OffsetBytes;
        switch (damage)
        {
            case "header":
                Overwrite(file, start + 9, [(byte)(all[start + 9] ^ 1)]);
                break;
            case "content":
                Overwrite(file, start + 10_000, [(byte)(all[start + 10_000] ^ 128)]);
                break;
            case "zero":
                Overwrite(file, start, new byte[20_048]);
                break;
            case "truncate":
                Truncate(file, start + 15_000);
                break;
            case "swap":
                int other = (int)next.OffsetBytes;
                Overwrite(file, start, all[other..(other + 20_048)]);
                Overwrite(file, other, all[start..(start + 20_048)]);
                break;
            case "delete":
                File.Delete(file);
                break;
            default:
                throw new ArgumentException(damage, nameof(damage));
        }
    }

    private static void Overwrite(string path, long offset, byte[] bytes)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Write);
        file.Position = offset;
        file.Write(bytes);
    }

    private static void Truncate(string path, long length)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Write);
        file.SetLength(length);
    }
}
