using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>read(2), write(2) and what lies where nothing was written.</summary>
internal sealed class ContentChecks : PosixChecks
{
    [PosixCheck(1)]
    [PosixCheck(4095)]
    [PosixCheck(4096)]
    [PosixCheck(4097)]
    [PosixCheck(65535)]
    [PosixCheck(65536)]
    [PosixCheck(65537)]
    [PosixCheck(131073)]
    [PosixCheck(1048576)]
    [PosixCheck(1048577)]
    [PosixCheck(5000001)]
    public Action A_file_of_so_many_bytes_reads_as_written(int length)
    {
        var bytes = Pattern(length, length);
        Put("f", bytes);
        return () => Holds("f", bytes);
    }

    [PosixCheck(1)]
    [PosixCheck(7)]
    [PosixCheck(512)]
    [PosixCheck(4097)]
    [PosixCheck(70000)]
    public Action Writes_of_so_many_bytes_in_a_row_make_one_content(int piece)
    {
        var bytes = Pattern(piece, Math.Min(piece * 300, 1_500_000));
        using (var file = Make("f"))
        {
            for (var at = 0; at < bytes.Length; at += piece)
            {
                var part = bytes.AsSpan(at, Math.Min(piece, bytes.Length - at));
                Assert.Equal(part.Length, Ok(Sys.Write(file.Number, part)));
            }

            file.Close();
        }

        return () => Holds("f", bytes);
    }

    [PosixCheck(0, 1)]
    [PosixCheck(4095, 2)]
    [PosixCheck(65530, 12)]
    [PosixCheck(1048575, 2)]
    [PosixCheck(100000, 300000)]
    [PosixCheck(1999999, 1)]
    [PosixCheck(1999990, 100)]
    public Action A_write_in_the_middle_changes_these_bytes_alone(int offset, int length)
    {
        var bytes = Pattern(1, 2_000_000);
        Put("f", bytes);
        var part = Pattern(2, length, offset);
        using (var file = Open("f", OpenFlags.WriteOnly))
        {
            file.Write(part, offset);
            file.Close();
        }

        var wanted = new byte[Math.Max(bytes.Length, offset + length)];
        bytes.CopyTo(wanted, 0);
        part.CopyTo(wanted, offset);
        return () => Holds("f", wanted);
    }

    [PosixCheck(1)]
    [PosixCheck(4096)]
    [PosixCheck(65537)]
    [PosixCheck(3000000)]
    public Action What_a_write_beyond_the_end_leaves_out_reads_as_zeros(int gap)
    {
        using (var file = Make("f", "start"))
        {
            file.Write("end", 5 + gap);
            file.Close();
        }

        byte[] wanted = [.. "start"u8, .. new byte[gap], .. "end"u8];
        return () => Holds("f", wanted);
    }

    [PosixCheck]
    public Action Random_writes_and_truncates_agree_with_a_model()
    {
        var random = new Random(11);
        var model = Array.Empty<byte>();
        using (var file = Make("f"))
        {
            for (var i = 0; i < 300; i++)
            {
                var offset = random.Next(1_000_000);
                if (random.Next(8) == 0)
                {
                    file.Truncate(offset);
                    Array.Resize(ref model, offset);
                    continue;
                }

                var part = Pattern(i, random.Next(1, 40_000), offset);
                file.Write(part, offset);
                Array.Resize(ref model, Math.Max(model.Length, offset + part.Length));
                part.CopyTo(model, offset);
                if (i % 10 == 0)
                {
                    Assert.True(model.AsSpan().SequenceEqual(file.Read(model.Length + 1, 0)), $"after step {i}");
                }
            }

            file.Close();
        }

        return () => Holds("f", model);
    }

    [PosixCheck]
    public void A_read_at_the_end_is_empty_and_one_across_it_is_short()
    {
        using var file = Make("f", "text");
        Assert.Equal(0, Sys.Read(file.Number, new byte[8], 4));
        Assert.Equal(0, Sys.Read(file.Number, new byte[8], 1_000_000));
        Assert.Equal(2, Sys.Read(file.Number, new byte[8], 2));
    }

    [PosixCheck]
    public void A_write_of_nothing_changes_nothing()
    {
        using var file = Make("f", "text");
        var before = file.Status;
        Assert.Equal(0, Sys.Write(file.Number, [], 100));
        Assert.Equal((before.Size, before.Modified), (file.Size, file.Status.Modified));
    }

    [PosixCheck]
    public void A_negative_offset_is_EINVAL()
    {
        using var file = Make("f", "text");
        Fails(EINVAL, Sys.Read(file.Number, new byte[1], -1));
        Fails(EINVAL, Sys.Write(file.Number, "x"u8, -1));
        Fails(EINVAL, Sys.Seek(file.Number, -1, SeekFrom.Start));
    }

    [PosixCheck]
    public void A_write_beyond_the_largest_file_is_EFBIG()
    {
        using var file = Make("f");
        Fails(EFBIG, Sys.Write(file.Number, "x"u8, long.MaxValue - 1));
    }

