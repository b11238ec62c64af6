using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>truncate(2) and ftruncate(2).</summary>
internal sealed class TruncateChecks : PosixChecks
{
    [PosixCheck(0)]
    [PosixCheck(1)]
    [PosixCheck(4095)]
    [PosixCheck(4096)]
    [PosixCheck(65536)]
    [PosixCheck(65537)]
    [PosixCheck(150000)]
    public Action A_cut_keeps_what_lies_before_it(int length)
    {
        var bytes = Pattern(1, 200_000);
        Put("f", bytes);
        Ok(Sys.Truncate(P("f"), length));
        return () => Holds("f", bytes.AsSpan(0, length));
    }

    [PosixCheck(1)]
    [PosixCheck(4096)]
    [PosixCheck(65537)]
    [PosixCheck(150000)]
    public Action What_was_cut_off_does_not_come_back_with_growth(int length)
    {
        var bytes = Pattern(1, 200_000);
        Put("f", bytes);
        Ok(Sys.Truncate(P("f"), length));
        Ok(Sys.Truncate(P("f"), 200_000));
        byte[] wanted = [.. bytes[..length], .. new byte[200_000 - length]];
        return () => Holds("f", wanted);
    }

    [PosixCheck]
    public Action What_was_cut_off_does_not_come_back_with_a_write_beyond()
    {
        Put("f", Pattern(1, 10_000));
        using (var file = Open("f"))
        {
            file.Truncate(100);
            file.Write("x", 9_999);
            file.Close();
        }

        byte[] wanted = [.. Pattern(1, 100), .. new byte[9_899], (byte)'x'];
        return () => Holds("f", wanted);
    }

    [PosixCheck]
    public Action An_empty_file_grows_to_zeros()
    {
        Put("f");
        Ok(Sys.Truncate(P("f"), 123_456));
        return () => Holds("f", new byte[123_456]);
    }

    [PosixCheck]
    public void To_its_own_length_changes_no_byte()
    {
        Put("f", "text");
        Ok(Sys.Truncate(P("f"), 4));
        Assert.Equal("text", Text("f"));
    }

    [PosixCheck]
    public void A_negative_length_is_EINVAL()
    {
        using var file = Make("f");
        Fails(EINVAL, Sys.Truncate(P("f"), -1));
        Fails(EINVAL, Sys.Truncate(file.Number, -1));
    }

    [PosixCheck]
    public void The_largest_length_is_EFBIG_or_what_the_file_system_can_hold()
    {
        using var file = Make("f");
        var result = Sys.Truncate(file.Number, long.MaxValue);
        Assert.True(result is 0 or -(long)EFBIG, $"{(Errno)(-result)}");
        Assert.Equal(result == 0 ? long.MaxValue : 0, file.Size);
    }

    [PosixCheck]
    public void A_name_that_is_not_there_is_ENOENT() => Fails(ENOENT, Sys.Truncate(P("none"), 0));

    [PosixCheck]
    public void A_folder_is_EISDIR()
    {
        Mkdir("d");
        Fails(EISDIR, Sys.Truncate(P("d"), 0));
        using var folder = Open("d", OpenFlags.ReadOnly);
        Fails(EINVAL, Sys.Truncate(folder.Number, 0));
    }

    [PosixCheck]
    public void Through_a_symbolic_link_cuts_the_file()
    {
        Put("f", "text");
        Ok(Sys.Symlink("f", P("l")));
        Ok(Sys.Truncate(P("l"), 2));
        Assert.Equal("te", Text("f"));
    }

    [PosixCheck]
    public void A_reader_sees_the_cut_at_once()
    {
        using var reader = Make("f", "0123456789");
        reader.Read(10, 0);
        Ok(Sys.Truncate(P("f"), 4));
        Assert.Equal("0123"u8.ToArray(), reader.Read(10, 0));
    }

    [PosixCheck]
    public void The_position_of_a_descriptor_stays_beyond_a_cut()
    {
        using var file = Make("f", "0123456789");
        Ok(file.Seek(8, SeekFrom.Start));
        file.Truncate(2);
        file.Write("x");
        Assert.Equal("01\0\0\0\0\0\0x", file.Text());
    }

