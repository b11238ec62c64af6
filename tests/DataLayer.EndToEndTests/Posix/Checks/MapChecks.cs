using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>mmap(2) and msync(2).</summary>
internal sealed class MapChecks : PosixChecks
{
    [PosixCheck]
    public void A_mapping_shows_the_file_s_content()
    {
        using var file = Make("f");
        var bytes = Pattern(1, 1_000_000);
        file.Write(bytes, 0);
        using var map = new PosixMap(file, 1_000_000, protection: MapFlags.Read);
        Assert.True(map.Bytes.SequenceEqual(bytes));
    }

    [PosixCheck]
    public Action What_is_written_to_a_shared_mapping_and_synced_is_in_the_file()
    {
        var bytes = Pattern(1, 300_000);
        using (var file = Make("f"))
        {
            file.Truncate(300_000);
            using var map = new PosixMap(file, 300_000);
            bytes.CopyTo(map.Bytes);
            map.Sync();
        }

        return () => Holds("f", bytes);
    }

    [PosixCheck]
    public Action What_is_written_to_a_shared_mapping_and_never_synced_is_in_the_file()
    {
        var bytes = Pattern(2, 300_000);
        using (var file = Make("f"))
        {
            file.Truncate(300_000);
            using (var map = new PosixMap(file, 300_000))
            {
                bytes.CopyTo(map.Bytes);
            }

            file.Close();
        }

        return () => Holds("f", bytes);
    }

    [PosixCheck]
    public Action A_mapping_goes_on_after_its_descriptor_was_closed()
    {
        var file = Make("f");
        file.Truncate(100_000);
        using (var map = new PosixMap(file, 100_000))
        {
            file.Close();
            Pattern(3, 100_000).CopyTo(map.Bytes);
            map.Sync();
        }

        return () => Holds("f", Pattern(3, 100_000));
    }

    [PosixCheck]
    public void A_read_sees_what_was_written_to_a_mapping_before_any_sync()
    {
        using var file = Make("f");
        file.Truncate(10_000);
        using var map = new PosixMap(file, 10_000);
        "mapped"u8.CopyTo(map.Bytes[5000..]);
        Assert.Equal("mapped"u8.ToArray(), file.Read(6, 5000));
    }

    [PosixCheck]
    public void A_mapping_sees_a_write_at_once()
    {
        using var file = Make("f");
        file.Truncate(10_000);
        using var map = new PosixMap(file, 10_000);
        Assert.Equal(0, map.Bytes[5000]);
        file.Write("written", 5000);
        Assert.True(map.Bytes.Slice(5000, 7).SequenceEqual("written"u8));
    }

    [PosixCheck]
    public void Another_descriptor_s_write_is_seen_in_a_mapping()
    {
        using var file = Make("f");
        file.Truncate(10_000);
        using var map = new PosixMap(file, 10_000);
        Assert.Equal(0, map.Bytes[0]);
        using var other = Open("f", OpenFlags.WriteOnly);
        other.Write("written", 0);
        Assert.True(map.Bytes[..7].SequenceEqual("written"u8));
    }

    [PosixCheck]
    public void Two_mappings_of_one_file_share_their_bytes()
    {
        using var file = Make("f");
        file.Truncate(10_000);
        using var other = Open("f");
        using var a = new PosixMap(file, 10_000);
        using var b = new PosixMap(other, 10_000);
        a.Bytes[9_999] = 7;
        Assert.Equal(7, b.Bytes[9_999]);
    }

    [PosixCheck]
    public Action A_private_mapping_never_reaches_the_file()
    {
        Put("f", Pattern(1, 10_000));
        using (var file = Open("f"))
        {
            using var map = new PosixMap(file, 10_000, MapFlags.Private);
            map.Bytes.Fill(9);
            Assert.Equal(Pattern(1, 10_000), file.Read(10_000, 0));
        }

        return () => Holds("f", Pattern(1, 10_000));
    }

    [PosixCheck]
    public void A_private_mapping_can_be_written_over_a_read_only_descriptor()
    {
        Put("f", "text");
        using var file = Open("f", OpenFlags.ReadOnly);
        using var map = new PosixMap(file, 4, MapFlags.Private);
        map.Bytes[0] = (byte)'T';
        Assert.Equal("text", file.Text());
    }

