using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>rename(2) and renameat2(2).</summary>
internal sealed class RenameChecks : PosixChecks
{
    [PosixCheck]
    public Action A_renamed_file_has_its_content_under_the_new_name_alone()
    {
        Put("a", "text");
        Ok(Sys.Rename(P("a"), P("b")));
        return () =>
        {
            Assert.Equal("text", Text("b"));
            Assert.Equal(["b"], Names());
        };
    }

    [PosixCheck]
    public void The_inode_goes_with_the_name()
    {
        Put("a");
        var inode = Stat("a").Inode;
        Ok(Sys.Rename(P("a"), P("b")));
        Assert.Equal(inode, Stat("b").Inode);
    }

    [PosixCheck]
    public Action A_file_that_is_there_is_replaced()
    {
        Put("a", "new");
        Put("b", "old");
        Ok(Sys.Rename(P("a"), P("b")));
        return () =>
        {
            Assert.Equal("new", Text("b"));
            Assert.Equal(["b"], Names());
        };
    }

    [PosixCheck]
    public void A_replaced_file_that_is_open_keeps_its_content()
    {
        Put("a", "new");
        using var old = Make("b", "old");
        Ok(Sys.Rename(P("a"), P("b")));
        Assert.Equal(("old", 0u), (old.Text(), old.Status.LinkCount));
    }

    [PosixCheck]
    public void A_replaced_file_with_another_link_loses_one()
    {
        Put("a", "new");
        Put("b", "old");
        Ok(Sys.Link(P("b"), P("c")));
        Ok(Sys.Rename(P("a"), P("b")));
        Assert.Equal(("old", 1u), (Text("c"), Stat("c").LinkCount));
    }

    [PosixCheck]
    public void An_open_file_goes_on_under_its_new_name()
    {
        using var file = Make("a", "text");
        Ok(Sys.Rename(P("a"), P("b")));
        file.Write("more", 4);
        Assert.Equal("textmore", Text("b"));
    }

    [PosixCheck]
    public void A_name_renamed_to_itself_stays()
    {
        Put("a", "text");
        Ok(Sys.Rename(P("a"), P("a")));
        Assert.Equal("text", Text("a"));
    }

    [PosixCheck]
    public void Two_links_of_one_file_renamed_onto_each_other_both_stay()
    {
        Put("a", "text");
        Ok(Sys.Link(P("a"), P("b")));
        Ok(Sys.Rename(P("a"), P("b")));
        Assert.Equal(2u, Stat("a").LinkCount);
        Assert.Equal(["a", "b"], Names().Order());
    }

    [PosixCheck]
    public void A_name_that_is_not_there_is_ENOENT()
    {
        Fails(ENOENT, Sys.Rename(P("none"), P("b")));
        Put("b", "kept");
        Fails(ENOENT, Sys.Rename(P("none"), P("b")));
        Assert.Equal("kept", Text("b"));
    }

    [PosixCheck]
    public void Into_a_folder_that_is_not_there_is_ENOENT()
    {
        Put("a");
        Fails(ENOENT, Sys.Rename(P("a"), P("none/a")));
    }

    [PosixCheck]
    public void A_file_over_a_folder_is_EISDIR()
    {
        Put("a");
        Mkdir("d");
        Fails(EISDIR, Sys.Rename(P("a"), P("d")));
    }

    [PosixCheck]
    public void A_folder_over_a_file_is_ENOTDIR()
    {
        Put("a");
        Mkdir("d");
        Fails(ENOTDIR, Sys.Rename(P("d"), P("a")));
    }

    [PosixCheck]
    public void Through_a_file_as_a_folder_is_ENOTDIR()
    {
        Put("a");
        Put("b");
        Fails(ENOTDIR, Sys.Rename(P("a/x"), P("c")));
        Fails(ENOTDIR, Sys.Rename(P("a"), P("b/x")));
    }

    [PosixCheck]
    public void A_file_to_a_name_with_a_slash_at_its_end_is_ENOTDIR()
    {
        Put("a");
        Fails(ENOTDIR, Sys.Rename(P("a"), P("b/")));
    }

    [PosixCheck]
    public Action A_folder_moves_with_all_that_is_in_it()
    {
        Mkdir("d");
        Mkdir("d/e");
        Put("d/e/f", "text");
        Ok(Sys.Rename(P("d"), P("moved")));
        return () =>
        {
            Assert.Equal("text", Text("moved/e/f"));
            Assert.Equal(["moved"], Names());
        };
    }

    [PosixCheck]
    public void An_empty_folder_is_replaced()
    {
        Mkdir("d");
        Put("d/f");
        Mkdir("e");
        Ok(Sys.Rename(P("d"), P("e")));
        Assert.Equal(["f"], Names("e"));
        Assert.False(Exists("d"));
    }

