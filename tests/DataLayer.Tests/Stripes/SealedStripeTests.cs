using System.Security.Cryptography;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;
using DataLayer.Storage.Stripes.Sealing;

namespace DataLayer.Tests.Stripes;

/// <summary>Encrypted contents: nothing of them stands on the targets, and targets need no key for what they do by themselves.</summary>
public sealed class SealedStripeTests
{
    private const int Mebibyte = 1 << 20;
    private const long Key = 5;

    [Theory]
    [InlineData(1, 1, Mebibyte)]
    [InlineData(2, 1, 256 << 10)]
    [InlineData(3, 1, 64 << 10)]
    [InlineData(2, 2, Mebibyte)]
    public async Task Bytes_come_back_at_any_offset_and_stand_nowhere_on_the_targets(int width, int copies, int unit)
    {
        await using HotTierFixture fixture = new(width * copies) { Width = width, CopyCount = copies, UnitBytes = unit, KeyId = Key };
        HotTier tier = await fixture.OpenAsync();
        byte[] canary = Encoding.ASCII.GetBytes("canary-of-the-content-4711;");
        byte[] bytes = new byte[(3 * Mebibyte) + 12_345];
        for (int at = 0; at < bytes.Length; at++)
        {
            bytes[at] = canary[at % canary.Length];
        }

        (ContentId content, StripedPlacement placement) = await WriteAsync(tier, bytes);
        tier = await fixture.ReopenAsync();

        foreach ((int offset, int length) in new[]
        {
            (0, bytes.Length), (0, 1), (4_063, 2), (4_064, 4_064), (Mebibyte - 1, 2), (Mebibyte - 65, 200), (bytes.Length - 1, 1), (700_001, 2 * Mebibyte),
        })
        {
            byte[] read = new byte[length];
            await tier.ReadAsync(content, placement, bytes.Length, offset, read, default);
            Assert.True(read.AsSpan().SequenceEqual(bytes.AsSpan(offset, length)), $"{offset} + {length}");
        }

        foreach (string file in Directory.EnumerateFiles(fixture.Root, "*", SearchOption.AllDirectories))
        {
            Assert.Equal(-1, File.ReadAllBytes(file).AsSpan().IndexOf(canary.AsSpan(0, 12)));
        }

        Assert.Equal(Key, Assert.IsType<StripedPlacement>(PlacementText.Parse(placement.ToText())).KeyId);
        Assert.Equal(placement, PlacementText.Parse(placement.ToText()));
        Assert.Equal(("default", copies), PlacementText.ReadPool(placement.ToText()));
        Assert.Null(await tier.TryOpenBackingAsync(content, placement, default));
        long disk = fixture.BackingFiles().Sum(static path => new FileInfo(path).Length);
        Assert.InRange(disk, bytes.Length * copies, bytes.Length * copies * 1.07 + (width * copies * 70_000));
    }

