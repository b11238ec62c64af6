using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>Who may do what: users, groups, sticky and set-id bits.</summary>
internal sealed class PermissionChecks : PosixChecks
{
    private const int Reading = 4;
    private const int Writing = 2;
    private const int Executing = 1;

    [PosixCheck(400, true, false)]
    [PosixCheck(200, false, true)]
    [PosixCheck(600, true, true)]
    [PosixCheck(0, false, false)]
    [PosixCheck(77, false, false)]
    public void The_owner_may_what_the_owner_s_bits_say(int mode, bool reads, bool writes)
    {
        PutAs("f", mode, Alice, Team);
        As(Alice, () => Allows("f", reads, writes), Team);
    }

    [PosixCheck(40, true, false)]
    [PosixCheck(20, false, true)]
    [PosixCheck(60, true, true)]
    [PosixCheck(707, false, false)]
    public void A_member_of_the_group_may_what_the_group_s_bits_say(int mode, bool reads, bool writes)
    {
        PutAs("f", mode, Alice, Team);
        As(Bob, () => Allows("f", reads, writes), Team);
    }

    [PosixCheck(4, true, false)]
    [PosixCheck(2, false, true)]
    [PosixCheck(6, true, true)]
    [PosixCheck(770, false, false)]
    public void Anyone_else_may_what_the_last_bits_say(int mode, bool reads, bool writes)
    {
        PutAs("f", mode, Alice, Team);
        As(Bob, () => Allows("f", reads, writes));
    }

    [PosixCheck]
    public void Root_may_read_and_write_anything()
    {
        PutAs("f", 0, Alice, Team, "text");
        Assert.Equal("text", Text("f"));
        Allows("f", reads: true, writes: true);
    }

    [PosixCheck]
    public void Access_tells_what_a_user_may()
    {
        PutAs("f", 640, Alice, Team);
        As(Alice, () => Ok(Sys.Access(P("f"), Reading | Writing)));
        As(Alice, () => Fails(EACCES, Sys.Access(P("f"), Executing)));
        As(Bob, () => Ok(Sys.Access(P("f"), Reading)), Team);
        As(Bob, () => Fails(EACCES, Sys.Access(P("f"), Writing)), Team);
        As(Bob, () => Fails(EACCES, Sys.Access(P("f"), Reading)));
        As(Bob, () => Ok(Sys.Access(P("f"), 0)));
    }

    [PosixCheck]
    public void Root_may_execute_only_what_somebody_may()
    {
        PutAs("f", 644, Alice, Alice);
        Fails(EACCES, Sys.Access(P("f"), Executing));
        Ok(Sys.ChangeMode(P("f"), Oct(1)));
        Ok(Sys.Access(P("f"), Executing));
    }

    [PosixCheck]
    public void A_folder_without_search_hides_all_below()
    {
        MkdirAs("d", 755, Alice, Alice);
        Put("d/f");
        Ok(Sys.ChangeMode(P("d"), Oct(644)));
        As(Bob, () =>
        {
            Fails(EACCES, Sys.Open(P("d/f"), OpenFlags.ReadOnly));
            Fails(EACCES, Sys.Stat(P("d/f"), out _));
            Fails(EACCES, Sys.Stat(P("d/none"), out _));
            Assert.Equal(["f"], Names("d"));
        });
    }

    [PosixCheck]
    public void A_folder_without_read_can_be_passed_but_not_listed()
    {
        MkdirAs("d", 755, Alice, Alice);
        Put("d/f", "text");
        Ok(Sys.ChangeMode(P("d"), Oct(711)));
        As(Bob, () =>
        {
            Fails(EACCES, Sys.Open(P("d"), OpenFlags.ReadOnly));
            Assert.Equal("text", Text("d/f"));
        });
    }

