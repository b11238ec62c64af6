using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Processes;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.Tests.Stripes;

/// <summary>States of the files that a kill or a power cut can leave, built by hand and by cutting the power of a real
/// ext4.</summary>
public sealed class CrashStateTests
{
    private const int Chunk = 65_536;

    [Fact]
    public async Task A_half_done_overwrite_keeps_the_chunk_and_its_neighbours_readable()
    {
        await using HotTierFixture fixture = new();
        (ContentId content, StripedPlacement placement, byte[] bytes) = await WriteFlushedAsync(fixture, 3 * Chunk);
        string file = fixture.BackingFiles()[0];
        byte[] flushedEntries = ReadEntries(file);
        byte[] patch = HotTierFixture.RandomBytes(5, 8_192);
        await fixture.Tier.WriteAsync(content, placement, Chunk + 4_096, patch, default);

        // Power cut: of the data only the first half reached the disk, of the side file only the marks, which were made
        // durable before.
        Patch(file, Chunk + 4_096 + 4_096, bytes.AsSpan(Chunk + 8_192, 4_096));
        Patch(file + ".sum", 4_096, flushedEntries);
        HotTier tier = await fixture.KillAndOpenAsync();
        byte[] read = new byte[3 * Chunk];
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        byte[] expected = (byte[])bytes.Clone();
        patch.AsSpan(0, 4_096).CopyTo(expected.AsSpan(Chunk + 4_096));
        Assert.Equal(expected, read);

        // The recovery is over: damage after it is damage.
        await tier.DisposeAsync();
        Patch(file, Chunk, [(byte)(expected[Chunk] ^ 1)]);
        tier = await fixture.OpenAsync();
        await Assert.ThrowsAsync<DataLayerException>(async () => await tier.ReadAsync(content, placement, read.Length,
            0, read, default));
    }

