using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>The four time stamps and utimensat(2).</summary>
internal sealed class TimeChecks : PosixChecks
{
    private static readonly FileTime _now = new(0, FileTime.Now);
    private static readonly FileTime _omit = new(0, FileTime.Omit);

    [PosixCheck]
    public void A_new_file_s_times_are_now()
    {
        Put("before");
        Put("f");
        var (status, earlier) = (Stat("f"), Stat("before"));
        var clock = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        Assert.All([status.Accessed, status.Modified, status.Changed], time => Assert.InRange(time.Seconds, clock - 60, clock + 1));
        Assert.True(status.Changed >= earlier.Changed);
    }

    [PosixCheck(0L, 0L)]
    [PosixCheck(1L, 1L)]
    [PosixCheck(1000000000L, 123456789L)]
    [PosixCheck(2147483647L, 999999999L)]
    [PosixCheck(2147483648L, 5L)]
    [PosixCheck(4294967296L, 7L)]
    [PosixCheck(-1L, 0L)]
    [PosixCheck(-1000000000L, 5L)]
    public Action A_set_time_is_kept_to_the_nanosecond(long seconds, long nanoseconds)
    {
        Put("f");
        FileTime access = new(seconds, nanoseconds);
        FileTime modify = new(seconds, 999_999_999 - nanoseconds);
        Ok(Sys.SetTimes(P("f"), access, modify));
        return () => Assert.Equal((access, modify), (Stat("f").Accessed, Stat("f").Modified));
    }

    [PosixCheck]
    public void Now_and_omit_work_for_each_time()
    {
        Put("f");
        FileTime old = new(1000, 5);
        Ok(Sys.SetTimes(P("f"), old, old));
        Ok(Sys.SetTimes(P("f"), _omit, _now));
        Assert.Equal(old, Stat("f").Accessed);
        Assert.True(Stat("f").Modified > old);
        Ok(Sys.SetTimes(P("f"), _now, old));
        Assert.Equal(old, Stat("f").Modified);
        Assert.True(Stat("f").Accessed > old);
    }

    [PosixCheck]
    public void Omitting_both_changes_nothing()
    {
        Put("f");
        var before = Stat("f");
        NextTick();
        Ok(Sys.SetTimes(P("f"), _omit, _omit));
        Assert.Equal((before.Accessed, before.Modified, before.Changed), (Stat("f").Accessed, Stat("f").Modified, Stat("f").Changed));
    }

    [PosixCheck]
    public void No_times_means_now()
    {
        Put("f");
        Ok(Sys.SetTimes(P("f"), new FileTime(1, 0), new FileTime(1, 0)));
        Ok(Sys.SetTimesToNow(P("f")));
        Assert.True(Stat("f").Accessed.Seconds > 1 && Stat("f").Modified.Seconds > 1);
    }

    [PosixCheck]
    public void Nanoseconds_out_of_range_are_EINVAL()
    {
        Put("f");
        Fails(EINVAL, Sys.SetTimes(P("f"), new FileTime(1, 1_000_000_000), new FileTime(1, 0)));
        Fails(EINVAL, Sys.SetTimes(P("f"), new FileTime(1, -1), new FileTime(1, 0)));
    }

    [PosixCheck]
    public void Setting_times_moves_the_change_time()
    {
        Put("f");
        var before = Stat("f").Changed;
        NextTick();
        Ok(Sys.SetTimes(P("f"), new FileTime(5, 0), new FileTime(5, 0)));
        Assert.True(Stat("f").Changed > before);
    }

    [PosixCheck]
    public void The_times_of_a_link_can_be_set_alone()
    {
        Put("f");
        Ok(Sys.Symlink("f", P("l")));
        Ok(Sys.SetTimes(P("l"), new FileTime(5, 0), new FileTime(7, 0), follow: false));
        Assert.Equal(7, Stat("l").Modified.Seconds);
        Assert.NotEqual(7, Stat("f").Modified.Seconds);
    }

    [PosixCheck]
    public void Times_are_set_through_a_descriptor()
    {
        using var file = Make("f");
        Ok(Sys.SetTimes(file.Number, new FileTime(5, 0), new FileTime(7, 0)));
        Assert.Equal(7, Stat("f").Modified.Seconds);
    }

    [PosixCheck]
    public void Set_times_stay_while_the_file_is_open_and_was_written_before()
    {
        using var file = Make("f");
        file.Write(Pattern(1, 100_000), 0);
        Ok(Sys.SetTimes(P("f"), new FileTime(5, 0), new FileTime(7, 0)));
        Assert.Equal(7, file.Status.Modified.Seconds);
        Ok(Sys.Sync(file.Number));
        Assert.Equal(7, file.Status.Modified.Seconds);
    }

    [PosixCheck]
    public Action Set_times_stay_after_the_close_of_a_file_that_was_written()
    {
        using (var file = Make("f"))
        {
            file.Write(Pattern(1, 100_000), 0);
            Ok(Sys.SetTimes(file.Number, new FileTime(5, 0), new FileTime(7, 0)));
            file.Close();
        }

        return () => Assert.Equal(new FileTime(7, 0), Stat("f").Modified);
    }

    [PosixCheck]
    public void A_write_moves_modify_and_change_time() => Moves(modified: true, () =>
    {
        using var file = Open("f");
        file.Write("x", 0);
        file.Close();
    });

    [PosixCheck]
    public void A_truncate_to_another_length_moves_modify_and_change_time() => Moves(modified: true, () => Ok(Sys.Truncate(P("f"), 1)));

    [PosixCheck]
    public void Open_with_truncate_moves_modify_and_change_time() =>
        Moves(modified: true, () => Open("f", OpenFlags.WriteOnly | OpenFlags.Truncate).Close());