    [PosixCheck]
    public void A_folder_with_something_in_it_is_not_replaced()
    {
        Mkdir("d");
        Mkdir("e");
        Put("e/f");
        Fails(ENOTEMPTY, Sys.Rename(P("d"), P("e")));
        Assert.True(Exists("e/f") && Exists("d"));
    }

    [PosixCheck]
    public void A_folder_into_itself_is_EINVAL()
    {
        Mkdir("d");
        Mkdir("d/e");
        Fails(EINVAL, Sys.Rename(P("d"), P("d/e/d")));
        Fails(EINVAL, Sys.Rename(P("d"), P("d/x")));
    }

    [PosixCheck]
    public void A_folder_over_one_above_it_is_ENOTEMPTY()
    {
        Mkdir("d");
        Mkdir("d/e");
        Fails(ENOTEMPTY, Sys.Rename(P("d/e"), P("d")));
    }

    [PosixCheck]
    public void Dot_and_dot_dot_cannot_be_renamed()
    {
        Mkdir("d");
        Fails(EBUSY, Sys.Rename(P("d/."), P("e")));
        Fails(EBUSY, Sys.Rename(P("d/.."), P("e")));
    }

    [PosixCheck]
    public void To_another_file_system_is_EXDEV()
    {
        Put("a");
        Fails(EXDEV, Sys.Rename(P("a"), "/proc/a"));
    }

    [PosixCheck]
    public void A_link_is_renamed_itself_and_not_what_it_leads_to()
    {
        Put("f", "text");
        Ok(Sys.Symlink("f", P("l")));
        Ok(Sys.Rename(P("l"), P("m")));
        Assert.Equal("f", Sys.ReadLink(P("m"), out _));
        Assert.True(Exists("f"));
    }

    [PosixCheck]
    public void A_link_that_is_there_is_replaced_and_not_followed()
    {
        Put("a", "new");
        Put("f", "kept");
        Ok(Sys.Symlink("f", P("l")));
        Ok(Sys.Rename(P("a"), P("l")));
        Assert.Equal((ModeBits.Regular, "kept"), (Stat("l").Kind, Text("f")));
    }

    [PosixCheck]
    public void A_fifo_is_renamed_over_a_file()
    {
        Ok(Sys.MakeNode(P("p"), ModeBits.Fifo | Oct(644)));
        Put("f");
        Ok(Sys.Rename(P("p"), P("f")));
        Assert.Equal(ModeBits.Fifo, Stat("f").Kind);
    }

    [PosixCheck]
    public void NoReplace_moves_to_a_free_name()
    {
        Put("a", "text");
        Ok(Sys.Rename(P("a"), P("b"), RenameMode.NoReplace));
        Assert.Equal("text", Text("b"));
    }

    [PosixCheck]
    public void NoReplace_keeps_a_file_that_is_there()
    {
        Put("a", "new");
        Put("b", "old");
        Fails(EEXIST, Sys.Rename(P("a"), P("b"), RenameMode.NoReplace));
        Assert.Equal(("new", "old"), (Text("a"), Text("b")));
    }

    [PosixCheck]
    public void NoReplace_keeps_an_empty_folder_and_a_dangling_link()
    {
        Mkdir("d");
        Mkdir("e");
        Ok(Sys.Symlink("none", P("l")));
        Fails(EEXIST, Sys.Rename(P("d"), P("e"), RenameMode.NoReplace));
        Fails(EEXIST, Sys.Rename(P("d"), P("l"), RenameMode.NoReplace));
    }

    [PosixCheck]
    public void NoReplace_of_a_name_onto_itself_is_EEXIST()
    {
        Put("a");
        Fails(EEXIST, Sys.Rename(P("a"), P("a"), RenameMode.NoReplace));
    }

    [PosixCheck]
    public Action Exchange_swaps_two_files()
    {
        Put("a", "first");
        Put("b", "second");
        Ok(Sys.Rename(P("a"), P("b"), RenameMode.Exchange));
        return () => Assert.Equal(("second", "first"), (Text("a"), Text("b")));
    }

    [PosixCheck]
    public Action Exchange_swaps_a_file_with_a_folder_that_holds_something()
    {
        Put("a", "text");
        Mkdir("d");
        Put("d/f", "inner");
        Ok(Sys.Rename(P("a"), P("d"), RenameMode.Exchange));
        return () => Assert.Equal(("inner", "text"), (Text("a/f"), Text("d")));
    }

    [PosixCheck]
    public void Exchange_over_folders_counts_their_links_anew()
    {
        Mkdir("x");
        Mkdir("y");
        Put("x/f");
        Mkdir("y/d");
        Ok(Sys.Rename(P("x/f"), P("y/d"), RenameMode.Exchange));
        Assert.Equal((3u, 2u), (Stat("x").LinkCount, Stat("y").LinkCount));
        Assert.Equal(Stat("x").Inode, Stat("x/f/..").Inode);
    }