    [Fact]
    public async Task Without_its_marks_the_same_state_would_be_damage()
    {
        await using HotTierFixture fixture = new();
        (ContentId content, StripedPlacement placement, byte[] bytes) = await WriteFlushedAsync(fixture, 2 * Chunk);
        string file = fixture.BackingFiles()[0];
        byte[] flushed = await File.ReadAllBytesAsync(file + ".sum");
        await fixture.Tier.WriteAsync(content, placement, 4_096, new byte[8_192], default);
        await fixture.Tier.DisposeAsync();
        Patch(file, 8_192, bytes.AsSpan(8_192, 4_096));
        await File.WriteAllBytesAsync(file + ".sum", flushed);
        HotTier tier = await fixture.OpenAsync();
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(content, placement, 2 * Chunk, 0, new byte[Chunk], default));
        Assert.Equal(ErrorCode.Corrupt, fault.Code);
    }

    [Fact]
    public async Task A_lost_append_leaves_the_flushed_prefix()
    {
        await using HotTierFixture fixture = new();
        (ContentId content, StripedPlacement placement, byte[] bytes) = await WriteFlushedAsync(fixture, 40_000);
        string file = fixture.BackingFiles()[0];
        await fixture.Tier.WriteAsync(content, placement, 40_000, HotTierFixture.RandomBytes(3, 10_000), default);

        // The entry of the append reached the disk, its data did not.
        Patch(file, 40_000, new byte[10_000]);
        HotTier tier = await fixture.KillAndOpenAsync();
        byte[] read = new byte[50_000];
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.Equal(bytes, read[..40_000]);
        Assert.True(read.AsSpan(40_000).IndexOfAnyExcept((byte)0) < 0);
    }

    [Fact]
    public async Task An_append_whose_entry_was_lost_is_not_seen_and_can_be_written_again()
    {
        await using HotTierFixture fixture = new();
        (ContentId content, StripedPlacement placement, byte[] bytes) = await WriteFlushedAsync(fixture, 40_000);
        string file = fixture.BackingFiles()[0];
        byte[] flushedEntries = ReadEntries(file);
        await fixture.Tier.WriteAsync(content, placement, 40_000, HotTierFixture.RandomBytes(3, 10_000), default);
        Patch(file + ".sum", 4_096, flushedEntries);
        HotTier tier = await fixture.KillAndOpenAsync();
        await tier.WriteAsync(content, placement, 45_000, new byte[] { 9 }, default);
        byte[] read = new byte[45_001];
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.Equal([.. bytes, .. new byte[5_000], 9], read);
        Assert.Equal(read, (await File.ReadAllBytesAsync(file))[..45_001]);
    }

    [Fact]
    public async Task A_killed_process_loses_nothing_it_wrote_even_unflushed()
    {
        await using HotTierFixture fixture = new(2) { Width = 2 };
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        byte[] bytes = HotTierFixture.RandomBytes(1, 500_000);
        for (int offset = 0; offset < bytes.Length; offset += 7_000)
        {
            await tier.WriteAsync(content, placement, offset, bytes.AsMemory(
                offset, Math.Min(7_000, bytes.Length - offset)), default);
        }

        tier = await fixture.KillAndOpenAsync();
        byte[] read = new byte[bytes.Length];
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.Equal(bytes, read);
        await tier.FlushAsync(content, placement, default);
        tier = await fixture.ReopenAsync();
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("stripes-load", 0)]
    [InlineData("sealed-load", 9)]
    public async Task A_kill_in_an_overwrite_of_unflushed_bytes_loses_nothing_beside_it(string load, long key)
    {
        const int Length = 131_072;
        const int Edge = 20_000; // As StripesLoad has them.
        for (int round = 1; round <= 8; round++)
        {
            await using HotTierFixture fixture = new() { KeyId = key };
            await KilledLoad.RunAsync(load, fixture.Directories[0], round, 200 + (37 * round));
            HotTier tier = await fixture.OpenAsync();
            ContentId content = HotTierFixture.Content(round);
            StripedPlacement placement = tier.PlaceStriped(null, content, Length, key);
            byte[] read = new byte[Length];
            await tier.ReadAsync(content, placement, Length, 0, read, default);
            Assert.Equal(-1, read.AsSpan(0, Edge).IndexOfAnyExcept((byte)1));
            Assert.Equal(-1, read.AsSpan(Length - Edge).IndexOfAnyExcept((byte)1));
            Assert.False(read.Contains((byte)0), $"round {round}: a byte that was written reads as zero");

            // And so it stays: after a write beside it, a flush and a clean stop.
            await tier.WriteAsync(content, placement, Edge, new byte[] { 7 }, default);
            await tier.FlushAsync(content, placement, default);
            tier = await fixture.ReopenAsync();
            byte[] again = new byte[Length];
            await tier.ReadAsync(content, placement, Length, 0, again, default);
            read[Edge] = 7;
            Assert.Equal(read, again);
        }
    }

    [Fact]
    public async Task A_mark_of_an_overwrite_whose_data_was_lost_leaves_the_flushed_prefix()
    {
        await using HotTierFixture fixture = new();
        (ContentId content, StripedPlacement placement, byte[] bytes) = await WriteFlushedAsync(fixture, 40_000);
        string file = fixture.BackingFiles()[0];
        await fixture.Tier.WriteAsync(content, placement, 40_000, HotTierFixture.RandomBytes(3, 10_000), default);

        // Power cut in an overwrite of the append: its mark reached the disk, none of the data did.
        byte[] length = File.ReadAllBytes(file + ".sum")[(4_096 + 8)..(4_096 + 12)];
        length[3] |= 0x80;
        Patch(file + ".sum", 4_096 + 8, length);
        using (FileStream cut = new(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            cut.SetLength(40_000);
        }

        HotTier tier = await fixture.KillAndOpenAsync();
        byte[] read = new byte[50_000];
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.Equal([.. bytes, .. new byte[10_000]], read);
    }

    [Fact]
    public async Task A_mark_of_an_overwrite_does_not_excuse_damage_of_flushed_bytes()
    {
        await using HotTierFixture fixture = new();
        (ContentId content, StripedPlacement placement, byte[] bytes) = await WriteFlushedAsync(fixture, 40_000);
        string file = fixture.BackingFiles()[0];
        await fixture.Tier.WriteAsync(content, placement, 40_000, HotTierFixture.RandomBytes(3, 10_000), default);
        byte[] length = File.ReadAllBytes(file + ".sum")[(4_096 + 8)..(4_096 + 12)];
        length[3] |= 0x80;
        Patch(file + ".sum", 4_096 + 8, length);
        Patch(file, 100, [(byte)(bytes[100] ^ 1)]);
        HotTier tier = await fixture.KillAndOpenAsync();
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(content, placement, 50_000, 0, new byte[50_000], default));
        Assert.Equal(ErrorCode.Corrupt, fault.Code);
    }

    [Fact]
    public async Task New_chunks_and_appends_pay_for_no_marks_and_overwrites_do()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        await tier.WriteAsync(content, placement, 0, new byte[100_000], default);
        await tier.WriteAsync(content, placement, 50_000, new byte[1_000], default);
        await tier.FlushAsync(content, placement, default);
        await tier.WriteAsync(content, placement, 100_000, new byte[100_000], default);
        string side = fixture.BackingFiles()[0] + ".sum";
        Assert.False(HasMarks(side));
        await tier.WriteAsync(content, placement, 99_999, new byte[1], default);
        Assert.True(HasMarks(side));
        await tier.FlushAsync(content, placement, default);
        await tier.DisposeAsync();
        Assert.False(HasMarks(side));
        await fixture.OpenAsync();
    }

    [Fact]
    public async Task Copies_are_alike_after_a_crash_between_their_overwrites()
    {
        await using HotTierFixture fixture = new(2) { CopyCount = 2 };
        (ContentId content, StripedPlacement placement, byte[] bytes) = await WriteFlushedAsync(fixture, 2 * Chunk);
        List<string> files = fixture.BackingFiles();
        byte[] before = await File.ReadAllBytesAsync(files[1]);
        byte[] flushedEntries = ReadEntries(files[1]);
        byte[] patch = HotTierFixture.RandomBytes(8, 100);
        await fixture.Tier.WriteAsync(content, placement, 1_000, patch, default);
        Patch(files[1], 0, before);
        Patch(files[1] + ".sum", 4_096, flushedEntries);
        HotTier tier = await fixture.KillAndOpenAsync();
        byte[] first = new byte[2 * Chunk];
        await tier.ReadAsync(content, placement, first.Length, 0, first, default);
        await tier.DisposeAsync();
        Assert.Equal(first, await File.ReadAllBytesAsync(files[0]));
        Assert.Equal(first, await File.ReadAllBytesAsync(files[1]));
        patch.CopyTo(bytes, 1_000);
        Assert.True(first.AsSpan().SequenceEqual(bytes) || first.AsSpan().SequenceEqual(before));
        await fixture.OpenAsync();
    }

    [Fact]
    public async Task A_torn_head_is_read_from_its_other_half()
    {
        await using HotTierFixture fixture = new();
        (ContentId content, StripedPlacement placement, byte[] bytes) = await WriteFlushedAsync(fixture, Chunk);
        await fixture.Tier.DisposeAsync();
        Patch(fixture.BackingFiles()[0] + ".sum", 0, new byte[512]);
        HotTier tier = await fixture.OpenAsync();
        byte[] read = new byte[Chunk];
        await tier.ReadAsync(content, placement, Chunk, 0, read, default);
        Assert.Equal(bytes, read);
    }

    [Fact]
    public async Task A_torn_segment_tail_does_not_disturb_the_records_before_it()
    {
        await using HotTierFixture fixture = new();
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        byte[] bytes = HotTierFixture.RandomBytes(1, 5_000);
        SegmentPlacement placement = await tier.AppendSmallAsync(content, null, bytes, default);
        await tier.FlushAsync(content, placement, default);
        SegmentPlacement torn = await tier.AppendSmallAsync(HotTierFixture.Content(2), null, bytes, default);
        string file = Directory.GetFiles(Path.Combine(fixture.Directories[0], "segments"), "*.seg").Single();
        await using (FileStream stream = new(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            stream.SetLength(torn.OffsetBytes + 1_000);
        }

        tier = await fixture.KillAndOpenAsync();
        byte[] read = new byte[5_000];
        await tier.ReadAsync(content, placement, 5_000, 0, read, default);
        Assert.Equal(bytes, read);
        await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(HotTierFixture.Content(2), torn, 5_000, 0, read, default));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 0)]
    [InlineData(3, 0)]
    [InlineData(4, 9)]
    [InlineData(5, 9)]
    public async Task After_a_power_cut_every_flushed_byte_is_old_or_new_and_readable(int seed, long key)
    {
        using SmallFilesystem disk = SmallFilesystem.Ext4(64);
        Random random = new(seed);
        byte[] flushed = HotTierFixture.RandomBytes(seed, 12 * Chunk);
        byte[] latest = (byte[])flushed.Clone();
        ContentId content = HotTierFixture.Content(1);
        ContentId small = HotTierFixture.Content(2);
        HotTier tier = await OpenOnAsync(disk);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0, key);
        await tier.WriteAsync(content, placement, 0, flushed, default);
        await tier.FlushAsync(content, placement, default);
        SegmentPlacement record = await tier.AppendSmallAsync(small, null, flushed.AsMemory(0, 9_000), default);
        await tier.FlushAsync(small, record, default);
        for (int i = 0; i < 20; i++)
        {
            int offset = random.Next(flushed.Length - 10_000);
            byte[] patch = HotTierFixture.RandomBytes(random.Next(), 1 + random.Next(9_999));
            await tier.WriteAsync(content, placement, offset, patch, default);
            patch.CopyTo(latest, offset);
        }

        // Some of it reaches the disk, in any order; then the power goes.
        foreach (string path in Directory.EnumerateFiles(disk.Path, "*", SearchOption.AllDirectories).Where(_ =>
            random.Next(2) == 0))
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = Storage.Interop.DurableFile.Open(path, write: true);
            Storage.Interop.DurableFile.Flush(file, path);
        }

        disk.ShutDown();
        await tier.DisposeAsync();
        disk.Remount();
        tier = await OpenOnAsync(disk);
        byte[] read = new byte[flushed.Length];
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        for (int i = 0; i < read.Length; i++)
        {
            Assert.True(read[i] == flushed[i] || read[i] == latest[i], $"seed {seed}: byte {i} is neither old nor new");
        }

        byte[] again = new byte[9_000];
        await tier.ReadAsync(small, record, 9_000, 0, again, default);
        Assert.Equal(flushed[..9_000], again);
        ScrubResult scrub = await tier.ScrubAsync(content, placement, read.Length, default);
        Assert.Empty(scrub.BadRanges);
        await tier.DisposeAsync();
    }

    private static async Task<HotTier> OpenOnAsync(SmallFilesystem disk)
    {
        HotTier tier = await HotTier.OpenAsync(
            new HotTierOptions
            {
                Pools = [new PoolOptions { Name = "default", Directories = [Path.Combine(disk.Path, "target")], UnitBytes =
                Chunk, ReserveBytes = 0 }],
            }, TimeProvider.System, NullLogger<HotTier>.Instance, CancellationToken.None);
        tier.Keys.Put(9, HotTierFixture.RandomBytes(9, 32));
        return tier;
    }

    /// <summary>Every state a kill can leave while the files of a content are made, for one and for two columns.</summary>
    [Theory]
    [InlineData(1, 0, false, true)]
    [InlineData(1, 0, true, true)]
    [InlineData(2, 0, false, true)]
    [InlineData(2, 0, true, false)]
    [InlineData(2, 1, false, true)]
    [InlineData(2, 1, true, true)]
    public async Task A_content_whose_making_was_cut_short_can_be_written(int width, int whole, bool side, bool last)
    {
        await using HotTierFixture fixture = new(width) { Width = width };
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        StripedPlacement placement = tier.PlaceStriped(null, content, 64L << 20);
        await tier.TruncateAsync(content, placement, 0, default);
        List<string> files = fixture.BackingFiles();
        Assert.Equal(width, files.Count);

        // Columns before `whole` were made; of the next one there is a file without its side file, or with an empty one.
        for (int i = whole; i < width; i++)
        {
            bool cutHere = i == whole;
            File.Delete(files[i] + ".sum");
            if (!cutHere)
            {
                File.Delete(files[i]);
            }
            else if (side)
            {
                await File.WriteAllBytesAsync(files[i] + ".sum", []);
            }
        }

        tier = await fixture.KillAndOpenAsync();
        byte[] bytes = HotTierFixture.RandomBytes(4, 5 * Chunk);
        int length = last ? bytes.Length : Chunk;
        await tier.WriteAsync(content, placement, 0, bytes.AsMemory(0, length), default);
        await tier.WriteAsync(content, placement, length, bytes.AsMemory(length), default);
        await tier.FlushAsync(content, placement, default);
        tier = await fixture.ReopenAsync();
        byte[] read = new byte[bytes.Length];
        await tier.ReadAsync(content, placement, read.Length, 0, read, default);
        Assert.Equal(bytes, read);
    }

    [Fact]
    public async Task A_column_lost_after_a_flush_is_never_made_anew_though_the_rest_holds_no_byte()
    {
        await using HotTierFixture fixture = new(2) { Width = 2 };
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        StripedPlacement placement = tier.PlaceStriped(null, content, 64L << 20);
        byte[] bytes = HotTierFixture.RandomBytes(1, 1_000);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        await tier.FlushAsync(content, placement, default);
        Assert.Equal(2, fixture.BackingFiles().Count);
        string withData = Assert.Single(fixture.BackingFiles(), file => new FileInfo(file).Length > 0);
        File.Delete(withData);
        File.Delete(withData + ".sum");
        tier = await fixture.KillAndOpenAsync();
        await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.WriteAsync(content, placement, bytes.Length, new byte[10], default));
        await Assert.ThrowsAsync<DataLayerException>(
            async () => await tier.ReadAsync(content, placement, bytes.Length, 0, new byte[bytes.Length], default));
    }

    private static async Task<(ContentId Content, StripedPlacement Placement, byte[] Bytes)> WriteFlushedAsync(
        HotTierFixture fixture, int length)
    {
        HotTier tier = await fixture.OpenAsync();
        ContentId content = HotTierFixture.Content(1);
        StripedPlacement placement = tier.PlaceStriped(null, content, 0);
        byte[] bytes = HotTierFixture.RandomBytes(1, length);
        await tier.WriteAsync(content, placement, 0, bytes, default);
        await tier.FlushAsync(content, placement, default);
        return (content, placement, bytes);
    }

    private static byte[] ReadEntries(string file) => File.ReadAllBytes(file + ".sum")[4_096..8_192];

    private static bool HasMarks(string side) => File.ReadAllBytes(side)[192..320].Any(value => value != 0);

    private static void Patch(string path, long offset, ReadOnlySpan<byte> bytes)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        file.Position = offset;
        file.Write(bytes);
    }
}
