using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>open(2) and its flags.</summary>
internal sealed class OpenChecks : PosixChecks
{
    [PosixCheck]
    public void A_created_file_is_empty_regular_and_has_one_link()
    {
        Put("f");
        Assert.Equal((ModeBits.Regular, 0L, 1u), (Stat("f").Kind, Stat("f").Size, Stat("f").LinkCount));
    }

    [PosixCheck(0)]
    [PosixCheck(400)]
    [PosixCheck(644)]
    [PosixCheck(755)]
    [PosixCheck(777)]
    [PosixCheck(4755)]
    [PosixCheck(1777)]
    public void A_created_file_has_the_asked_mode_without_the_umask(int mode)
    {
        Open("f", OpenFlags.WriteOnly | OpenFlags.Create, Oct(mode)).Dispose();
        Assert.Equal(Oct(mode) & ~Oct(22), Stat("f").Permissions);
    }

    [PosixCheck(0)]
    [PosixCheck(77)]
    [PosixCheck(777)]
    public void The_umask_of_the_caller_counts(int mask)
    {
        Sys.SetUmask(Oct(mask));
        Open("f", OpenFlags.WriteOnly | OpenFlags.Create, Oct(666)).Dispose();
        Assert.Equal(Oct(666) & ~Oct(mask), Stat("f").Permissions);
    }

    [PosixCheck]
    public void A_descriptor_made_with_mode_0_can_still_be_written_and_read()
    {
        using var file = Open("f", OpenFlags.ReadWrite | OpenFlags.Create, 0);
        file.Write("text", 0);
        Assert.Equal("text", file.Text());
    }

    [PosixCheck]
    public void A_name_that_is_not_there_is_ENOENT() => Fails(ENOENT, Sys.Open(P("none"), OpenFlags.ReadOnly));

    [PosixCheck]
    public void Create_in_a_folder_that_is_not_there_is_ENOENT() =>
        Fails(ENOENT, Sys.Open(P("none/f"), OpenFlags.WriteOnly | OpenFlags.Create, Oct(644)));

    [PosixCheck]
    public void An_empty_path_is_ENOENT() => Fails(ENOENT, Sys.Open("", OpenFlags.ReadOnly));

    [PosixCheck]
    public void Exclusive_create_of_a_name_that_is_there_is_EEXIST()
    {
        Put("f");
        Fails(EEXIST, Sys.Open(P("f"), OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive, Oct(644)));
    }

    [PosixCheck]
    public void Exclusive_create_of_a_folder_s_name_is_EEXIST()
    {
        Mkdir("d");
        Fails(EEXIST, Sys.Open(P("d"), OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive, Oct(644)));
    }

    [PosixCheck]
    public void Exclusive_create_over_a_dangling_link_is_EEXIST_and_makes_nothing()
    {
        Ok(Sys.Symlink("target", P("l")));
        Fails(EEXIST, Sys.Open(P("l"), OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive, Oct(644)));
        Assert.False(Exists("target"));
    }

    [PosixCheck]
    public void Create_through_a_dangling_link_makes_its_target()
    {
        Ok(Sys.Symlink("target", P("l")));
        Open("l", OpenFlags.WriteOnly | OpenFlags.Create).Dispose();
        Assert.Equal(ModeBits.Regular, Stat("target").Kind);
    }

    [PosixCheck]
    public void Create_of_a_name_that_is_there_keeps_content_and_mode()
    {
        Put("f", "kept");
        Open("f", OpenFlags.WriteOnly | OpenFlags.Create, Oct(600)).Dispose();
        Assert.Equal(("kept", Oct(644)), (Text("f"), Stat("f").Permissions));
    }

    [PosixCheck]
    public Action Truncate_empties_the_file()
    {
        Put("f", "some text");
        Open("f", OpenFlags.WriteOnly | OpenFlags.Truncate).Close();
        return () => Assert.Equal(0, Stat("f").Size);
    }

