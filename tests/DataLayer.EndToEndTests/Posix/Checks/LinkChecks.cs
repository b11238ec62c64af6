using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>link(2), symlink(2) and readlink(2).</summary>
internal sealed class LinkChecks : PosixChecks
{
    [PosixCheck]
    public Action A_hard_link_is_the_same_file()
    {
        Put("a", "text");
        Ok(Sys.Link(P("a"), P("b")));
        return () =>
        {
            Assert.Equal((Stat("a").Inode, 2u, "text"), (Stat("b").Inode, Stat("b").LinkCount, Text("b")));
        };
    }

    [PosixCheck]
    public void A_write_through_one_name_is_read_through_the_other()
    {
        Put("a", "text");
        Ok(Sys.Link(P("a"), P("b")));
        using var file = Open("a");
        file.Write("next", 0);
        Assert.Equal("next", Text("b"));
    }

    [PosixCheck]
    public void Mode_and_owner_are_the_same_under_each_name()
    {
        Put("a");
        Ok(Sys.Link(P("a"), P("b")));
        Ok(Sys.ChangeMode(P("a"), Oct(600)));
        Ok(Sys.ChangeOwner(P("b"), Alice, Team));
        Assert.Equal((Oct(600), (uint)Alice), (Stat("b").Permissions, Stat("a").UserId));
    }

    [PosixCheck]
    public Action Removing_one_link_keeps_the_others()
    {
        Put("a", "text");
        Ok(Sys.Link(P("a"), P("b")));
        Ok(Sys.Link(P("a"), P("c")));
        Ok(Sys.Unlink(P("a")));
        return () => Assert.Equal((2u, "text"), (Stat("c").LinkCount, Text("b")));
    }

    [PosixCheck]
    public void A_link_in_another_folder_is_the_same_file()
    {
        Mkdir("d");
        Put("f", "text");
        Ok(Sys.Link(P("f"), P("d/g")));
        Assert.Equal(Stat("f").Inode, Stat("d/g").Inode);
    }

    [PosixCheck]
    public void A_name_that_is_there_is_EEXIST()
    {
        Put("a");
        Put("b");
        Mkdir("d");
        Fails(EEXIST, Sys.Link(P("a"), P("b")));
        Fails(EEXIST, Sys.Link(P("a"), P("d")));
        Fails(EEXIST, Sys.Link(P("a"), P("a")));
    }

    [PosixCheck]
    public void What_is_not_there_is_ENOENT()
    {
        Put("a");
        Fails(ENOENT, Sys.Link(P("none"), P("b")));
        Fails(ENOENT, Sys.Link(P("a"), P("none/b")));
    }

    [PosixCheck]
    public void A_link_to_a_folder_is_EPERM()
    {
        Mkdir("d");
        Fails(EPERM, Sys.Link(P("d"), P("e")));
    }

    [PosixCheck]
    public void A_link_to_another_file_system_is_EXDEV()
    {
        Put("a");
        Fails(EXDEV, Sys.Link(P("a"), "/dev/shm/posix-check"));
    }

    [PosixCheck]
    public void A_hard_link_to_a_symbolic_link_is_one_to_the_link_itself()
    {
        Put("f");
        Ok(Sys.Symlink("f", P("l")));
        Ok(Sys.Link(P("l"), P("m")));
        Assert.Equal((ModeBits.Link, 2u), (Stat("m").Kind, Stat("l").LinkCount));
    }

    [PosixCheck]
    public void With_follow_it_is_one_to_the_file()
    {
        Put("f");
        Ok(Sys.Symlink("f", P("l")));
        Ok(Sys.LinkAt(AtFlags.CurrentDirectory, P("l"), AtFlags.CurrentDirectory, P("m"), AtFlags.SymlinkFollow));
        Assert.Equal(Stat("f").Inode, Stat("m").Inode);
    }