    [PosixCheck]
    public void A_shared_writable_mapping_of_a_read_only_descriptor_is_EACCES()
    {
        Put("f", "text");
        using var file = Open("f", OpenFlags.ReadOnly);
        Fails(EACCES, Sys.Map(4, MapFlags.Read | MapFlags.Write, MapFlags.Shared, file.Number, 0));
    }

    [PosixCheck]
    public void A_mapping_of_a_write_only_descriptor_is_EACCES()
    {
        Put("f", "text");
        using var file = Open("f", OpenFlags.WriteOnly);
        Fails(EACCES, Sys.Map(4, MapFlags.Read, MapFlags.Shared, file.Number, 0));
    }

    [PosixCheck]
    public void A_mapping_of_a_folder_is_ENODEV()
    {
        using var folder = Open(".", OpenFlags.ReadOnly);
        Fails(ENODEV, Sys.Map(4096, MapFlags.Read, MapFlags.Shared, folder.Number, 0));
    }

    [PosixCheck]
    public void An_offset_inside_a_page_and_a_length_of_zero_are_EINVAL()
    {
        using var file = Make("f", "text");
        Fails(EINVAL, Sys.Map(4, MapFlags.Read, MapFlags.Shared, file.Number, 100));
        Fails(EINVAL, Sys.Map(0, MapFlags.Read, MapFlags.Shared, file.Number, 0));
    }

    [PosixCheck(65536)]
    [PosixCheck(1 << 20)]
    public void A_mapping_at_an_offset_shows_what_lies_there(int offset)
    {
        using var file = Make("f");
        var bytes = Pattern(1, offset + 10_000);
        file.Write(bytes, 0);
        using var map = new PosixMap(file, 10_000, protection: MapFlags.Read, offset: offset);
        Assert.True(map.Bytes.SequenceEqual(bytes.AsSpan(offset)));
    }

    [PosixCheck]
    public void The_page_behind_the_end_reads_as_zeros()
    {
        using var file = Make("f", "text");
        using var map = new PosixMap(file, 4096);
        Assert.Equal(-1, map.Bytes[4..].IndexOfAnyExcept((byte)0));
    }

    [PosixCheck]
    public Action Bytes_written_to_a_mapping_behind_the_end_are_not_in_the_file()
    {
        using (var file = Make("f", "text"))
        {
            using var map = new PosixMap(file, 4096);
            map.Bytes.Fill((byte)'x');
            map.Sync();
            Assert.Equal(4, file.Size);
        }

        return () => Assert.Equal("xxxx", Text("f"));
    }

    [PosixCheck]
    public Action Growth_after_such_a_write_shows_zeros()
    {
        using (var file = Make("f", "text"))
        {
            using (var map = new PosixMap(file, 4096))
            {
                map.Bytes.Fill((byte)'x');
                map.Sync();
            }

            file.Truncate(5000);
        }

        return () => Assert.Equal(-1, Bytes("f").AsSpan(4).IndexOfAnyExcept((byte)0));
    }

    [PosixCheck]
    public void A_mapping_grows_with_its_file()
    {
        using var file = Make("f", "text");
        using var map = new PosixMap(file, 100_000);
        file.Write(Pattern(1, 100_000), 0);
        Assert.True(map.Bytes.SequenceEqual(Pattern(1, 100_000)));
    }

    [PosixCheck]
    public void A_cut_and_grown_file_shows_zeros_in_the_mapping()
    {
        using var file = Make("f");
        file.Write(Pattern(1, 100_000), 0);
        using var map = new PosixMap(file, 100_000);
        Assert.Equal(Pattern(1, 100_000)[50_000], map.Bytes[50_000]);
        file.Truncate(10_000);
        file.Truncate(100_000);
        Assert.True(map.Bytes[..10_000].SequenceEqual(Pattern(1, 10_000)));
        Assert.Equal(-1, map.Bytes[10_000..].IndexOfAnyExcept((byte)0));
    }

    [PosixCheck]
    public Action A_mapped_write_and_a_plain_one_side_by_side_are_both_kept()
    {
        using (var file = Make("f"))
        {
            file.Truncate(64 * 4096);
            using var map = new PosixMap(file, 64 * 4096);
            for (var page = 0; page < 64; page++)
            {
                var bytes = Pattern(page, 2048, page * 4096L);
                bytes.CopyTo(map.Bytes[(page * 4096)..]);
                file.Write(Pattern(page, 2048, (page * 4096L) + 2048), (page * 4096L) + 2048);
            }

            map.Sync();
        }

        return () =>
        {
            for (var page = 0; page < 64; page++)
            {
                Assert.Equal(Pattern(page, 4096, page * 4096L), Bytes("f").AsSpan(page * 4096, 4096).ToArray());
            }
        };
    }