    [PosixCheck]
    public void A_cut_frees_the_space()
    {
        using var file = Make("f");
        file.Write(Pattern(1, 4 << 20), 0);
        Ok(Sys.Sync(file.Number));
        Assert.True(file.Status.Blocks * 512 >= 4 << 20);
        file.Truncate(0);
        Ok(Sys.Sync(file.Number));
        Assert.True(file.Status.Blocks * 512 <= 64 << 10, $"{file.Status.Blocks} blocks");
    }

    [PosixCheck]
    public void A_grown_file_takes_no_space_for_its_zeros()
    {
        using var file = Make("f");
        file.Truncate(1L << 30);
        Ok(Sys.Sync(file.Number));
        Assert.True(file.Status.Blocks * 512 <= 1 << 20, $"{file.Status.Blocks} blocks");
    }

    [PosixCheck(1L << 32)]
    [PosixCheck(1L << 42)]
    public Action A_file_grows_far(long length)
    {
        Put("f", "start");
        Ok(Sys.Truncate(P("f"), length));
        return () =>
        {
            using var file = Open("f", OpenFlags.ReadOnly);
            Assert.Equal(length, file.Size);
            Assert.Equal(new byte[10], file.Read(100, length - 10));
        };
    }

    [PosixCheck]
    public Action Cuts_and_growths_in_turn_leave_zeros_where_nothing_was_written()
    {
        using (var file = Make("f"))
        {
            for (var i = 1; i < 100; i++)
            {
                file.Write(Pattern(i, 5000), i * 100);
                file.Truncate(i * 50);
                file.Truncate(i * 1000);
            }

            file.Close();
        }

        return () =>
        {
            var found = Bytes("f");
            Assert.Equal(99_000, found.Length);
            Assert.Equal(-1, found.AsSpan(4950).IndexOfAnyExcept((byte)0));
        };
    }
}

/// <summary>fallocate(2), SEEK_DATA and SEEK_HOLE.</summary>
internal sealed class AllocateChecks : PosixChecks
{
    private const int Punch = AllocateMode.PunchHole | AllocateMode.KeepSize;

    [PosixCheck]
    public Action Allocating_beyond_the_end_grows_the_file_with_zeros()
    {
        using (var file = Make("f", "text"))
        {
            Ok(Sys.Allocate(file.Number, 0, 0, 100_000));
            Assert.Equal(100_000, file.Size);
        }

        byte[] wanted = [.. "text"u8, .. new byte[99_996]];
        return () => Holds("f", wanted);
    }

    [PosixCheck]
    public void Allocating_with_keep_size_keeps_the_size()
    {
        using var file = Make("f", "text");
        Ok(Sys.Allocate(file.Number, AllocateMode.KeepSize, 0, 100_000));
        Assert.Equal((4L, "text"), (file.Size, file.Text()));
    }

    [PosixCheck]
    public Action Allocating_changes_no_byte_that_is_there()
    {
        var bytes = Pattern(1, 100_000);
        Put("f", bytes);
        using (var file = Open("f"))
        {
            Ok(Sys.Allocate(file.Number, 0, 50_000, 10_000));
        }

        return () => Holds("f", bytes);
    }

    [PosixCheck]
    public void Allocated_space_can_be_written()
    {
        using var file = Make("f");
        Ok(Sys.Allocate(file.Number, 0, 0, 1 << 20));
        var bytes = Pattern(1, 1 << 20);
        file.Write(bytes, 0);
        Assert.Equal(bytes, file.Read(1 << 20, 0));
    }

    [PosixCheck(0, 4096)]
    [PosixCheck(4096, 8192)]
    [PosixCheck(100, 50)]
    [PosixCheck(4000, 100000)]
    [PosixCheck(65536, 65536)]
    [PosixCheck(190000, 10000)]
    [PosixCheck(190000, 100000)]
    public Action A_punched_hole_reads_as_zeros_and_the_rest_stays(int offset, int length)
    {
        var bytes = Pattern(1, 200_000);
        Put("f", bytes);
        using (var file = Open("f"))
        {
            Ok(Sys.Allocate(file.Number, Punch, offset, length));
            file.Close();
        }

        bytes.AsSpan(offset, Math.Min(length, bytes.Length - offset)).Clear();
        return () => Holds("f", bytes);
    }

