using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>Fifos, sockets and devices.</summary>
internal sealed class SpecialFileChecks : PosixChecks
{
    [PosixCheck]
    public Action A_fifo_is_kept()
    {
        Ok(Sys.MakeNode(P("p"), ModeBits.Fifo | Oct(640)));
        return () => Assert.Equal((ModeBits.Fifo, Oct(640), 0L), (Stat("p").Kind, Stat("p").Permissions, Stat("p").Size));
    }

    [PosixCheck]
    public Action A_socket_s_name_is_kept()
    {
        Ok(Sys.MakeNode(P("s"), ModeBits.Socket | Oct(600)));
        return () => Assert.Equal((ModeBits.Socket, Oct(600)), (Stat("s").Kind, Stat("s").Permissions));
    }

    [PosixCheck]
    public Action A_character_device_keeps_its_numbers()
    {
        Ok(Sys.MakeNode(P("c"), ModeBits.Character | Oct(600), 10, 229));
        return () => Assert.Equal((ModeBits.Character, 10u, 229u), (Stat("c").Kind, Stat("c").NodeMajor, Stat("c").NodeMinor));
    }

    [PosixCheck]
    public Action A_block_device_keeps_its_numbers()
    {
        Ok(Sys.MakeNode(P("b"), ModeBits.Block | Oct(600), 7, 200));
        return () => Assert.Equal((ModeBits.Block, 7u, 200u), (Stat("b").Kind, Stat("b").NodeMajor, Stat("b").NodeMinor));
    }

    [PosixCheck]
    public void Mknod_makes_regular_files_too()
    {
        Ok(Sys.MakeNode(P("f"), ModeBits.Regular | Oct(640)));
        Ok(Sys.MakeNode(P("g"), Oct(600)));
        Assert.Equal((ModeBits.Regular, ModeBits.Regular), (Stat("f").Kind, Stat("g").Kind));
        using var file = Open("f");
        file.Write("text", 0);
    }

    [PosixCheck]
    public void Mknod_over_a_name_is_EEXIST()
    {
        Put("f");
        Fails(EEXIST, Sys.MakeNode(P("f"), ModeBits.Fifo | Oct(644)));
    }

    [PosixCheck]
    public void Mknod_of_a_folder_is_refused()
    {
        Fails(EPERM, Sys.MakeNode(P("d"), ModeBits.Directory | Oct(755)));
        Assert.False(Exists("d"));
    }

    [PosixCheck]
    public void Bytes_go_through_a_fifo()
    {
        Ok(Sys.MakeNode(P("p"), ModeBits.Fifo | Oct(644)));
        using var both = Open("p", OpenFlags.ReadWrite);
        both.Write("through");
        Assert.Equal("through", both.ReadText(20));
    }

    [PosixCheck]
    public void A_fifo_withsenta_reader_is_ENXIO_to_who_will_not_wait()
    {
        Ok(Sys.MakeNode(P("p"), ModeBits.Fifo | Oct(644)));
        Fails(ENXIO, Sys.Open(P("p"), OpenFlags.WriteOnly | OpenFlags.NonBlocking));
    }

    [PosixCheck]
    public void A_socket_can_be_bound_and_reached()
    {
        Ok(Sys.ChangeFolder(Folder));
        using System.Net.Sockets.Socket server = new(
            System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        server.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(P("s")));
        server.Listen();
        using System.Net.Sockets.Socket client = new(
            System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        client.Connect(new System.Net.Sockets.UnixDomainSocketEndPoint(P("s")));
        Assert.True(client.Connected);
        Assert.Equal(ModeBits.Socket, Stat("s").Kind);
    }

    [PosixCheck]
    public void Opening_a_socket_s_name_is_ENXIO()
    {
        Ok(Sys.MakeNode(P("s"), ModeBits.Socket | Oct(644)));
        Fails(ENXIO, Sys.Open(P("s"), OpenFlags.ReadOnly));
    }
}

/// <summary>copy_file_range(2), sendfile(2) and splice(2).</summary>
internal sealed class CopyChecks : PosixChecks
{
    [PosixCheck(1)]
    [PosixCheck(4097)]
    [PosixCheck(3000001)]
    public Action A_whole_file_is_copied(int length)
    {
        Put("f", Pattern(1, length));
        Put("g");
        using (var from = Open("f", OpenFlags.ReadOnly))
        using (var to = Open("g"))
        {
            Copy(from, 0, to, 0, length);
            to.Close();
        }

        return () => Holds("g", Pattern(1, length));
    }

    [PosixCheck(0, 100, 5000)]
    [PosixCheck(65536, 131072, 65536)]
    [PosixCheck(100001, 7, 99999)]
    public Action A_range_is_copied_into_the_middle(int fromOffset, int toOffset, int length)
    {
        Put("f", Pattern(1, 300_000));
        Put("g", Pattern(2, 300_000));
        using (var from = Open("f", OpenFlags.ReadOnly))
        using (var to = Open("g"))
        {
            Copy(from, fromOffset, to, toOffset, length);
            to.Close();
        }

        var wanted = Pattern(2, 300_000);
        Pattern(1, 300_000).AsSpan(fromOffset, length).CopyTo(wanted.AsSpan(toOffset));
        return () => Holds("g", wanted);
    }