    [Fact]
    public void A_page_opens_as_itself_only_and_no_bit_of_it_may_be_another()
    {
        ColumnId column = new(HotTierFixture.Content(7, 3), 2, 0);
        using AesGcm cipher = new(HotTierFixture.RandomBytes(1, 32), SealedPage.TagBytes);
        using AesGcm other = new(HotTierFixture.RandomBytes(2, 32), SealedPage.TagBytes);
        byte[] plain = HotTierFixture.RandomBytes(3, SealedPage.PlainBytes);
        byte[] made = new byte[SealedPage.Bytes];
        byte[] opened = new byte[SealedPage.PlainBytes];
        SealedPage.Seal(cipher, column, 9, HotTierFixture.RandomBytes(4, 12), plain, made);

        Assert.True(SealedPage.TryOpen(cipher, column, 9, made, opened));
        Assert.Equal(plain, opened);
        Assert.True(SealedPage.TryOpen(cipher, column with { Copy = 1 }, 9, made, opened));
        Assert.False(SealedPage.TryOpen(cipher, column, 10, made, opened));
        Assert.False(SealedPage.TryOpen(cipher, column with { Column = 1 }, 9, made, opened));
        Assert.False(SealedPage.TryOpen(cipher, column with { Content = HotTierFixture.Content(7, 4) }, 9, made, opened));
        Assert.False(SealedPage.TryOpen(cipher, column with { Content = HotTierFixture.Content(8, 3) }, 9, made, opened));
        Assert.False(SealedPage.TryOpen(other, column, 9, made, opened));
        for (int bit = 0; bit < SealedPage.Bytes * 8; bit += bit < 300 ? 1 : 509)
        {
            made[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(SealedPage.TryOpen(cipher, column, 9, made, opened), $"bit {bit}");
            made[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Pages_and_bytes_of_a_column_map_onto_each_other()
    {
        for (long offset = 0; offset < 3L * Mebibyte; offset += 997)
        {
            long page = SealedPage.PageOf(offset);
            Assert.InRange(offset - SealedPage.PlainStart(page), 0, SealedPage.PlainLength(page) - 1);
            Assert.Equal(SealedPage.PlainStart(page), SealedPage.ToColumn(SealedPage.FileStart(page)));
            Assert.Equal(0, SealedPage.FileStart(page) % SealedPage.Bytes);
            Assert.Equal(SealedPage.FileStart(page) + SealedPage.Bytes, SealedPage.FileLength(offset + 1));
        }

        Assert.Equal(0, SealedPage.FileLength(0));
        Assert.Equal(SealedPage.CellFileBytes, SealedPage.FileStart(SealedPage.PageOf(Mebibyte)));
        Assert.Equal(Mebibyte, SealedPage.ToColumn(SealedPage.CellFileBytes - 1));
    }

    [Fact]
    public async Task The_same_bytes_written_again_are_other_bytes_on_the_disk()
    {
        await using HotTierFixture fixture = new() { KeyId = Key };
        HotTier tier = await fixture.OpenAsync();
        HashSet<string> nonces = [];
        ContentId content = HotTierFixture.Content(1);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0, Key);
        for (int turn = 0; turn < 50; turn++)
        {
            await tier.WriteAsync(content, placement, 0, new byte[3 * SealedPage.PlainBytes], default);
            byte[] file = await File.ReadAllBytesAsync(fixture.BackingFiles()[0]);
            for (int page = 0; page < 3; page++)
            {
                Assert.True(nonces.Add(Convert.ToHexString(file, (page * SealedPage.Bytes) + 4, SealedPage.NonceBytes)));
            }
        }
    }

    [Fact]
    public async Task A_page_that_was_torn_is_damage_and_comes_from_the_other_copy()
    {
        foreach (int copies in new[] { 1, 2 })
        {
            await using HotTierFixture fixture = new(copies) { CopyCount = copies, KeyId = Key };
            HotTier tier = await fixture.OpenAsync();
            byte[] bytes = HotTierFixture.RandomBytes(1, 150_000);
            (ContentId content, StripedPlacement placement) = await WriteAsync(tier, bytes);
            string file = fixture.BackingFiles()[0];
            byte[] before = await File.ReadAllBytesAsync(file);
            byte[] entries = (await File.ReadAllBytesAsync(file + ".sum"))[4_096..8_192];
            byte[] patch = HotTierFixture.RandomBytes(2, 9_000);
            await tier.WriteAsync(content, placement, 10_000, patch, default);

            // A power cut on a device that writes half a page; the marks of the overwrite are durable.
            Patch(file, 3 * SealedPage.Bytes, before.AsSpan(3 * SealedPage.Bytes, 512));
            Patch(file + ".sum", 4_096, entries);
            tier = await fixture.KillAndOpenAsync();
            byte[] read = new byte[bytes.Length];
            if (copies == 1)
            {
                DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
                    async () => await tier.ReadAsync(content, placement, read.Length, 0, read, default));
                Assert.Equal(ErrorCode.Corrupt, fault.Code);
                ScrubResult scrub = await tier.ScrubAsync(content, placement, read.Length, default);
                (long from, long length) = Assert.Single(scrub.BadRanges);
                Assert.True(from <= 3 * SealedPage.PlainBytes && from + length >= 4 * SealedPage.PlainBytes);

                // What is around it reads on, and a rewrite of the whole page makes it whole.
                await tier.ReadAsync(content, placement, read.Length, 0, read.AsMemory(0, 8_000), default);
                await tier.WriteAsync(content, placement, 8_000, bytes.AsMemory(8_000, 20_000), default);
                await tier.ReadAsync(content, placement, read.Length, 0, read, default);
                Assert.Equal(bytes, read);
            }
            else
            {
                await tier.ReadAsync(content, placement, read.Length, 0, read, default);
                for (int i = 0; i < read.Length; i++)
                {
                    Assert.True(read[i] == bytes[i] || (i >= 10_000 && i < 19_000 && read[i] == patch[i - 10_000]), $"byte {i}");
                }

                Assert.Empty((await tier.ScrubAsync(content, placement, read.Length, default)).BadRanges);
            }
        }
    }

    [Fact]
    public async Task Cutting_punching_and_growing_leave_zeros_and_holes_are_found()
    {
        await using HotTierFixture fixture = new(2) { Width = 2, UnitBytes = Mebibyte, KeyId = Key };
        HotTier tier = await fixture.OpenAsync();
        byte[] bytes = HotTierFixture.RandomBytes(1, 4 * Mebibyte);
        (ContentId content, StripedPlacement placement) = await WriteAsync(tier, bytes);

        await tier.TruncateAsync(content, placement, (2 * Mebibyte) + 5_000, default);
        bytes.AsSpan((2 * Mebibyte) + 5_000).Clear();
        await tier.PunchAsync(content, placement, 128 << 10, 1_600 << 10, default);
        bytes.AsSpan(128 << 10, 1_600 << 10).Clear();
        await tier.WriteAsync(content, placement, (4 * Mebibyte) - 10, bytes.AsMemory(0, 10), default);
        bytes.AsSpan(0, 10).CopyTo(bytes.AsSpan((4 * Mebibyte) - 10));
        await tier.FlushAsync(content, placement, default);
        tier = await fixture.ReopenAsync();

        byte[] read = new byte[bytes.Length];
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.Equal(bytes.Length, read.AsSpan().CommonPrefixLength(bytes));
        long hole = await tier.SeekAsync(content, placement, 0, bytes.Length, hole: true, default);
        long data = await tier.SeekAsync(content, placement, hole, bytes.Length, hole: false, default);
        Assert.InRange(hole, 128 << 10, 400 << 10);
        Assert.InRange(data, 1_500 << 10, 1_728 << 10);
        long last = await tier.SeekAsync(content, placement, 3 * Mebibyte, bytes.Length, hole: false, default);
        Assert.InRange(last, (4 * Mebibyte) - (80 << 10), (4 * Mebibyte) - 10);
    }

    [Fact]
    public async Task Without_its_key_a_content_is_not_read_and_can_be_moved_scrubbed_and_deleted()
    {
        await using HotTierFixture fixture = new(3) { UnitBytes = Mebibyte, CopyCount = 2, KeyId = Key };
        HotTier tier = await fixture.OpenAsync();
        byte[] bytes = HotTierFixture.RandomBytes(1, (2 * Mebibyte) + 77);
        (ContentId content, StripedPlacement placement) = await WriteAsync(tier, bytes);
        tier.Keys.PutMissing(Key, "'/data' is encrypted and '/keys' holds no key of it.");
        byte[] read = new byte[bytes.Length];

        DataLayerException missing = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(content, placement, read.Length, 0, read, default));
        await Assert.ThrowsAsync<DataLayerException>(async () => await tier.WriteAsync(content, placement, 0, read, default));
        int from = placement.Targets[0];
        tier.SetDraining(from, true);
        StripedPlacement moved = (StripedPlacement)await tier.MoveAsync(content, placement, bytes.Length, from, default);
        await tier.DeleteMovedAsync(content, placement, moved, default);
        Assert.Empty((await tier.ScrubAsync(content, moved, bytes.Length, default)).BadRanges);
        Assert.Equal((ErrorCode.PermissionDenied, Key), (missing.Code, moved.KeyId));
        Assert.Contains("/keys", missing.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(from, moved.Targets);

        tier.Keys.Put(Key, HotTierFixture.RandomBytes(77, 32));
        await tier.ReadAsync(content, moved, read.Length, 0, read, default);
        Assert.Equal(bytes, read);

        // A lost copy is built from the other, also without the key. With another key nothing opens.
        tier.Keys.Put(Key, HotTierFixture.RandomBytes(78, 32));
        Assert.Equal(ErrorCode.Corrupt, (await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(content, moved, read.Length, 0, read, default))).Code);
        tier.Keys.Forget(Key);
        Assert.Contains("erased", (await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(content, moved, read.Length, 0, read, default))).Message, StringComparison.Ordinal);
        await tier.DeleteAsync(content, moved, default);
        Assert.Empty(fixture.BackingFiles());
    }

    [Fact]
    public async Task Writers_of_one_page_lose_nothing_of_each_other()
    {
        await using HotTierFixture fixture = new() { KeyId = Key };
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0, Key);
        byte[] bytes = HotTierFixture.RandomBytes(1, 64 * 100);
        await Parallel.ForAsync(0, 100, async (index, stop) =>
            await tier.WriteAsync(content, placement, index * 64, bytes.AsMemory(index * 64, 64), stop));

        byte[] read = new byte[bytes.Length];
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.Equal(bytes, read);
    }

    private static async Task<(ContentId Content, StripedPlacement Placement)> WriteAsync(HotTier tier, byte[] bytes)
    {
        ContentId content = HotTierFixture.Content(11);
        StripedPlacement placement = tier.PlaceStriped(null, content, bytes.Length, Key);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        await tier.FlushAsync(content, placement, default);
        return (content, placement);
    }

    private static void Patch(string file, long offset, ReadOnlySpan<byte> bytes)
    {
        using FileStream stream = new(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        stream.Position = offset;
        stream.Write(bytes);
    }
}