    [PosixCheck]
    public void A_punched_hole_frees_space()
    {
        using var file = Make("f");
        file.Write(Pattern(1, 4 << 20), 0);
        Ok(Sys.Sync(file.Number));
        var before = file.Status.Blocks;
        Ok(Sys.Allocate(file.Number, Punch, 0, 4 << 20));
        Ok(Sys.Sync(file.Number));
        Assert.True(file.Status.Blocks < before / 2, $"{file.Status.Blocks} of {before} blocks left");
        Assert.Equal(4 << 20, file.Size);
    }

    [PosixCheck]
    public void Punching_without_keep_size_is_EOPNOTSUPP()
    {
        using var file = Make("f", "text");
        Fails(EOPNOTSUPP, Sys.Allocate(file.Number, AllocateMode.PunchHole, 0, 4));
    }

    [PosixCheck]
    public void A_hole_beyond_the_end_changes_nothing()
    {
        using var file = Make("f", "text");
        Ok(Sys.Allocate(file.Number, Punch, 100_000, 4096));
        Assert.Equal("text", file.Text());
    }

    [PosixCheck]
    public Action A_write_fills_a_hole_again()
    {
        var bytes = Pattern(1, 100_000);
        Put("f", bytes);
        using (var file = Open("f"))
        {
            Ok(Sys.Allocate(file.Number, Punch, 10_000, 50_000));
            file.Write(bytes.AsSpan(10_000, 50_000), 10_000);
            file.Close();
        }

        return () => Holds("f", bytes);
    }

    [PosixCheck(100, 50)]
    [PosixCheck(4000, 100000)]
    public Action A_zeroed_range_reads_as_zeros_and_the_rest_stays(int offset, int length)
    {
        var bytes = Pattern(1, 200_000);
        Put("f", bytes);
        using (var file = Open("f"))
        {
            Ok(Sys.Allocate(file.Number, AllocateMode.ZeroRange, offset, length));
            file.Close();
        }

        bytes.AsSpan(offset, length).Clear();
        return () => Holds("f", bytes);
    }

    [PosixCheck]
    public void Zeroing_beyond_the_end_grows_the_file_unless_it_is_to_keep_its_size()
    {
        using var file = Make("f", "text");
        Ok(Sys.Allocate(file.Number, AllocateMode.ZeroRange | AllocateMode.KeepSize, 2, 10_000));
        Assert.Equal("te\0\0", file.Text());
        Ok(Sys.Allocate(file.Number, AllocateMode.ZeroRange, 2, 10_000));
        Assert.Equal(10_002, file.Size);
    }

    [PosixCheck(-1, 10)]
    [PosixCheck(0, 0)]
    [PosixCheck(0, -1)]
    public void A_range_that_is_none_is_EINVAL(int offset, int length)
    {
        using var file = Make("f", "text");
        Fails(EINVAL, Sys.Allocate(file.Number, 0, offset, length));
    }

    [PosixCheck]
    public void A_range_beyond_the_largest_file_is_EFBIG()
    {
        using var file = Make("f");
        Fails(EFBIG, Sys.Allocate(file.Number, 0, long.MaxValue - 10, 4096));
    }

    [PosixCheck]
    public void A_folder_cannot_be_allocated()
    {
        Mkdir("d");
        using var folder = Open("d", OpenFlags.ReadOnly);
        Fails(EBADF, Sys.Allocate(folder.Number, 0, 0, 4096));
    }

    [PosixCheck]
    public void More_than_the_file_system_holds_is_ENOSPC()
    {
        using var file = Make("f");
        Ok(Sys.Space(P("."), out var space));
        Fails(ENOSPC, Sys.Allocate(file.Number, 0, 0, (long)(space.Blocks * space.FragmentSize) + (1L << 30)));
        Ok(Sys.Truncate(file.Number, 0));
        file.Write("fits", 0);
    }

    [PosixCheck]
    public void Data_and_holes_of_a_dense_file()
    {
        using var file = Make("f");
        file.Write(Pattern(1, 100_000), 0);
        Ok(Sys.Sync(file.Number));
        Assert.Equal((0L, 100_000L), (file.Seek(0, SeekFrom.Data), file.Seek(0, SeekFrom.Hole)));
        Assert.Equal((99_999L, 100_000L), (file.Seek(99_999, SeekFrom.Data), file.Seek(99_999, SeekFrom.Hole)));
    }