    [PosixCheck]
    public void A_file_without_names_cannot_get_one_again()
    {
        using var file = Make("f");
        Ok(Sys.Unlink(P("f")));
        Fails(ENOENT, Sys.LinkAt(
            AtFlags.CurrentDirectory, $"/proc/self/fd/{file.Number}", AtFlags.CurrentDirectory, P("g"), AtFlags.SymlinkFollow));
    }

    [PosixCheck]
    public void A_fifo_can_have_two_names()
    {
        Ok(Sys.MakeNode(P("p"), ModeBits.Fifo | Oct(644)));
        Ok(Sys.Link(P("p"), P("q")));
        Assert.Equal(Stat("p").Inode, Stat("q").Inode);
    }

    [PosixCheck]
    public Action A_file_can_have_a_thousand_names()
    {
        Put("f", "text");
        for (var i = 0; i < 999; i++)
        {
            Ok(Sys.Link(P("f"), P($"l{i}")));
        }

        return () => Assert.Equal((1000u, "text"), (Stat("f").LinkCount, Text("l998")));
    }

    [PosixCheck]
    public void A_linked_file_keeps_its_name_where_the_other_is_replaced()
    {
        Put("a", "text");
        Ok(Sys.Link(P("a"), P("b")));
        Put("c", "other");
        Ok(Sys.Rename(P("c"), P("a")));
        Assert.Equal((1u, "text", "other"), (Stat("b").LinkCount, Text("b"), Text("a")));
    }

    [PosixCheck]
    public void Of_many_links_to_one_free_name_one_wins()
    {
        Put("f");
        for (var round = 0; round < 20; round++)
        {
            var wins = 0;
            Parallel.For(0, 8, _ => Interlocked.Add(ref wins, Sys.Link(P("f"), P($"l{round}")) == 0 ? 1 : 0));
            Assert.Equal(1, wins);
        }

        Assert.Equal(21u, Stat("f").LinkCount);
    }

    [PosixCheck(1)]
    [PosixCheck(59)]
    [PosixCheck(60)]
    [PosixCheck(255)]
    [PosixCheck(1000)]
    [PosixCheck(4000)]
    public Action A_symbolic_link_keeps_its_text(int length)
    {
        var target = string.Concat(Enumerable.Repeat("abcdefgh/", (length / 9) + 1))[..length];
        Ok(Sys.Symlink(target, P("l")));
        return () =>
        {
            Assert.Equal(target, Sys.ReadLink(P("l"), out _));
            Assert.Equal((ModeBits.Link, (long)length), (Stat("l").Kind, Stat("l").Size));
        };
    }

    [PosixCheck]
    public void A_symbolic_link_longer_than_a_path_is_ENAMETOOLONG() =>
        Fails(ENAMETOOLONG, Sys.Symlink(new string('x', 4096), P("l")));

    [PosixCheck]
    public void An_empty_symbolic_link_is_ENOENT() => Fails(ENOENT, Sys.Symlink("", P("l")));

    [PosixCheck]
    public void A_symbolic_link_over_a_name_is_EEXIST()
    {
        Put("f");
        Fails(EEXIST, Sys.Symlink("x", P("f")));
    }

    [PosixCheck]
    public void Reading_what_is_no_link_is_EINVAL()
    {
        Put("f");
        Mkdir("d");
        Sys.ReadLink(P("f"), out var ofFile);
        Sys.ReadLink(P("d"), out var ofFolder);
        Fails(EINVAL, ofFile);
        Fails(EINVAL, ofFolder);
    }

    [PosixCheck]
    public void A_short_buffer_cuts_the_link_s_text()
    {
        Ok(Sys.Symlink("target", P("l")));
        Assert.Equal("tar", Sys.ReadLink(P("l"), out _, capacity: 3));
    }

    [PosixCheck]
    public void A_symbolic_link_has_mode_777_and_the_caller_as_owner()
    {
        As(Alice, () => Fails(EACCES, Sys.Symlink("x", P("l"))));
        Ok(Sys.ChangeMode(P("."), Oct(777)));
        As(Alice, () => Ok(Sys.Symlink("x", P("l"))));
        Assert.Equal((Oct(777), (uint)Alice, (uint)Alice), (Stat("l").Permissions, Stat("l").UserId, Stat("l").GroupId));
    }