    [PosixCheck]
    public Action A_file_that_is_all_hole_can_be_written_through_a_mapping()
    {
        using (var file = Make("f"))
        {
            file.Truncate(8 << 20);
            using var map = new PosixMap(file, 8 << 20);
            for (var i = 0; i < 8; i++)
            {
                map.Bytes[(i << 20) + 17] = (byte)(i + 1);
            }

            map.Sync();
        }

        return () =>
        {
            var wanted = new byte[8 << 20];
            for (var i = 0; i < 8; i++)
            {
                wanted[(i << 20) + 17] = (byte)(i + 1);
            }

            Holds("f", wanted);
        };
    }

    [PosixCheck]
    public void An_unlinked_file_goes_on_in_its_mapping()
    {
        using var file = Make("f");
        file.Write(Pattern(1, 100_000), 0);
        using var map = new PosixMap(file, 100_000);
        Ok(Sys.Unlink(P("f")));
        map.Bytes[50_000] = 1;
        map.Sync();
        Assert.Equal(1, file.Read(1, 50_000)[0]);
    }

    [PosixCheck]
    public void A_mapped_write_moves_the_modify_time()
    {
        using var file = Make("f");
        file.Truncate(4096);
        Ok(Sys.SetTimes(P("f"), new FileTime(1000, 0), new FileTime(1000, 0)));
        using var map = new PosixMap(file, 4096);
        map.Bytes[0] = 1;
        map.Sync();
        Assert.True(Stat("f").Modified.Seconds > 1000);
    }

    [PosixCheck]
    public void A_file_can_be_mapped_to_execute()
    {
        Put("f", "text");
        using var file = Open("f", OpenFlags.ReadOnly);
        using var map = new PosixMap(file, 4, MapFlags.Private, MapFlags.Read | MapFlags.Execute);
        Assert.True(map.Bytes.SequenceEqual("text"u8));
    }

    [PosixCheck]
    public void A_read_into_a_mapping_of_the_same_file_works()
    {
        using var file = Make("f");
        file.Write(Pattern(1, 20_000), 0);
        using var map = new PosixMap(file, 20_000);
        Assert.Equal(4096, Sys.Read(file.Number, map.Bytes.Slice(8192, 4096), 0));
        Assert.True(map.Bytes.Slice(8192, 4096).SequenceEqual(Pattern(1, 4096)));
    }

    [PosixCheck]
    public void A_write_from_a_mapping_of_the_same_file_works()
    {
        using var file = Make("f");
        file.Write(Pattern(1, 20_000), 0);
        using var map = new PosixMap(file, 20_000);
        Assert.Equal(4096, Sys.Write(file.Number, map.Bytes[..4096], 8192));
        Assert.Equal(Pattern(1, 4096), file.Read(4096, 8192));
    }

    [PosixCheck]
    public Action Many_threads_write_to_one_mapping()
    {
        using (var file = Make("f"))
        {
            file.Truncate(8 * 50_000);
            Parallel.For(0, 8, worker =>
            {
                using var map = new PosixMap(file, 8 * 50_000);
                Pattern(4, 50_000, worker * 50_000).CopyTo(map.Bytes[(worker * 50_000)..]);
                map.Sync();
            });
            file.Close();
        }

        return () => Holds("f", Pattern(4, 8 * 50_000));
    }
}

/// <summary>O_DIRECT beside the page cache.</summary>
internal sealed unsafe class DirectChecks : PosixChecks
{
    private const int Length = 65536;

    [PosixCheck]
    public Action A_direct_write_is_read_back()
    {
        Put("f");
        WriteDirect("f", Pattern(1, Length), 0);
        return () => Holds("f", Pattern(1, Length));
    }

    [PosixCheck]
    public void A_direct_read_sees_what_was_written_plainly_before_any_sync()
    {
        using var plain = Make("f");
        plain.Write(Pattern(1, Length), 0);
        Assert.Equal(Pattern(1, Length), ReadDirect("f", 0));
    }