    [PosixCheck]
    public void Exchange_with_a_name_that_is_not_there_is_ENOENT()
    {
        Put("a");
        Fails(ENOENT, Sys.Rename(P("a"), P("none"), RenameMode.Exchange));
        Fails(ENOENT, Sys.Rename(P("none"), P("a"), RenameMode.Exchange));
    }

    [PosixCheck]
    public void Exchange_of_a_folder_with_one_in_it_is_EINVAL()
    {
        Mkdir("d");
        Mkdir("d/e");
        Fails(EINVAL, Sys.Rename(P("d"), P("d/e"), RenameMode.Exchange));
        Fails(EINVAL, Sys.Rename(P("d/e"), P("d"), RenameMode.Exchange));
    }

    [PosixCheck]
    public void Exchange_of_a_name_with_itself_changes_nothing()
    {
        Put("a", "text");
        Ok(Sys.Rename(P("a"), P("a"), RenameMode.Exchange));
        Assert.Equal("text", Text("a"));
    }

    [PosixCheck]
    public void Whiteout_leaves_a_character_device_0_0_behind()
    {
        Put("a", "text");
        Ok(Sys.Rename(P("a"), P("b"), RenameMode.Whiteout));
        var left = Stat("a");
        Assert.Equal((ModeBits.Character, 0u, 0u), (left.Kind, left.NodeMajor, left.NodeMinor));
        Assert.Equal("text", Text("b"));
    }

    [PosixCheck(RenameMode.NoReplace | RenameMode.Exchange)]
    [PosixCheck(RenameMode.Exchange | RenameMode.Whiteout)]
    [PosixCheck(8u)]
    public void Flags_that_contradict_or_are_unknown_are_EINVAL(uint flags)
    {
        Put("a");
        Put("b");
        Fails(EINVAL, Sys.Rename(P("a"), P("b"), flags));
    }

    [PosixCheck]
    public void Between_descriptors_of_folders_it_works()
    {
        Mkdir("x");
        Mkdir("y");
        Put("x/f", "text");
        using var from = Open("x", OpenFlags.ReadOnly);
        using var to = Open("y", OpenFlags.ReadOnly);
        Ok(Sys.RenameAt(from.Number, "f", to.Number, "g"));
        Assert.Equal("text", Text("y/g"));
    }

    [PosixCheck]
    public void Into_a_folder_that_was_removed_is_ENOENT()
    {
        Put("f");
        Mkdir("d");
        using var folder = Open("d", OpenFlags.ReadOnly);
        Ok(Sys.Rmdir(P("d")));
        Fails(ENOENT, Sys.RenameAt(AtFlags.CurrentDirectory, P("f"), folder.Number, "f"));
    }

    [PosixCheck]
    public void A_folder_moves_under_an_open_descriptor_in_it()
    {
        Mkdir("a");
        Mkdir("a/b");
        using var file = Make("a/b/f", "text");
        Ok(Sys.Rename(P("a"), P("z")));
        file.Write("next", 0);
        Assert.Equal("next", Text("z/b/f"));
    }

    [PosixCheck]
    public void A_reader_of_a_name_that_is_replaced_all_the_time_never_misses_it()
    {
        Put("f", "0");
        using var stop = new CancellationTokenSource();
        var reader = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                Assert.NotEmpty(Text("f"));
            }
        });
        for (var i = 0; i < 300; i++)
        {
            Put("new", "1");
            Ok(Sys.Rename(P("new"), P("f")));
        }

        stop.Cancel();
        reader.GetAwaiter().GetResult();
    }

    [PosixCheck]
    public void Names_that_are_exchanged_all_the_time_are_both_always_there()
    {
        Put("a");
        Put("b");
        using var stop = new CancellationTokenSource();
        var reader = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                Assert.True(Exists("a") && Exists("b"));
            }
        });
        for (var i = 0; i < 300; i++)
        {
            Ok(Sys.Rename(P("a"), P("b"), RenameMode.Exchange));
        }

        stop.Cancel();
        reader.GetAwaiter().GetResult();
    }

    [PosixCheck]
    public void Crosswise_moves_of_folders_make_no_circle()
    {
        Mkdir("a");
        Mkdir("b");
        for (var round = 0; round < 100; round++)
        {
            Parallel.Invoke(() => Sys.Rename(P("a"), P("b/a")), () => Sys.Rename(P("b"), P("a/b")));
            Assert.True(Exists("a") != Exists("b"), "one of them moved into the other");
            Ok(Exists("a") ? Sys.Rename(P("a/b"), P("b")) : Sys.Rename(P("b/a"), P("a")));
        }
    }

    [PosixCheck]
    public void A_chain_of_renames_ends_with_the_last_name_alone()
    {
        Put("n0", "text");
        for (var i = 0; i < 100; i++)
        {
            Ok(Sys.Rename(P($"n{i}"), P($"n{i + 1}")));
        }

        Assert.Equal("text", Text("n100"));
        Assert.Single(Names());
    }
}
