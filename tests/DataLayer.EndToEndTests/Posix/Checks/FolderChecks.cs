using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>mkdir(2), rmdir(2) and getdents(2).</summary>
internal sealed class FolderChecks : PosixChecks
{
    [PosixCheck(0)]
    [PosixCheck(700)]
    [PosixCheck(755)]
    [PosixCheck(777)]
    [PosixCheck(1777)]
    public void A_new_folder_has_the_asked_mode_without_the_umask(int mode)
    {
        Mkdir("d", mode);
        Assert.Equal((ModeBits.Directory, Oct(mode) & ~Oct(22)), (Stat("d").Kind, Stat("d").Permissions));
    }

    [PosixCheck]
    public void A_folder_has_two_links_and_one_for_each_folder_in_it()
    {
        Mkdir("d");
        Assert.Equal(2u, Stat("d").LinkCount);
        Mkdir("d/a");
        Mkdir("d/b");
        Put("d/f");
        Assert.Equal(4u, Stat("d").LinkCount);
        Ok(Sys.Rmdir(P("d/a")));
        Assert.Equal(3u, Stat("d").LinkCount);
    }

    [PosixCheck]
    public void A_name_that_is_there_is_EEXIST()
    {
        Mkdir("d");
        Put("f");
        Ok(Sys.Symlink("none", P("l")));
        Fails(EEXIST, Sys.Mkdir(P("d"), Oct(755)));
        Fails(EEXIST, Sys.Mkdir(P("f"), Oct(755)));
        Fails(EEXIST, Sys.Mkdir(P("l"), Oct(755)));
    }

    [PosixCheck]
    public void A_folder_in_one_that_is_not_there_is_ENOENT() => Fails(ENOENT, Sys.Mkdir(P("none/d"), Oct(755)));

    [PosixCheck]
    public void A_folder_in_a_file_is_ENOTDIR()
    {
        Put("f");
        Fails(ENOTDIR, Sys.Mkdir(P("f/d"), Oct(755)));
    }

    [PosixCheck]
    public void A_slash_at_the_end_is_no_harm_in_mkdir_and_rmdir()
    {
        Ok(Sys.Mkdir(P("d/"), Oct(755)));
        Ok(Sys.Rmdir(P("d/")));
    }

    [PosixCheck]
    public void Removing_a_folder_with_something_in_it_is_ENOTEMPTY()
    {
        Mkdir("d");
        Put("d/f");
        Fails(ENOTEMPTY, Sys.Rmdir(P("d")));
        Assert.True(Exists("d/f"));
    }

    [PosixCheck]
    public void Removing_a_file_as_a_folder_is_ENOTDIR()
    {
        Put("f");
        Fails(ENOTDIR, Sys.Rmdir(P("f")));
    }

    [PosixCheck]
    public void Removing_a_link_to_a_folder_as_a_folder_is_ENOTDIR()
    {
        Mkdir("d");
        Ok(Sys.Symlink("d", P("l")));
        Fails(ENOTDIR, Sys.Rmdir(P("l")));
    }

    [PosixCheck]
    public void Removing_a_name_that_is_not_there_is_ENOENT() => Fails(ENOENT, Sys.Rmdir(P("none")));

    [PosixCheck]
    public void Removing_dot_is_EINVAL_and_dot_dot_is_ENOTEMPTY()
    {
        Mkdir("d");
        Fails(EINVAL, Sys.Rmdir(P("d/.")));
        Fails(ENOTEMPTY, Sys.Rmdir(P("d/..")));
    }

    [PosixCheck]
    public void Unlinking_a_folder_is_EISDIR()
    {
        Mkdir("d");
        Fails(EISDIR, Sys.Unlink(P("d")));
        Fails(EISDIR, Sys.UnlinkAt(AtFlags.CurrentDirectory, P("d"), 0));
    }

    [PosixCheck]
    public void Unlinkat_removes_folders_by_its_flag()
    {
        Mkdir("d");
        Ok(Sys.UnlinkAt(AtFlags.CurrentDirectory, P("d"), AtFlags.RemoveDirectory));
        Assert.False(Exists("d"));
    }

    [PosixCheck]
    public void A_removed_folder_that_is_open_is_empty_and_has_no_links()
    {
        Mkdir("d");
        using var folder = Open("d", OpenFlags.ReadOnly);
        Ok(Sys.Rmdir(P("d")));
        Assert.Equal(0u, folder.Status.LinkCount);
        Assert.Null(Sys.ReadFolder(folder.Number, out _));
    }