    [PosixCheck]
    public void A_plain_read_sees_a_direct_write_over_cached_bytes()
    {
        using var plain = Make("f");
        plain.Write(Pattern(1, Length), 0);
        plain.Read(Length, 0);
        WriteDirect("f", Pattern(2, Length), 0);
        Assert.Equal(Pattern(2, Length), plain.Read(Length, 0));
    }

    [PosixCheck]
    public void A_direct_read_sees_what_was_written_to_a_mapping()
    {
        using var plain = Make("f");
        plain.Truncate(Length);
        using var map = new PosixMap(plain, Length);
        Pattern(3, Length).CopyTo(map.Bytes);
        Assert.Equal(Pattern(3, Length), ReadDirect("f", 0));
    }

    [PosixCheck]
    public void A_mapping_sees_a_direct_write()
    {
        using var plain = Make("f");
        plain.Truncate(Length);
        using var map = new PosixMap(plain, Length);
        Assert.Equal(0, map.Bytes[5]);
        WriteDirect("f", Pattern(3, Length), 0);
        Assert.True(map.Bytes.SequenceEqual(Pattern(3, Length)));
    }

    [PosixCheck]
    public Action A_direct_write_beyond_the_end_leaves_zeros_between()
    {
        Put("f", "text");
        WriteDirect("f", Pattern(1, Length), Length);
        byte[] wanted = [.. "text"u8, .. new byte[Length - 4], .. Pattern(1, Length)];
        return () => Holds("f", wanted);
    }

    [PosixCheck]
    public void A_direct_read_across_the_end_is_short()
    {
        Put("f", Pattern(1, 5000));
        Assert.Equal(Pattern(1, 5000), ReadDirect("f", 0));
    }

    [PosixCheck]
    public Action Direct_appends_go_to_the_end()
    {
        Put("f", Pattern(1, Length));
        using (var file = Open("f", OpenFlags.WriteOnly | OpenFlags.Direct | OpenFlags.Append))
        {
            WithBuffer(Pattern(1, Length, Length), buffer => Assert.Equal(Length, Ok(Sys.WriteRaw(file.Number, buffer, Length, 0))));
            file.Close();
        }

        return () => Holds("f", Pattern(1, 2 * Length));
    }

    [PosixCheck]
    public void A_direct_descriptor_reads_its_own_writes()
    {
        using var file = Open("f", OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.Direct, Oct(644));
        for (var i = 0; i < 10; i++)
        {
            WithBuffer(Pattern(i, Length), buffer => Ok(Sys.WriteRaw(file.Number, buffer, Length, (long)i * Length)));
            WithBuffer(new byte[Length], buffer =>
            {
                Ok(Sys.ReadRaw(file.Number, buffer, Length, (long)i * Length));
                Assert.True(new Span<byte>((void*)buffer, Length).SequenceEqual(Pattern(i, Length)));
            });
        }
    }

    [PosixCheck]
    public Action Direct_and_plain_writes_of_neighbours_are_both_kept()
    {
        using (var plain = Make("f"))
        {
            plain.Truncate(16 * Length);
            for (var i = 0; i < 16; i += 2)
            {
                plain.Write(Pattern(1, Length, i * Length), i * Length);
                WriteDirect("f", Pattern(1, Length, (i + 1) * Length), (i + 1) * Length);
            }

            plain.Close();
        }

        return () => Holds("f", Pattern(1, 16 * Length));
    }

    private static void WithBuffer(ReadOnlySpan<byte> content, Action<nint> action)
    {
        var buffer = (byte*)System.Runtime.InteropServices.NativeMemory.AlignedAlloc(Length, 4096);
        content.CopyTo(new Span<byte>(buffer, Length));
        action((nint)buffer);
        System.Runtime.InteropServices.NativeMemory.AlignedFree(buffer);
    }

    private void WriteDirect(string name, byte[] bytes, long offset)
    {
        using var file = Open(name, OpenFlags.WriteOnly | OpenFlags.Direct);
        WithBuffer(bytes, buffer => Assert.Equal(Length, Ok(Sys.WriteRaw(file.Number, buffer, Length, offset))));
        file.Close();
    }

    private byte[] ReadDirect(string name, long offset)
    {
        using var file = Open(name, OpenFlags.ReadOnly | OpenFlags.Direct);
        byte[] found = [];
        WithBuffer([], buffer =>
        {
            var length = (int)Ok(Sys.ReadRaw(file.Number, buffer, Length, offset));
            found = new Span<byte>((void*)buffer, length).ToArray();
        });
        return found;
    }
}