    [PosixCheck]
    public void A_folder_without_write_takes_no_change_of_names()
    {
        MkdirAs("d", 755, Alice, Alice);
        Put("d/f");
        Mkdir("d/sub");
        As(Bob, () =>
        {
            Fails(EACCES, Sys.Open(P("d/new"), OpenFlags.WriteOnly | OpenFlags.Create, Oct(644)));
            Fails(EACCES, Sys.Mkdir(P("d/new"), Oct(755)));
            Fails(EACCES, Sys.Symlink("x", P("d/new")));
            Fails(EACCES, Sys.MakeNode(P("d/new"), ModeBits.Fifo | Oct(644)));
            Fails(EACCES, Sys.Unlink(P("d/f")));
            Fails(EACCES, Sys.Rmdir(P("d/sub")));
            Fails(EACCES, Sys.Rename(P("d/f"), P("d/g")));
            Fails(EACCES, Sys.Rename(P("d/f"), P("d/sub"), RenameMode.Exchange));
        });
    }

    [PosixCheck]
    public void The_owner_without_write_is_refused_as_anyone()
    {
        MkdirAs("d", 555, Alice, Alice);
        As(Alice, () => Fails(EACCES, Sys.Mkdir(P("d/new"), Oct(755))));
    }

    [PosixCheck]
    public void A_user_s_new_file_belongs_to_the_user_and_the_user_s_group()
    {
        MkdirAs("d", 777, 0, 0);
        As(Alice, () =>
        {
            Put("d/f");
            Mkdir("d/sub");
        });
        Assert.Equal(((uint)Alice, (uint)Alice), (Stat("d/f").UserId, Stat("d/f").GroupId));
        Assert.Equal(((uint)Alice, (uint)Alice), (Stat("d/sub").UserId, Stat("d/sub").GroupId));
    }

    [PosixCheck]
    public Action Owners_and_modes_are_kept()
    {
        PutAs("f", 4751, Alice, Team);
        MkdirAs("d", 3770, Bob, Team);
        return () =>
        {
            Assert.Equal((Oct(4751), (uint)Alice, (uint)Team), (Stat("f").Permissions, Stat("f").UserId, Stat("f").GroupId));
            Assert.Equal((Oct(3770), (uint)Bob, (uint)Team), (Stat("d").Permissions, Stat("d").UserId, Stat("d").GroupId));
        };
    }

    [PosixCheck]
    public void In_a_sticky_folder_only_the_owner_removes_a_file()
    {
        MkdirAs("d", 1777, 0, 0);
        As(Alice, () => Put("d/f"));
        As(Bob, () => Fails(EPERM, Sys.Unlink(P("d/f"))));
        As(Alice, () => Ok(Sys.Unlink(P("d/f"))));
    }

    [PosixCheck]
    public void In_a_sticky_folder_only_the_owner_renames_a_file()
    {
        MkdirAs("d", 1777, 0, 0);
        As(Alice, () => Put("d/f"));
        As(Bob, () => Fails(EPERM, Sys.Rename(P("d/f"), P("d/g"))));
        As(Alice, () => Ok(Sys.Rename(P("d/f"), P("d/g"))));
    }

    [PosixCheck]
    public void In_a_sticky_folder_nobody_replaces_another_s_file()
    {
        MkdirAs("d", 1777, 0, 0);
        As(Alice, () => Put("d/f", "kept"));
        As(Bob, () =>
        {
            Put("d/own");
            Fails(EPERM, Sys.Rename(P("d/own"), P("d/f")));
            Fails(EPERM, Sys.Rename(P("d/own"), P("d/f"), RenameMode.Exchange));
        });
        Assert.Equal("kept", Text("d/f"));
    }

    [PosixCheck]
    public void In_a_sticky_folder_only_the_owner_removes_a_folder()
    {
        MkdirAs("d", 1777, 0, 0);
        As(Alice, () => Mkdir("d/sub"));
        As(Bob, () => Fails(EPERM, Sys.Rmdir(P("d/sub"))));
        As(Alice, () => Ok(Sys.Rmdir(P("d/sub"))));
    }

    [PosixCheck]
    public void The_owner_of_a_sticky_folder_removes_anything_in_it()
    {
        MkdirAs("d", 1777, Alice, Alice);
        As(Bob, () => Put("d/f"));
        As(Alice, () => Ok(Sys.Unlink(P("d/f"))));
    }