    [PosixCheck]
    public void Truncate_keeps_inode_and_mode()
    {
        Put("f", "some text");
        var before = Stat("f");
        Open("f", OpenFlags.WriteOnly | OpenFlags.Truncate | OpenFlags.Create, Oct(600)).Dispose();
        Assert.Equal((before.Inode, before.Mode), (Stat("f").Inode, Stat("f").Mode));
    }

    [PosixCheck]
    public void Another_descriptor_sees_the_truncate()
    {
        using var other = Make("f", "some text");
        Open("f", OpenFlags.WriteOnly | OpenFlags.Truncate).Dispose();
        Assert.Equal(0, other.Size);
        Assert.Empty(other.Read(9, 0));
    }

    [PosixCheck]
    public void A_read_only_descriptor_cannot_write()
    {
        Put("f");
        using var file = Open("f", OpenFlags.ReadOnly);
        Fails(EBADF, Sys.Write(file.Number, "x"u8));
    }

    [PosixCheck]
    public void A_write_only_descriptor_cannot_read()
    {
        Put("f", "text");
        using var file = Open("f", OpenFlags.WriteOnly);
        Fails(EBADF, Sys.Read(file.Number, new byte[4]));
    }

    [PosixCheck]
    public void A_read_only_descriptor_cannot_truncate()
    {
        Put("f", "text");
        using var file = Open("f", OpenFlags.ReadOnly);
        Fails(EINVAL, Sys.Truncate(file.Number, 0));
    }

    [PosixCheck]
    public void A_read_only_descriptor_cannot_allocate()
    {
        Put("f", "text");
        using var file = Open("f", OpenFlags.ReadOnly);
        Fails(EBADF, Sys.Allocate(file.Number, 0, 0, 4096));
    }

    [PosixCheck(OpenFlags.WriteOnly)]
    [PosixCheck(OpenFlags.ReadWrite)]
    [PosixCheck(OpenFlags.ReadOnly | OpenFlags.Create)]
    public void A_folder_opened_other_than_to_read_is_EISDIR(int flags)
    {
        Mkdir("d");
        Fails(EISDIR, Sys.Open(P("d"), flags, Oct(644)));
    }

    [PosixCheck]
    public void Reading_a_folder_as_a_file_is_EISDIR()
    {
        Mkdir("d");
        using var folder = Open("d", OpenFlags.ReadOnly);
        Fails(EISDIR, Sys.Read(folder.Number, new byte[16]));
    }

    [PosixCheck]
    public void Directory_on_a_file_is_ENOTDIR()
    {
        Put("f");
        Fails(ENOTDIR, Sys.Open(P("f"), OpenFlags.ReadOnly | OpenFlags.Directory));
    }

    [PosixCheck]
    public void A_file_as_a_folder_on_the_way_is_ENOTDIR()
    {
        Put("f");
        Fails(ENOTDIR, Sys.Open(P("f/g"), OpenFlags.ReadOnly));
    }

    [PosixCheck]
    public void A_file_with_a_slash_at_its_end_is_ENOTDIR()
    {
        Put("f");
        Fails(ENOTDIR, Sys.Open(P("f/"), OpenFlags.ReadOnly));
    }

    [PosixCheck]
    public void Create_with_a_slash_at_the_end_is_EISDIR() =>
        Fails(EISDIR, Sys.Open(P("f/"), OpenFlags.WriteOnly | OpenFlags.Create, Oct(644)));

    [PosixCheck]
    public void NoFollow_on_a_link_is_ELOOP()
    {
        Put("f");
        Ok(Sys.Symlink("f", P("l")));
        Fails(ELOOP, Sys.Open(P("l"), OpenFlags.ReadOnly | OpenFlags.NoFollow));
    }