    [PosixCheck]
    public void Removing_the_current_folder_works_and_leaves_no_current_folder()
    {
        Mkdir("d");
        Ok(Sys.ChangeFolder(P("d")));
        Ok(Sys.Rmdir(P("d")));
        Assert.Null(Sys.CurrentFolder(out var result));
        Fails(ENOENT, result);
        Fails(ENOENT, Sys.Open("f", OpenFlags.WriteOnly | OpenFlags.Create, Oct(644)));
        Fails(ENOENT, Sys.Mkdir("e", Oct(755)));
    }

    [PosixCheck]
    public void The_current_folder_follows_renames_above_it()
    {
        Mkdir("d");
        Mkdir("d/e");
        Ok(Sys.ChangeFolder(P("d/e")));
        Ok(Sys.Rename(P("d"), P("moved")));
        Assert.Equal(P("moved/e"), Sys.CurrentFolder(out _));
    }

    [PosixCheck]
    public void Dot_dot_leads_to_the_folder_above_after_a_move()
    {
        Mkdir("a");
        Mkdir("b");
        Mkdir("a/d");
        Ok(Sys.Rename(P("a/d"), P("b/d")));
        Assert.Equal(Stat("b").Inode, Stat("b/d/..").Inode);
        Assert.Equal((2u, 3u), (Stat("a").LinkCount, Stat("b").LinkCount));
    }

    [PosixCheck]
    public void A_listing_holds_dot_and_dot_dot_with_their_inodes()
    {
        Mkdir("d");
        using var folder = Open("d", OpenFlags.ReadOnly);
        var entries = Sys.ReadFolder(folder.Number, out _)!;
        Assert.Equal(Stat("d").Inode, entries.Single(entry => entry.Name == ".").Inode);
        Assert.Equal(Stat(".").Inode, entries.Single(entry => entry.Name == "..").Inode);
    }

    [PosixCheck]
    public void A_listing_tells_inodes_and_types()
    {
        Put("f");
        Mkdir("d");
        Ok(Sys.Symlink("f", P("l")));
        Ok(Sys.MakeNode(P("p"), ModeBits.Fifo | Oct(644)));
        using var folder = Open(".", OpenFlags.ReadOnly);
        var entries = Sys.ReadFolder(folder.Number, out _)!.ToDictionary(entry => entry.Name);
        Assert.All(new[] { "f", "d", "l", "p" }, name => Assert.Equal(Stat(name).Inode, entries[name].Inode));
        Assert.Equal((8, 4, 10, 1), (entries["f"].Kind, entries["d"].Kind, entries["l"].Kind, entries["p"].Kind));
    }

    [PosixCheck(0)]
    [PosixCheck(1)]
    [PosixCheck(100)]
    [PosixCheck(3000)]
    public Action Each_name_is_listed_once(int count)
    {
        Mkdir("d");
        for (var i = 0; i < count; i++)
        {
            Put($"d/name-{i}");
        }

        return () => Assert.Equal(
            Enumerable.Range(0, count).Select(i => $"name-{i}").Order(StringComparer.Ordinal),
            Names("d").Order(StringComparer.Ordinal));
    }

    [PosixCheck]
    public void A_small_buffer_lists_the_same_names()
    {
        for (var i = 0; i < 50; i++)
        {
            Put($"name-{i}");
        }

        using var folder = Open(".", OpenFlags.ReadOnly);
        List<string> names = [];
        while (Sys.ReadFolder(folder.Number, out _, capacity: 64) is { } entries)
        {
            names.AddRange(entries.Select(entry => entry.Name));
        }

        Assert.Equal(52, names.Distinct().Count());
        Assert.Equal(52, names.Count);
    }

    [PosixCheck]
    public void A_buffer_too_small_for_one_entry_is_EINVAL()
    {
        using var folder = Open(".", OpenFlags.ReadOnly);
        Assert.Null(Sys.ReadFolder(folder.Number, out var result, capacity: 8));
        Fails(EINVAL, result);
    }

    [PosixCheck]
    public void Listing_a_file_is_ENOTDIR()
    {
        using var file = Make("f");
        Assert.Null(Sys.ReadFolder(file.Number, out var result));
        Fails(ENOTDIR, result);
    }