    [PosixCheck]
    public void A_symbolic_link_to_a_folder_leads_into_it()
    {
        Mkdir("d");
        Put("d/f", "text");
        Ok(Sys.Symlink("d", P("l")));
        Assert.Equal("text", Text("l/f"));
    }

    [PosixCheck]
    public void A_symbolic_link_that_climbs_leads_above()
    {
        Mkdir("d");
        Put("f", "text");
        Ok(Sys.Symlink("../f", P("d/l")));
        Assert.Equal("text", Text("d/l"));
    }

    [PosixCheck]
    public void Forty_symbolic_links_in_a_row_are_followed_and_forty_one_are_ELOOP()
    {
        Put("l0", "text");
        for (var i = 1; i <= 41; i++)
        {
            Ok(Sys.Symlink($"l{i - 1}", P($"l{i}")));
        }

        Assert.Equal("text", Text("l40"));
        Fails(ELOOP, Sys.Open(P("l41"), OpenFlags.ReadOnly));
    }

    [PosixCheck]
    public void A_symbolic_link_to_itself_is_ELOOP_for_every_call()
    {
        Ok(Sys.Symlink("l", P("l")));
        Fails(ELOOP, Sys.Stat(P("l"), out _, follow: true));
        Fails(ELOOP, Sys.Mkdir(P("l/d"), Oct(755)));
        Fails(ELOOP, Sys.Truncate(P("l"), 0));
        Fails(ELOOP, Sys.ChangeMode(P("l"), 0));
        Fails(ELOOP, Sys.Rename(P("l/x"), P("y")));
    }

    [PosixCheck]
    public void Removing_a_symbolic_link_keeps_what_it_leads_to()
    {
        Put("f", "text");
        Ok(Sys.Symlink("f", P("l")));
        Ok(Sys.Unlink(P("l")));
        Assert.Equal("text", Text("f"));
    }

    [PosixCheck]
    public void The_owner_of_a_symbolic_link_can_be_changed_alone()
    {
        Put("f");
        Ok(Sys.Symlink("f", P("l")));
        Ok(Sys.ChangeOwner(P("l"), Alice, Team, follow: false));
        Assert.Equal(((uint)Alice, 0u), (Stat("l").UserId, Stat("f").UserId));
    }
}

/// <summary>unlink(2), above all of files that are open.</summary>
internal sealed class UnlinkChecks : PosixChecks
{
    [PosixCheck]
    public Action An_unlinked_name_is_gone()
    {
        Put("f");
        Put("kept");
        Ok(Sys.Unlink(P("f")));
        return () => Assert.Equal(["kept"], Names());
    }

    [PosixCheck]
    public void A_name_that_is_not_there_is_ENOENT() => Fails(ENOENT, Sys.Unlink(P("none")));

    [PosixCheck]
    public void Through_a_file_as_a_folder_is_ENOTDIR()
    {
        Put("f");
        Fails(ENOTDIR, Sys.Unlink(P("f/g")));
    }

    [PosixCheck]
    public void A_slash_after_a_file_s_name_is_ENOTDIR()
    {
        Put("f");
        Fails(ENOTDIR, Sys.Unlink(P("f/")));
    }

    [PosixCheck]
    public void An_open_file_is_read_after_its_unlink()
    {
        using var file = Make("f", "text");
        Ok(Sys.Unlink(P("f")));
        Assert.Equal("text", file.Text());
    }

    [PosixCheck]
    public void An_open_file_is_written_grown_and_truncated_after_its_unlink()
    {
        using var file = Make("f", "text");
        Ok(Sys.Unlink(P("f")));
        var bytes = Pattern(1, 300_000);
        file.Write(bytes, 100);
        Assert.Equal(bytes, file.Read(300_000, 100));
        file.Truncate(1000);
        Assert.Equal(1000, file.Size);
        Ok(Sys.Sync(file.Number));
        Assert.Equal(bytes[..900], file.Read(2000, 100));
    }