    [PosixCheck]
    public void Reads_and_writes_move_the_position_and_those_at_an_offset_do_not()
    {
        using var file = Make("f", "0123456789");
        Assert.Equal("012", file.ReadText(3));
        file.Read(5, 5);
        Assert.Equal(3, file.Seek(0, SeekFrom.Current));
        file.Write("XY");
        Assert.Equal("567", file.ReadText(3));
        Assert.Equal("012XY56789", file.Text());
    }

    [PosixCheck]
    public void A_seek_beyond_the_end_makes_the_next_write_leave_a_gap()
    {
        using var file = Make("f", "ab");
        Assert.Equal(6, file.Seek(4, SeekFrom.End));
        Assert.Equal(2, file.Size);
        file.Write("c");
        Assert.Equal("ab\0\0\0\0c", file.Text());
    }

    [PosixCheck]
    public void An_unknown_origin_of_a_seek_is_EINVAL()
    {
        using var file = Make("f");
        Fails(EINVAL, Sys.Seek(file.Number, 0, 99));
    }

    [PosixCheck]
    public Action A_write_of_several_pieces_is_one()
    {
        using (var file = Make("f"))
        {
            Assert.Equal(10, Ok(Sys.WriteVector(file.Number, 3, "first"u8, "later"u8)));
            file.Close();
        }

        return () => Assert.Equal("\0\0\0firstlater", Text("f"));
    }

    [PosixCheck]
    public void Another_descriptor_reads_a_write_at_once()
    {
        using var writer = Make("f");
        using var reader = Open("f", OpenFlags.ReadOnly);
        for (var i = 0; i < 50; i++)
        {
            var bytes = Pattern(i, 5000, i * 5000);
            writer.Write(bytes, i * 5000);
            Assert.Equal(bytes, reader.Read(5000, i * 5000));
            Assert.Equal((i + 1) * 5000, reader.Size);
        }
    }

    [PosixCheck]
    public void Many_writers_of_own_ranges_all_arrive()
    {
        Put("f");
        Parallel.For(0, 8, worker =>
        {
            using var file = Open("f", OpenFlags.WriteOnly);
            for (var i = worker; i < 400; i += 8)
            {
                file.Write(Pattern(3, 3001, i * 3001L), i * 3001L);
            }

            file.Close();
        });
        Holds("f", Pattern(3, 400 * 3001));
    }

    [PosixCheck]
    public void A_reader_never_sees_bytes_that_nobody_wrote()
    {
        var first = Pattern(1, 200_000);
        var second = Pattern(2, 200_000);
        Put("f", first);
        using var stop = new CancellationTokenSource();
        var reader = Task.Run(() =>
        {
            using var file = Open("f", OpenFlags.ReadOnly);
            while (!stop.IsCancellationRequested)
            {
                var found = file.Read(200_000, 0);
                Assert.Equal(200_000, found.Length);
                Assert.Equal(-1, Enumerable.Range(0, 200_000).FirstOrDefault(i => found[i] != first[i] && found[i] != second[i], -1));
            }
        });
        using (var file = Open("f"))
        {
            for (var i = 0; i < 30; i++)
            {
                file.Write(i % 2 == 0 ? second : first, 0);
            }
        }

        stop.Cancel();
        reader.GetAwaiter().GetResult();
    }

    [PosixCheck(1L << 31)]
    [PosixCheck(1L << 32)]
    [PosixCheck(1L << 40)]
    public Action A_byte_far_out_makes_a_sparse_file(long offset)
    {
        using (var file = Make("f"))
        {
            file.Write("far", offset);
            file.Close();
        }

        return () =>
        {
            using var file = Open("f", OpenFlags.ReadOnly);
            Assert.Equal(offset + 3, file.Size);
            Assert.Equal("far"u8.ToArray(), file.Read(10, offset));
            Assert.Equal(new byte[100], file.Read(100, offset / 2));
            Assert.True(file.Status.Blocks * 512 < 16 << 20);
        };
    }

    [PosixCheck]
    public Action A_file_rewritten_many_times_holds_the_last_content()
    {
        for (var i = 0; i < 30; i++)
        {
            using var file = Open("f", OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Truncate, Oct(644));
            file.Write(Pattern(i, 1000 * (i + 1)), 0);
            file.Close();
        }

        return () => Holds("f", Pattern(29, 30_000));
    }

    [PosixCheck]
    public Action Hundreds_of_small_files_keep_their_own_content()
    {
        for (var i = 0; i < 300; i++)
        {
            Put($"f{i}", Pattern(i, 100 + i));
        }

        return () =>
        {
            for (var i = 0; i < 300; i++)
            {
                Holds($"f{i}", Pattern(i, 100 + i));
            }
        };
    }

    [PosixCheck]
    public Action A_file_written_backwards_is_whole()
    {
        var bytes = Pattern(5, 1_000_000);
        using (var file = Make("f"))
        {
            for (var at = 990_000; at >= 0; at -= 10_000)
            {
                file.Write(bytes.AsSpan(at, 10_000), at);
            }

            file.Close();
        }

        return () => Holds("f", bytes);
    }