    [PosixCheck]
    public void NoFollow_minds_only_the_last_name()
    {
        Mkdir("d");
        Put("d/f", "text");
        Ok(Sys.Symlink("d", P("l")));
        using var file = Open("l/f", OpenFlags.ReadOnly | OpenFlags.NoFollow);
        Assert.Equal("text", file.Text());
    }

    [PosixCheck]
    public void Links_that_lead_in_a_circle_are_ELOOP()
    {
        Ok(Sys.Symlink("b", P("a")));
        Ok(Sys.Symlink("a", P("b")));
        Fails(ELOOP, Sys.Open(P("a"), OpenFlags.ReadOnly));
    }

    [PosixCheck]
    public void PathOnly_gives_a_descriptor_that_cannot_read()
    {
        Put("f", "text");
        using var file = Open("f", OpenFlags.PathOnly);
        Fails(EBADF, Sys.Read(file.Number, new byte[4]));
        Assert.Equal(4, file.Size);
    }

    [PosixCheck]
    public void PathOnly_with_NoFollow_gives_the_link_itself()
    {
        Ok(Sys.Symlink("none", P("l")));
        using var link = Open("l", OpenFlags.PathOnly | OpenFlags.NoFollow);
        Assert.Equal(ModeBits.Link, link.Status.Kind);
    }

    [PosixCheck]
    public void Temporary_files_have_no_name_and_no_link()
    {
        using var file = Open(".", OpenFlags.ReadWrite | OpenFlags.Temporary, Oct(600));
        file.Write("text", 0);
        Assert.Equal((0u, "text"), (file.Status.LinkCount, file.Text()));
        Assert.Empty(Names());
    }

    [PosixCheck]
    public Action A_temporary_file_can_be_given_a_name()
    {
        using (var file = Open(".", OpenFlags.ReadWrite | OpenFlags.Temporary, Oct(600)))
        {
            file.Write("text", 0);
            Name(file, "f");
            Assert.Equal(1u, file.Status.LinkCount);
        }

        return () => Assert.Equal("text", Text("f"));
    }

    [PosixCheck]
    public Action A_temporary_file_keeps_a_large_content_when_it_gets_a_name()
    {
        var bytes = Pattern(1, 3_000_000);
        using (var file = Open(".", OpenFlags.ReadWrite | OpenFlags.Temporary, Oct(640)))
        {
            file.Write(bytes.AsSpan(0, 2_000_000), 0);
            Ok(Sys.Sync(file.Number));
            Name(file, "f");
            file.Write(bytes.AsSpan(2_000_000), 2_000_000);
            file.Close();
        }

        return () => Holds("f", bytes);
    }

    [PosixCheck]
    public void A_temporary_file_with_a_name_lives_on_like_any_other()
    {
        using (var file = Open(".", OpenFlags.ReadWrite | OpenFlags.Temporary, Oct(600)))
        {
            file.Write("text", 0);
            Name(file, "f");
            Fails(EEXIST, Sys.LinkAt(
                AtFlags.CurrentDirectory, $"/proc/self/fd/{file.Number}", AtFlags.CurrentDirectory, P("f"), AtFlags.SymlinkFollow));
            Name(file, "g");
        }

        Ok(Sys.Unlink(P("f")));
        Ok(Sys.Rename(P("g"), P("h")));
        Assert.Equal((1u, "text"), (Stat("h").LinkCount, Text("h")));
    }

    [PosixCheck]
    public void A_temporary_file_in_a_setgid_folder_gets_its_group()
    {
        MkdirAs("d", 2777, 0, Team);
        using var file = Open("d", OpenFlags.ReadWrite | OpenFlags.Temporary, Oct(600));
        Assert.Equal((uint)Team, file.Status.GroupId);
    }

    [PosixCheck]
    public void An_exclusive_temporary_file_cannot_be_given_a_name()
    {
        using var file = Open(".", OpenFlags.ReadWrite | OpenFlags.Temporary | OpenFlags.Exclusive, Oct(600));
        Fails(ENOENT, Sys.LinkAt(
            AtFlags.CurrentDirectory, $"/proc/self/fd/{file.Number}", AtFlags.CurrentDirectory, P("f"), AtFlags.SymlinkFollow));
    }