    [PosixCheck]
    public void At_and_beyond_the_end_there_is_neither_data_nor_hole()
    {
        using var file = Make("f", "text");
        Fails(ENXIO, file.Seek(4, SeekFrom.Data));
        Fails(ENXIO, file.Seek(4, SeekFrom.Hole));
        Fails(ENXIO, file.Seek(-1, SeekFrom.Data));
        Fails(ENXIO, file.Seek(-1, SeekFrom.Hole));
    }

    [PosixCheck]
    public void In_an_empty_file_there_is_neither()
    {
        using var file = Make("f");
        Fails(ENXIO, file.Seek(0, SeekFrom.Data));
        Fails(ENXIO, file.Seek(0, SeekFrom.Hole));
    }

    [PosixCheck]
    public void A_file_that_is_all_hole_has_no_data()
    {
        using var file = Make("f");
        file.Truncate(1 << 20);
        Fails(ENXIO, file.Seek(0, SeekFrom.Data));
        Assert.Equal(0, file.Seek(0, SeekFrom.Hole));
    }

    [PosixCheck]
    public Action Data_behind_a_large_gap_is_found()
    {
        using (var file = Make("f"))
        {
            file.Write(Pattern(1, 65536), 0);
            file.Write(Pattern(1, 65536), 8 << 20);
            file.Close();
        }

        return () =>
        {
            using var file = Open("f", OpenFlags.ReadOnly);
            var hole = file.Seek(0, SeekFrom.Hole);
            Assert.InRange(hole, 65536, 8 << 20);
            var data = file.Seek(hole, SeekFrom.Data);
            Assert.InRange(data, hole, 8 << 20);
            Assert.Equal((8 << 20) + 65536, file.Seek(8 << 20, SeekFrom.Hole));
        };
    }

    [PosixCheck]
    public Action A_punched_chunk_is_a_hole()
    {
        using (var file = Make("f"))
        {
            file.Write(Pattern(1, 4 << 20), 0);
            Ok(Sys.Allocate(file.Number, Punch, 1 << 20, 1 << 20));
            file.Close();
        }

        return () =>
        {
            using var file = Open("f", OpenFlags.ReadOnly);
            Assert.Equal((1L << 20, 1L << 20), (file.Seek(0, SeekFrom.Hole), file.Seek(1 << 20, SeekFrom.Hole)));
            Assert.Equal((2L << 20, 3L << 20), (file.Seek(1 << 20, SeekFrom.Data), file.Seek(3 << 20, SeekFrom.Data)));
            Assert.Equal(4 << 20, file.Seek(2 << 20, SeekFrom.Hole));
        };
    }

    [PosixCheck]
    public void Behind_the_last_data_there_is_none_and_all_is_hole()
    {
        using var file = Make("f");
        file.Write(Pattern(1, 65536), 0);
        file.Truncate(1L << 30);
        Fails(ENXIO, file.Seek(65536, SeekFrom.Data));
        Assert.Equal((65536L, 500_000_000L), (file.Seek(0, SeekFrom.Hole), file.Seek(500_000_000, SeekFrom.Hole)));
    }

    [PosixCheck]
    public void A_walk_over_data_and_holes_finds_every_byte()
    {
        using var file = Make("f");
        for (var i = 0; i < 8; i++)
        {
            file.Write(Pattern(i, 3 * 65536), i * 1_048_576L);
        }

        file.Truncate(9 << 20);
        var copy = new byte[9 << 20];
        for (var at = file.Seek(0, SeekFrom.Data); at >= 0;)
        {
            var end = Ok(file.Seek(at, SeekFrom.Hole));
            file.Read((int)(end - at), at).CopyTo(copy, at);
            at = file.Seek(end, SeekFrom.Data);
        }

        Assert.True(copy.AsSpan().SequenceEqual(file.Read(9 << 20, 0)));
    }

    [PosixCheck]
    public void A_seek_for_data_moves_the_position()
    {
        using var file = Make("f", "text");
        Assert.Equal(2, file.Seek(2, SeekFrom.Data));
        Assert.Equal("xt", file.ReadText(4));
    }

    [PosixCheck]
    public void Unwritten_data_in_the_cache_counts_as_data()
    {
        using var file = Make("f");
        file.Truncate(4 << 20);
        file.Write("text", 2 << 20);
        Assert.InRange(file.Seek(0, SeekFrom.Data), 0, 2 << 20);
    }
}