    [PosixCheck]
    public void Root_removes_anything_in_a_sticky_folder()
    {
        MkdirAs("d", 1777, Bob, Bob);
        As(Alice, () => Put("d/f"));
        Ok(Sys.Unlink(P("d/f")));
    }

    [PosixCheck]
    public void Without_sticky_anyone_who_may_write_the_folder_removes()
    {
        MkdirAs("d", 777, 0, 0);
        As(Alice, () => Put("d/f"));
        As(Bob, () => Ok(Sys.Unlink(P("d/f"))));
    }

    [PosixCheck]
    public void In_a_setgid_folder_new_names_get_its_group()
    {
        MkdirAs("d", 2777, 0, Team);
        As(Alice, () =>
        {
            Put("d/f");
            Ok(Sys.MakeNode(P("d/p"), ModeBits.Fifo | Oct(644)));
            Ok(Sys.Symlink("x", P("d/l")));
        });
        Assert.Equal(((uint)Team, (uint)Team, (uint)Team), (Stat("d/f").GroupId, Stat("d/p").GroupId, Stat("d/l").GroupId));
    }

    [PosixCheck]
    public void In_a_setgid_folder_new_folders_get_its_group_and_its_bit()
    {
        MkdirAs("d", 2777, 0, Team);
        As(Alice, () =>
        {
            Mkdir("d/sub");
            Mkdir("d/sub/deep");
        });
        Assert.Equal(((uint)Team, Oct(2755)), (Stat("d/sub").GroupId, Stat("d/sub").Permissions));
        Assert.Equal(((uint)Team, Oct(2755)), (Stat("d/sub/deep").GroupId, Stat("d/sub/deep").Permissions));
    }

    [PosixCheck]
    public void A_file_moved_into_a_setgid_folder_keeps_its_group()
    {
        MkdirAs("d", 2777, 0, Team);
        Put("f");
        Ok(Sys.Rename(P("f"), P("d/f")));
        Assert.Equal(0u, Stat("d/f").GroupId);
    }

    [PosixCheck]
    public void The_setgid_bit_asked_for_by_one_outside_the_group_is_dropped()
    {
        MkdirAs("d", 2777, 0, Team);
        As(Alice, () => Open("d/f", OpenFlags.WriteOnly | OpenFlags.Create, Oct(2755)).Dispose());
        Assert.Equal(Oct(755), Stat("d/f").Permissions);
        As(Alice, () => Open("d/g", OpenFlags.WriteOnly | OpenFlags.Create, Oct(2755)).Dispose(), Team);
        Assert.Equal(Oct(2755), Stat("d/g").Permissions);
    }

    [PosixCheck]
    public void Only_the_owner_and_root_change_the_mode()
    {
        PutAs("f", 666, Alice, Team);
        As(Bob, () => Fails(EPERM, Sys.ChangeMode(P("f"), Oct(600))), Team);
        As(Alice, () => Ok(Sys.ChangeMode(P("f"), Oct(640))));
        Assert.Equal(Oct(640), Stat("f").Permissions);
        Ok(Sys.ChangeMode(P("f"), Oct(604)));
        Assert.Equal(Oct(604), Stat("f").Permissions);
    }

    [PosixCheck]
    public void An_owner_outside_the_group_loses_the_setgid_bit_on_chmod()
    {
        PutAs("f", 755, Alice, Team);
        As(Alice, () => Ok(Sys.ChangeMode(P("f"), Oct(2755))));
        Assert.Equal(Oct(755), Stat("f").Permissions);
        As(Alice, () => Ok(Sys.ChangeMode(P("f"), Oct(2755))), Team);
        Assert.Equal(Oct(2755), Stat("f").Permissions);
    }

    [PosixCheck]
    public void A_mode_changes_through_a_descriptor_that_only_reads()
    {
        PutAs("f", 644, Alice, Alice);
        As(Alice, () =>
        {
            using var file = Open("f", OpenFlags.ReadOnly);
            Ok(Sys.ChangeMode(file.Number, Oct(600)));
        });
        Assert.Equal(Oct(600), Stat("f").Permissions);
    }