    [PosixCheck]
    public void An_unlinked_file_that_is_open_has_no_links()
    {
        using var file = Make("f");
        Ok(Sys.Unlink(P("f")));
        Assert.Equal(0u, file.Status.LinkCount);
    }

    [PosixCheck]
    public void Mode_times_and_xattrs_of_an_unlinked_file_can_be_changed()
    {
        using var file = Make("f");
        Ok(Sys.Unlink(P("f")));
        Ok(Sys.ChangeMode(file.Number, Oct(600)));
        Ok(Sys.ChangeOwner(file.Number, Alice, Team));
        Ok(Sys.SetTimes(file.Number, new FileTime(5, 0), new FileTime(7, 0)));
        Ok(Sys.SetXattr(file.Number, "user.a", "b"u8));
        Assert.Equal((Oct(600), (uint)Alice, 7L), (file.Status.Permissions, file.Status.UserId, file.Status.Modified.Seconds));
        Assert.Equal(1, Ok(Sys.GetXattr(file.Number, "user.a", new byte[8])));
    }

    [PosixCheck]
    public void A_new_file_of_the_same_name_is_another_one()
    {
        using var old = Make("f", "old");
        Ok(Sys.Unlink(P("f")));
        using var fresh = Make("f", "new");
        Assert.NotEqual(old.Status.Inode, fresh.Status.Inode);
        Assert.Equal(("old", "new"), (old.Text(), fresh.Text()));
    }

    [PosixCheck]
    public void An_unlinked_file_is_opened_again_through_proc()
    {
        using var file = Make("f", "text");
        Ok(Sys.Unlink(P("f")));
        using var again = new PosixFile((int)Ok(Sys.Open($"/proc/self/fd/{file.Number}", OpenFlags.ReadWrite)));
        again.Write("next", 0);
        Assert.Equal("next", file.Text());
    }

    [PosixCheck]
    public void A_folder_can_go_while_a_file_that_was_in_it_is_open()
    {
        Mkdir("d");
        using var file = Make("d/f", "text");
        Ok(Sys.Unlink(P("d/f")));
        Ok(Sys.Rmdir(P("d")));
        Assert.Equal("text", file.Text());
    }

    [PosixCheck]
    public void The_space_of_an_unlinked_file_is_free_after_its_close()
    {
        using (var file = Make("f"))
        {
            for (var i = 0; i < 16; i++)
            {
                file.Write(Pattern(i, 1 << 20), (long)i << 20);
            }

            Ok(Sys.Sync(file.Number));
            Ok(Sys.Unlink(P("f")));
        }

        Put("g");
        using var folder = Open(".", OpenFlags.ReadOnly);
        Ok(Sys.SyncFileSystem(folder.Number));
        Ok(Sys.Space(P("."), out var space));
        Assert.True(space.FreeBlocks > 0);
        Assert.Equal(["g"], Names());
    }

    [PosixCheck]
    public void Of_many_threads_that_unlink_one_name_one_wins()
    {
        for (var round = 0; round < 20; round++)
        {
            Put($"f{round}");
            var wins = 0;
            Parallel.For(0, 8, _ => Interlocked.Add(ref wins, Sys.Unlink(P($"f{round}")) == 0 ? 1 : 0));
            Assert.Equal(1, wins);
        }
    }

    [PosixCheck]
    public void Files_are_made_and_removed_by_many_threads_at_once()
    {
        Parallel.For(0, 8, worker =>
        {
            for (var i = 0; i < 50; i++)
            {
                Put($"{worker}", "text");
                Assert.Equal("text", Text($"{worker}"));
                Ok(Sys.Unlink(P($"{worker}")));
            }
        });
        Assert.Empty(Names());
    }
}