    [PosixCheck]
    public void A_listing_goes_on_where_a_seek_put_it()
    {
        for (var i = 0; i < 200; i++)
        {
            Put($"name-{i}");
        }

        using var folder = Open(".", OpenFlags.ReadOnly);
        List<FolderEntry> all = [];
        while (Sys.ReadFolder(folder.Number, out _, capacity: 512) is { } entries)
        {
            all.AddRange(entries);
        }

        foreach (var at in new[] { 3, 77, 150 })
        {
            Ok(folder.Seek(all[at].NextOffset, SeekFrom.Start));
            Assert.Equal(all[at + 1].Name, Sys.ReadFolder(folder.Number, out _)![0].Name);
        }
    }

    [PosixCheck]
    public void A_rewound_listing_shows_what_came_and_went_meanwhile()
    {
        Put("old");
        using var folder = Open(".", OpenFlags.ReadOnly);
        Assert.Contains("old", Sys.ReadFolder(folder.Number, out _)!.Select(entry => entry.Name));
        Ok(Sys.Unlink(P("old")));
        Put("new");
        Ok(folder.Seek(0, SeekFrom.Start));
        var names = Sys.ReadFolder(folder.Number, out _)!.Select(entry => entry.Name).ToList();
        Assert.Contains("new", names);
        Assert.DoesNotContain("old", names);
    }

    [PosixCheck]
    public void Removing_names_while_listing_loses_no_other()
    {
        for (var i = 0; i < 500; i++)
        {
            Put($"name-{i}");
        }

        using var folder = Open(".", OpenFlags.ReadOnly);
        HashSet<string> seen = [];
        while (Sys.ReadFolder(folder.Number, out _, capacity: 1024) is { } entries)
        {
            foreach (var entry in entries.Where(entry => entry.Name is not "." and not ".."))
            {
                Assert.True(seen.Add(entry.Name));
                Ok(Sys.Unlink(P(entry.Name)));
            }
        }

        Assert.Equal(500, seen.Count);
        Assert.Empty(Names());
    }

    [PosixCheck]
    public void Adding_names_while_listing_repeats_and_loses_none_that_stayed()
    {
        for (var i = 0; i < 300; i++)
        {
            Put($"stays-{i}");
        }

        using var folder = Open(".", OpenFlags.ReadOnly);
        List<string> seen = [];
        for (var i = 0; Sys.ReadFolder(folder.Number, out _, capacity: 1024) is { } entries; i++)
        {
            seen.AddRange(entries.Select(entry => entry.Name).Where(name => name.StartsWith("stays", StringComparison.Ordinal)));
            Put($"added-{i}");
        }

        Assert.Equal(300, seen.Count);
        Assert.Equal(300, seen.Distinct().Count());
    }

    [PosixCheck]
    public Action A_tree_of_folders_is_kept()
    {
        var path = "d";
        for (var i = 0; i < 40; i++)
        {
            Mkdir(path);
            Put($"{path}/f", path);
            path += "/d";
        }

        return () =>
        {
            for (var deep = path[..^2]; deep.Length > 0; deep = deep.Length > 2 ? deep[..^2] : "")
            {
                Assert.Equal(deep, Text($"{deep}/f"));
            }
        };
    }

    [PosixCheck]
    public Action Removed_folders_stay_removed()
    {
        Mkdir("d");
        Mkdir("kept");
        Ok(Sys.Rmdir(P("d")));
        return () => Assert.Equal(["kept"], Names());
    }

    [PosixCheck]
    public void A_folder_can_be_made_again_after_it_was_removed()
    {
        for (var i = 0; i < 20; i++)
        {
            Mkdir("d");
            Put("d/f");
            Ok(Sys.Unlink(P("d/f")));
            Ok(Sys.Rmdir(P("d")));
        }

        Assert.False(Exists("d"));
    }

    [PosixCheck]
    public void Of_many_threads_that_make_one_folder_one_wins()
    {
        for (var round = 0; round < 20; round++)
        {
            var wins = 0;
            Parallel.For(0, 8, _ => Interlocked.Add(ref wins, Sys.Mkdir(P($"d{round}"), Oct(755)) == 0 ? 1 : 0));
            Assert.Equal(1, wins);
        }
    }

    [PosixCheck]
    public void Many_threads_add_to_one_folder_and_lose_nothing()
    {
        Parallel.For(0, 8, worker =>
        {
            for (var i = 0; i < 50; i++)
            {
                Put($"{worker}-{i}");
            }
        });
        Assert.Equal(400, Names().Distinct().Count());
    }
}