    [PosixCheck]
    public void A_descriptor_outlives_the_right_it_was_opened_with()
    {
        PutAs("f", 600, Alice, Alice);
        As(Alice, () =>
        {
            using var file = Open("f");
            Ok(Sys.ChangeMode(P("f"), 0));
            file.Write("text", 0);
            Assert.Equal("text", file.Text());
            Fails(EACCES, Sys.Open(P("f"), OpenFlags.ReadOnly));
        });
    }

    [PosixCheck]
    public void Only_root_gives_a_file_away()
    {
        PutAs("f", 644, Alice, Alice);
        As(Alice, () => Fails(EPERM, Sys.ChangeOwner(P("f"), Bob, -1)));
        As(Bob, () => Fails(EPERM, Sys.ChangeOwner(P("f"), Bob, -1)));
        Ok(Sys.ChangeOwner(P("f"), Bob, -1));
        Assert.Equal(((uint)Bob, (uint)Alice), (Stat("f").UserId, Stat("f").GroupId));
    }

    [PosixCheck]
    public void An_owner_may_choose_among_own_groups()
    {
        PutAs("f", 644, Alice, Alice);
        As(Alice, () => Ok(Sys.ChangeOwner(P("f"), -1, Team)), Team);
        Assert.Equal((uint)Team, Stat("f").GroupId);
        As(Alice, () => Fails(EPERM, Sys.ChangeOwner(P("f"), -1, Bob)), Team);
    }

    [PosixCheck]
    public void No_owner_and_no_group_changes_nothing()
    {
        PutAs("f", 644, Alice, Team);
        Ok(Sys.ChangeOwner(P("f"), -1, -1));
        Assert.Equal(((uint)Alice, (uint)Team), (Stat("f").UserId, Stat("f").GroupId));
    }

    [PosixCheck]
    public void A_user_s_chown_clears_setuid_and_setgid_of_a_program()
    {
        PutAs("f", 6755, Alice, Alice);
        As(Alice, () => Ok(Sys.ChangeOwner(P("f"), -1, Team)), Team);
        Assert.Equal(Oct(755), Stat("f").Permissions);
    }

    [PosixCheck]
    public void A_user_s_write_clears_setuid_and_setgid_of_a_program()
    {
        PutAs("f", 6777, Alice, Alice, "text");
        As(Bob, () =>
        {
            using var file = Open("f", OpenFlags.WriteOnly);
            file.Write("x", 0);
            file.Close();
        });
        Assert.Equal(Oct(777), Stat("f").Permissions);
    }

    [PosixCheck]
    public void A_user_s_truncate_clears_setuid_and_setgid_of_a_program()
    {
        PutAs("f", 6777, Alice, Alice, "text");
        As(Bob, () => Ok(Sys.Truncate(P("f"), 1)));
        Assert.Equal(Oct(777), Stat("f").Permissions);
    }

    [PosixCheck]
    public void A_write_by_root_keeps_setuid()
    {
        PutAs("f", 4755, Alice, Alice, "text");
        using var file = Open("f", OpenFlags.WriteOnly);
        file.Write("x", 0);
        Assert.Equal(Oct(4755), Stat("f").Permissions);
    }

    [PosixCheck]
    public void Only_the_owner_sets_times_to_a_value()
    {
        PutAs("f", 666, Alice, Alice);
        FileTime then = new(5, 0);
        As(Bob, () => Fails(EPERM, Sys.SetTimes(P("f"), then, then)));
        As(Alice, () => Ok(Sys.SetTimes(P("f"), then, then)));
    }

    [PosixCheck]
    public void Who_may_write_sets_times_to_now()
    {
        PutAs("f", 664, Alice, Team);
        As(Bob, () => Fails(EACCES, Sys.SetTimesToNow(P("f"))));
        As(Bob, () => Ok(Sys.SetTimesToNow(P("f"))), Team);
    }

    [PosixCheck]
    public void Truncate_needs_the_right_to_write()
    {
        PutAs("f", 644, Alice, Alice, "text");
        As(Bob, () => Fails(EACCES, Sys.Truncate(P("f"), 0)));
        As(Bob, () => Fails(EACCES, Sys.Open(P("f"), OpenFlags.ReadOnly | OpenFlags.Truncate)));
        Assert.Equal("text", Text("f"));
    }