    [PosixCheck]
    public void A_temporary_file_in_a_name_that_is_no_folder_is_ENOTDIR()
    {
        Put("f");
        Fails(ENOTDIR, Sys.Open(P("f"), OpenFlags.ReadWrite | OpenFlags.Temporary, Oct(600)));
    }

    [PosixCheck]
    public void A_read_only_temporary_file_is_EINVAL() =>
        Fails(EINVAL, Sys.Open(P("."), OpenFlags.ReadOnly | OpenFlags.Temporary, Oct(600)));

    [PosixCheck]
    public void A_path_from_a_folder_s_descriptor_is_resolved_there()
    {
        Mkdir("d");
        Put("d/f", "text");
        using var folder = Open("d", OpenFlags.ReadOnly);
        using var file = new PosixFile((int)Ok(Sys.OpenAt(folder.Number, "f", OpenFlags.ReadOnly)));
        Assert.Equal("text", file.Text());
    }

    [PosixCheck]
    public void A_descriptor_follows_its_folder_through_a_rename()
    {
        Mkdir("d");
        using var folder = Open("d", OpenFlags.ReadOnly);
        Ok(Sys.Rename(P("d"), P("e")));
        new PosixFile((int)Ok(Sys.OpenAt(folder.Number, "f", OpenFlags.WriteOnly | OpenFlags.Create, Oct(644)))).Dispose();
        Assert.True(Exists("e/f"));
    }

    [PosixCheck]
    public void Create_in_a_folder_that_was_removed_is_ENOENT()
    {
        Mkdir("d");
        using var folder = Open("d", OpenFlags.ReadOnly);
        Ok(Sys.Rmdir(P("d")));
        Fails(ENOENT, Sys.OpenAt(folder.Number, "f", OpenFlags.WriteOnly | OpenFlags.Create, Oct(644)));
    }

    [PosixCheck]
    public void Of_many_exclusive_creates_at_once_one_wins()
    {
        for (var round = 0; round < 20; round++)
        {
            var wins = 0;
            Parallel.For(0, 8, _ =>
            {
                var file = Sys.Open(P($"f{round}"), OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive, Oct(644));
                if (file >= 0)
                {
                    Interlocked.Increment(ref wins);
                    Sys.Close((int)file);
                }
            });
            Assert.Equal(1, wins);
        }
    }

    [PosixCheck]
    public void A_thousand_descriptors_of_one_file_read_the_same()
    {
        Put("f", "text");
        List<PosixFile> open = [.. Enumerable.Range(0, 1000).Select(_ => Open("f"))];
        open[0].Write("next", 0);
        Assert.All(open, file => Assert.Equal("next", file.Text()));
        open.ForEach(file => file.Dispose());
    }

    [PosixCheck]
    public void The_position_of_a_duplicated_descriptor_is_shared()
    {
        using var file = Make("f", "some text");
        using var twin = new PosixFile((int)Ok(Sys.Duplicate(file.Number)));
        Assert.Equal("some", file.ReadText(4));
        Assert.Equal(" text", twin.ReadText(9));
    }

    [PosixCheck]
    public void Opening_again_through_proc_gives_the_same_file()
    {
        using var file = Make("f", "text");
        using var again = new PosixFile((int)Ok(Sys.Open($"/proc/self/fd/{file.Number}", OpenFlags.ReadOnly)));
        Assert.Equal((file.Status.Inode, "text"), (again.Status.Inode, again.Text()));
    }

    private void Name(PosixFile file, string name) => Ok(Sys.LinkAt(
        AtFlags.CurrentDirectory, $"/proc/self/fd/{file.Number}", AtFlags.CurrentDirectory, P(name), AtFlags.SymlinkFollow));
}