    [PosixCheck]
    public void Growth_by_fallocate_moves_modify_and_change_time() => Moves(modified: true, () =>
    {
        using var file = Open("f");
        Ok(Sys.Allocate(file.Number, 0, 0, 10_000));
    });

    [PosixCheck]
    public void A_changed_mode_moves_the_change_time_alone() => Moves(modified: false, () => Ok(Sys.ChangeMode(P("f"), Oct(600))));

    [PosixCheck]
    public void A_changed_owner_moves_the_change_time_alone() => Moves(modified: false, () => Ok(Sys.ChangeOwner(P("f"), Alice, Team)));

    [PosixCheck]
    public void A_link_moves_the_change_time_alone() => Moves(modified: false, () => Ok(Sys.Link(P("f"), P("l"))));

    [PosixCheck]
    public void The_removal_of_another_link_moves_the_change_time_alone()
    {
        Put("f", "text");
        Ok(Sys.Link(P("f"), P("l")));
        var before = Stat("f");
        NextTick();
        Ok(Sys.Unlink(P("l")));
        Assert.Equal(before.Modified, Stat("f").Modified);
        Assert.True(Stat("f").Changed > before.Changed);
    }

    [PosixCheck]
    public void A_rename_moves_the_change_time_of_the_file()
    {
        Put("f");
        var before = Stat("f").Changed;
        NextTick();
        Ok(Sys.Rename(P("f"), P("g")));
        Assert.True(Stat("g").Changed > before);
    }

    [PosixCheck]
    public void A_read_does_not_move_modify_or_change_time()
    {
        Put("f", "text");
        var before = Stat("f");
        NextTick();
        Text("f");
        Assert.Equal((before.Modified, before.Changed), (Stat("f").Modified, Stat("f").Changed));
    }

    [PosixCheck]
    public void A_failed_call_moves_no_time()
    {
        Mkdir("d");
        Put("d/f");
        var before = Stat("d");
        NextTick();
        Fails(EEXIST, Sys.Mkdir(P("d/f"), Oct(755)));
        Fails(ENOENT, Sys.Unlink(P("d/none")));
        Fails(ENOTEMPTY, Sys.Rmdir(P("d")));
        Assert.Equal((before.Modified, before.Changed), (Stat("d").Modified, Stat("d").Changed));
    }

    [PosixCheck]
    public void Create_moves_the_folder_s_times() => MovesFolder(() => Put("d/f"));

    [PosixCheck]
    public void Mkdir_moves_the_folder_s_times() => MovesFolder(() => Mkdir("d/e"));

    [PosixCheck]
    public void Symlink_moves_the_folder_s_times() => MovesFolder(() => Ok(Sys.Symlink("x", P("d/l"))));

    [PosixCheck]
    public void Link_moves_the_folder_s_times()
    {
        Put("f");
        MovesFolder(() => Ok(Sys.Link(P("f"), P("d/l"))));
    }

    [PosixCheck]
    public void Mknod_moves_the_folder_s_times() => MovesFolder(() => Ok(Sys.MakeNode(P("d/p"), ModeBits.Fifo | Oct(644))));

    [PosixCheck]
    public void Unlink_moves_the_folder_s_times() => MovesFolder(() => Ok(Sys.Unlink(P("d/there"))));

    [PosixCheck]
    public void Rmdir_moves_the_folder_s_times() => MovesFolder(() => Ok(Sys.Rmdir(P("d/sub"))));

    [PosixCheck]
    public void Rename_within_moves_the_folder_s_times() => MovesFolder(() => Ok(Sys.Rename(P("d/there"), P("d/other"))));

    [PosixCheck]
    public void Rename_out_moves_the_folder_s_times() => MovesFolder(() => Ok(Sys.Rename(P("d/there"), P("out"))));

    [PosixCheck]
    public void A_write_to_a_file_does_not_move_its_folder_s_times()
    {
        Mkdir("d");
        Put("d/f");
        var before = Stat("d");
        NextTick();
        using (var file = Open("d/f"))
        {
            file.Write("text", 0);
            file.Close();
        }

        Assert.Equal((before.Modified, before.Changed), (Stat("d").Modified, Stat("d").Changed));
    }

    [PosixCheck]
    public void A_birth_time_is_told_and_never_changes()
    {
        Put("f");
        var born = Stat("f").Born;
        NextTick();
        Ok(Sys.SetTimes(P("f"), new FileTime(5, 0), new FileTime(5, 0)));
        Ok(Sys.Rename(P("f"), P("g")));
        Assert.Equal(born, Stat("g").Born);
        Assert.NotEqual(0, born.Seconds);
    }

    [PosixCheck]
    public void Each_write_through_one_descriptor_moves_the_time_that_fstat_tells()
    {
        using var file = Make("f");
        for (var i = 0; i < 3; i++)
        {
            var before = file.Status.Modified;
            NextTick();
            file.Write("x", i);
            Assert.True(file.Status.Modified > before);
        }
    }

    private void Moves(bool modified, Action change)
    {
        Put("f", "text");
        var before = Stat("f");
        NextTick();
        change();
        Assert.True(Stat("f").Changed > before.Changed, "change time");
        Assert.True(modified == (Stat("f").Modified > before.Modified), "modify time");
    }

    private void MovesFolder(Action change)
    {
        Mkdir("d");
        Mkdir("d/sub");
        Put("d/there");
        var before = Stat("d");
        NextTick();
        change();
        Assert.True(Stat("d").Modified > before.Modified && Stat("d").Changed > before.Changed);
    }
}