    [PosixCheck]
    public void A_copy_at_the_end_of_the_source_is_short_or_nothing()
    {
        using var from = Make("f", "text");
        using var to = Make("g");
        Assert.Equal(0, Sys.CopyRange(from.Number, 4, to.Number, 0, 100));
        Assert.Equal(2, Sys.CopyRange(from.Number, 2, to.Number, 0, 100));
        Assert.Equal("xt", to.Text());
    }

    [PosixCheck]
    public void A_copy_withsentoffsets_moves_both_positions()
    {
        using var from = Make("f", "0123456789");
        using var to = Make("g");
        Assert.Equal(4, Sys.CopyRange(from.Number, to.Number, 4));
        Assert.Equal((4L, 4L), (from.Seek(0, SeekFrom.Current), to.Seek(0, SeekFrom.Current)));
        Assert.Equal(6, Sys.CopyRange(from.Number, to.Number, 100));
        Assert.Equal("0123456789", to.Text());
    }

    [PosixCheck]
    public Action A_copy_sees_what_was_just_written_and_mapped()
    {
        using (var from = Make("f"))
        using (var to = Make("g"))
        {
            from.Write(Pattern(1, 100_000), 0);
            using var map = new PosixMap(from, 100_000);
            "mapped"u8.CopyTo(map.Bytes[50_000..]);
            Copy(from, 0, to, 0, 100_000);
        }

        var wanted = Pattern(1, 100_000);
        "mapped"u8.CopyTo(wanted.AsSpan(50_000));
        return () => Holds("g", wanted);
    }

    [PosixCheck]
    public void A_copy_is_seen_over_cached_bytes_of_the_target()
    {
        using var from = Make("f");
        using var to = Make("g");
        from.Write(Pattern(1, 100_000), 0);
        to.Write(Pattern(2, 100_000), 0);
        to.Read(100_000, 0);
        Copy(from, 0, to, 0, 100_000);
        Assert.Equal(Pattern(1, 100_000), to.Read(100_000, 0));
    }

    [PosixCheck]
    public Action A_copy_within_one_file_works_where_the_ranges_are_apart()
    {
        Put("f", Pattern(1, 200_000));
        using (var file = Open("f"))
        {
            Copy(file, 0, file, 100_000, 50_000);
            file.Close();
        }

        var wanted = Pattern(1, 200_000);
        wanted.AsSpan(0, 50_000).CopyTo(wanted.AsSpan(100_000));
        return () => Holds("f", wanted);
    }

    [PosixCheck]
    public void Within_one_file_ranges_that_overlap_are_EINVAL()
    {
        using var file = Make("f", "0123456789");
        Fails(EINVAL, Sys.CopyRange(file.Number, 0, file.Number, 2, 5));
    }

    [PosixCheck]
    public void To_a_descriptor_that_appends_or_only_reads_is_EBADF()
    {
        Put("f", "text");
        Put("g");
        using var from = Open("f", OpenFlags.ReadOnly);
        using var appends = Open("g", OpenFlags.WriteOnly | OpenFlags.Append);
        using var reads = Open("g", OpenFlags.ReadOnly);
        Fails(EBADF, Sys.CopyRange(from.Number, 0, appends.Number, 0, 4));
        Fails(EBADF, Sys.CopyRange(from.Number, 0, reads.Number, 0, 4));
    }

    [PosixCheck]
    public void A_folder_cannot_be_copied()
    {
        Mkdir("d");
        using var from = Open("d", OpenFlags.ReadOnly);
        using var to = Make("g");
        Fails(EISDIR, Sys.CopyRange(from.Number, 0, to.Number, 0, 4));
    }

    [PosixCheck]
    public Action A_copy_of_a_sparse_file_reads_the_same()
    {
        using (var from = Make("f"))
        using (var to = Make("g"))
        {
            from.Write("far", 2_000_000);
            Copy(from, 0, to, 0, 2_000_003);
            to.Close();
        }

        byte[] wanted = [.. new byte[2_000_000], .. "far"u8];
        return () => Holds("g", wanted);
    }

    [PosixCheck]
    public Action Sendfile_copies()
    {
        Put("f", Pattern(1, 500_000));
        Put("g");
        using (var from = Open("f", OpenFlags.ReadOnly))
        using (var to = Open("g", OpenFlags.WriteOnly))
        {
            for (long at = 0; at < 500_000;)
            {
                at += Ok(Sys.SendFile(to.Number, from.Number, at, (nuint)(500_000 - at)));
            }

            to.Close();
        }

        return () => Holds("g", Pattern(1, 500_000));
    }

    [PosixCheck]
    public void A_file_is_spliced_into_a_pipe_and_sentagain()
    {
        using var from = Make("f");
        from.Write(Pattern(1, 30_000), 0);
        using var to = Make("g");
        var (reader, writer) = Sys.Pipe();
        var moved = Ok(Sys.SpliceAt(from.Number, 0, writer, 30_000));
        for (long sent = 0; sent < moved;)
        {
            sent += Ok(Sys.Splice(reader, to.Number, (nuint)(moved - sent)));
        }

        Sys.Close(reader);
        Sys.Close(writer);
        Assert.Equal(Pattern(1, (int)moved), to.Read(30_000, 0));
    }

    private static void Copy(PosixFile from, long fromOffset, PosixFile to, long toOffset, long length)
    {
        for (long done = 0; done < length;)
        {
            var copied = Ok(Sys.CopyRange(from.Number, fromOffset + done, to.Number, toOffset + done, (nuint)(length - done)));
            Assert.NotEqual(0, copied);
            done += copied;
        }
    }
}