    [PosixCheck]
    public void A_new_file_of_mode_0_can_be_written_by_the_descriptor_that_made_it()
    {
        MkdirAs("d", 777, 0, 0);
        As(Alice, () =>
        {
            using var file = Open("d/f", OpenFlags.ReadWrite | OpenFlags.Create, 0);
            file.Write("text", 0);
            Assert.Equal("text", file.Text());
            Fails(EACCES, Sys.Open(P("d/f"), OpenFlags.ReadOnly));
        });
    }

    [PosixCheck]
    public void A_folder_moves_to_another_parent_only_with_the_right_to_write_it()
    {
        MkdirAs("a", 777, 0, 0);
        MkdirAs("b", 777, 0, 0);
        MkdirAs("a/d", 755, Alice, Alice);
        As(Bob, () => Fails(EACCES, Sys.Rename(P("a/d"), P("b/d"))));
        As(Bob, () => Ok(Sys.Rename(P("a/d"), P("a/e"))));
        As(Alice, () => Ok(Sys.Rename(P("a/e"), P("b/d"))));
    }

    [PosixCheck]
    public void A_link_s_own_mode_is_no_hindrance()
    {
        PutAs("f", 600, Alice, Alice, "text");
        Ok(Sys.Symlink("f", P("l")));
        As(Alice, () => Assert.Equal("text", Text("l")));
        As(Bob, () => Fails(EACCES, Sys.Open(P("l"), OpenFlags.ReadOnly)));
    }

    [PosixCheck]
    public void Only_root_makes_devices()
    {
        MkdirAs("d", 777, 0, 0);
        As(Alice, () => Fails(EPERM, Sys.MakeNode(P("d/c"), ModeBits.Character | Oct(666), 1, 3)));
        As(Alice, () => Fails(EPERM, Sys.MakeNode(P("d/b"), ModeBits.Block | Oct(666), 7, 0)));
        As(Alice, () => Ok(Sys.MakeNode(P("d/p"), ModeBits.Fifo | Oct(666))));
    }

    [PosixCheck]
    public void Sticky_and_setgid_come_with_mkdir_and_chmod()
    {
        Mkdir("d", 1755);
        Assert.Equal(Oct(1755), Stat("d").Permissions);
        Ok(Sys.ChangeMode(P("d"), Oct(3777)));
        Assert.Equal(Oct(3777), Stat("d").Permissions);
    }

    [PosixCheck]
    public void NoAccessTime_is_for_the_owner()
    {
        PutAs("f", 644, Alice, Alice);
        As(Bob, () => Fails(EPERM, Sys.Open(P("f"), OpenFlags.ReadOnly | OpenFlags.NoAccessTime)));
        As(Alice, () => Open("f", OpenFlags.ReadOnly | OpenFlags.NoAccessTime).Dispose());
    }

    [PosixCheck]
    public void Large_user_and_group_numbers_are_kept()
    {
        Put("f");
        Ok(Sys.ChangeOwner(P("f"), 2_000_000_000, 2_100_000_000));
        Assert.Equal((2_000_000_000u, 2_100_000_000u), (Stat("f").UserId, Stat("f").GroupId));
    }

    [PosixCheck]
    public void A_member_by_a_further_group_is_a_member()
    {
        PutAs("f", 60, 0, Team, "text");
        As(Alice, () => Assert.Equal("text", Text("f")), 5001, 5002, Team, 5003);
    }

    private void Allows(string name, bool reads, bool writes)
    {
        Allows(reads, Sys.Open(P(name), OpenFlags.ReadOnly));
        Allows(writes, Sys.Open(P(name), OpenFlags.WriteOnly));
        Allows(reads && writes, Sys.Open(P(name), OpenFlags.ReadWrite));
    }

    private static void Allows(bool allowed, long opened)
    {
        if (allowed)
        {
            Ok(Sys.Close((int)Ok(opened)));
        }
        else
        {
            Fails(EACCES, opened);
        }
    }
}