    [PosixCheck]
    public Action Every_other_page_written_leaves_zeros_between()
    {
        var wanted = new byte[64 * 4096];
        using (var file = Make("f"))
        {
            for (var page = 1; page < 64; page += 2)
            {
                var bytes = Pattern(page, 4096);
                bytes.CopyTo(wanted, page * 4096);
                file.Write(bytes, page * 4096);
            }

            file.Close();
        }

        return () => Holds("f", wanted);
    }
}

/// <summary>O_APPEND.</summary>
internal sealed class AppendChecks : PosixChecks
{
    private const int RwfAppend = 0x10;

    [PosixCheck]
    public Action Appends_go_to_the_end_wherever_the_position_is()
    {
        Put("f", "start");
        using (var file = Open("f", OpenFlags.WriteOnly | OpenFlags.Append))
        {
            Ok(file.Seek(0, SeekFrom.Start));
            file.Write("-a");
            file.Write("-b", 0);
            file.Close();
        }

        return () => Assert.Equal("start-a-b", Text("f"));
    }

    [PosixCheck]
    public void The_position_is_the_end_after_an_append()
    {
        Put("f", "start");
        using var file = Open("f", OpenFlags.ReadWrite | OpenFlags.Append);
        Assert.Equal("st", file.ReadText(2));
        file.Write("++");
        Assert.Equal(7, file.Seek(0, SeekFrom.Current));
    }

    [PosixCheck]
    public void Two_descriptors_append_one_after_the_other()
    {
        Put("f");
        using var a = Open("f", OpenFlags.WriteOnly | OpenFlags.Append);
        using var b = Open("f", OpenFlags.WriteOnly | OpenFlags.Append);
        for (var i = 0; i < 10; i++)
        {
            a.Write("a");
            b.Write("b");
        }

        Assert.Equal("abababababababababab", Text("f"));
    }

    [PosixCheck]
    public void An_append_sees_a_truncate_by_another_descriptor()
    {
        using var other = Make("f", "0123456789");
        using var file = Open("f", OpenFlags.WriteOnly | OpenFlags.Append);
        other.Truncate(3);
        file.Write("x");
        Assert.Equal("012x", Text("f"));
    }

    [PosixCheck(64)]
    [PosixCheck(4096)]
    [PosixCheck(20000)]
    public Action Appends_of_many_threads_lose_nothing(int length)
    {
        Put("f");
        Parallel.For(0, 8, worker =>
        {
            using var file = Open("f", OpenFlags.WriteOnly | OpenFlags.Append);
            for (var i = 0; i < 25; i++)
            {
                var record = new byte[length];
                record.AsSpan().Fill((byte)('a' + worker));
                record[^1] = (byte)'\n';
                Assert.Equal(length, Ok(Sys.Write(file.Number, record)));
            }

            file.Close();
        });
        return () =>
        {
            var found = Bytes("f");
            Assert.Equal(8 * 25 * length, found.Length);
            for (var at = 0; at < found.Length; at += length)
            {
                Assert.Equal(length - 1, found.AsSpan(at, length).IndexOfAnyExcept(found[at]));
            }
        };
    }

    [PosixCheck]
    public Action Append_with_create_starts_at_the_end_of_what_is_there()
    {
        for (var i = 0; i < 5; i++)
        {
            using var file = Open("f", OpenFlags.WriteOnly | OpenFlags.Append | OpenFlags.Create, Oct(644));
            file.Write($"line {i}\n");
            file.Close();
        }

        return () => Assert.Equal("line 0\nline 1\nline 2\nline 3\nline 4\n", Text("f"));
    }

    [PosixCheck]
    public void Append_can_be_turned_on_for_an_open_descriptor()
    {
        using var file = Make("f", "text");
        Ok(Sys.Control(file.Number, 4, OpenFlags.Append));
        Ok(file.Seek(0, SeekFrom.Start));
        file.Write("+");
        Ok(Sys.Control(file.Number, 4));
        file.Write("T", 0);
        Assert.Equal("Text+", file.Text());
    }

    [PosixCheck]
    public void One_write_can_ask_to_be_an_append()
    {
        using var file = Make("f", "text");
        Ok(Sys.WriteFlagged(file.Number, "+"u8, 0, RwfAppend));
        Assert.Equal("text+", file.Text());
    }

    [PosixCheck]
    public Action An_append_grows_a_sparse_file_at_its_end()
    {
        Put("f");
        Ok(Sys.Truncate(P("f"), 100_000));
        using (var file = Open("f", OpenFlags.WriteOnly | OpenFlags.Append))
        {
            file.Write("end");
            file.Close();
        }

        byte[] wanted = [.. new byte[100_000], .. "end"u8];
        return () => Holds("f", wanted);
    }

    [PosixCheck]
    public Action Thousands_of_small_appends_are_all_there()
    {
        using (var file = Open("f", OpenFlags.WriteOnly | OpenFlags.Append | OpenFlags.Create, Oct(644)))
        {
            for (var i = 0; i < 5000; i++)
            {
                file.Write($"{i:D6}\n");
            }

            file.Close();
        }

        return () => Assert.Equal(string.Concat(Enumerable.Range(0, 5000).Select(i => $"{i:D6}\n")), Text("f"));
    }
}
