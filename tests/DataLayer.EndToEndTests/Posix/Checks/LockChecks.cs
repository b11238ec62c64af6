using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>Locks of fcntl(2), owned by a process or by an open file, and of flock(2).</summary>
internal sealed class LockChecks : PosixChecks
{
    [PosixCheck]
    public void Another_process_cannot_lock_what_is_locked_to_write()
    {
        using var file = Make("f", "text");
        Ok(Set(file, LockFlags.Write));
        InAnotherProcess(other => Fails(EAGAIN, Set(other, LockFlags.Write)));
        InAnotherProcess(other => Fails(EAGAIN, Set(other, LockFlags.Read)));
    }

    [PosixCheck]
    public void Processes_share_a_lock_to_read()
    {
        using var file = Make("f", "text");
        Ok(Set(file, LockFlags.Read));
        InAnotherProcess(other =>
        {
            Ok(Set(other, LockFlags.Read));
            Fails(EAGAIN, Set(other, LockFlags.Write));
        });
    }

    [PosixCheck]
    public void Ranges_that_do_not_touch_are_free()
    {
        using var file = Make("f", "text");
        Ok(Set(file, LockFlags.Write, 0, 10));
        InAnotherProcess(other =>
        {
            Ok(Set(other, LockFlags.Write, 10, 10));
            Fails(EAGAIN, Set(other, LockFlags.Write, 9, 1));
        });
    }

    [PosixCheck]
    public void A_length_of_zero_locks_to_the_end_however_far()
    {
        using var file = Make("f");
        Ok(Set(file, LockFlags.Write, 100, 0));
        InAnotherProcess(other =>
        {
            Ok(Set(other, LockFlags.Write, 0, 100));
            Fails(EAGAIN, Set(other, LockFlags.Write, 1L << 40, 1));
        });
    }

    [PosixCheck]
    public void A_negative_length_locks_what_lies_before()
    {
        using var file = Make("f");
        Ok(Set(file, LockFlags.Write, 100, -10));
        InAnotherProcess(other =>
        {
            Fails(EAGAIN, Set(other, LockFlags.Write, 90, 1));
            Ok(Set(other, LockFlags.Write, 100, 1));
            Ok(Set(other, LockFlags.Write, 89, 1));
        });
    }

    [PosixCheck]
    public void A_range_from_the_end_of_the_file_is_counted_from_there()
    {
        using var file = Make("f", "0123456789");
        LockRange range = new() { Kind = LockFlags.Write, From = SeekFrom.End, Start = -2, Length = 2 };
        Ok(Sys.Lock(file.Number, LockFlags.SetLock, ref range));
        InAnotherProcess(other =>
        {
            Fails(EAGAIN, Set(other, LockFlags.Write, 8, 1));
            Ok(Set(other, LockFlags.Write, 7, 1));
        });
    }

    [PosixCheck]
    public void A_range_before_the_start_is_EINVAL()
    {
        using var file = Make("f");
        Fails(EINVAL, Set(file, LockFlags.Write, 5, -10));
        Fails(EINVAL, Set(file, LockFlags.Write, -1, 10));
    }

    [PosixCheck]
    public void An_unlock_in_the_middle_splits_the_range()
    {
        using var file = Make("f");
        Ok(Set(file, LockFlags.Write, 0, 100));
        Ok(Set(file, LockFlags.Unlock, 40, 20));
        InAnotherProcess(other =>
        {
            Ok(Set(other, LockFlags.Write, 40, 20));
            Fails(EAGAIN, Set(other, LockFlags.Write, 39, 1));
            Fails(EAGAIN, Set(other, LockFlags.Write, 60, 1));
        });
    }

    [PosixCheck]
    public void A_lock_is_changed_from_write_to_read_in_place()
    {
        using var file = Make("f");
        Ok(Set(file, LockFlags.Write));
        Ok(Set(file, LockFlags.Read));
        InAnotherProcess(other => Ok(Set(other, LockFlags.Read)));
    }

    [PosixCheck]
    public void One_process_never_locks_itself_out()
    {
        using var file = Make("f");
        using var again = Open("f");
        Ok(Set(file, LockFlags.Write));
        Ok(Set(again, LockFlags.Write));
    }

    [PosixCheck]
    public void Closing_any_descriptor_of_the_file_drops_the_process_s_locks()
    {
        using var file = Make("f");
        Ok(Set(file, LockFlags.Write));
        Open("f").Close();
        InAnotherProcess(other => Ok(Set(other, LockFlags.Write)));
    }

    [PosixCheck]
    public void The_end_of_a_process_drops_its_locks()
    {
        using var file = Make("f");
        InAnotherProcess(other => Ok(Set(other, LockFlags.Write)), close: false);
        Eventually(() => Set(file, LockFlags.Write));
    }

    [PosixCheck]
    public void A_test_tells_the_lock_that_is_in_the_way()
    {
        using var file = Make("f");
        Ok(Set(file, LockFlags.Write, 10, 5));
        InAnotherProcess(other =>
        {
            LockRange range = new() { Kind = LockFlags.Read, Start = 0, Length = 100 };
            Ok(Sys.Lock(other.Number, LockFlags.GetLock, ref range));
            Assert.Equal((LockFlags.Write, 10L, 5L), (range.Kind, range.Start, range.Length));
            Assert.Equal(Environment.ProcessId, range.ProcessId);
        });
    }

    [PosixCheck]
    public void A_test_of_a_free_range_says_unlocked()
    {
        using var file = Make("f");
        LockRange range = new() { Kind = LockFlags.Write, Length = 100 };
        Ok(Sys.Lock(file.Number, LockFlags.GetLock, ref range));
        Assert.Equal(LockFlags.Unlock, range.Kind);
    }

    [PosixCheck]
    public void A_lock_to_write_needs_a_descriptor_to_write()
    {
        Put("f");
        using var reader = Open("f", OpenFlags.ReadOnly);
        Fails(EBADF, Set(reader, LockFlags.Write));
        Ok(Set(reader, LockFlags.Read));
    }

    [PosixCheck]
    public void A_lock_to_read_needs_a_descriptor_to_read()
    {
        Put("f");
        using var writer = Open("f", OpenFlags.WriteOnly);
        Fails(EBADF, Set(writer, LockFlags.Read));
        Ok(Set(writer, LockFlags.Write));
    }

    [PosixCheck]
    public void An_unknown_kind_of_lock_is_EINVAL()
    {
        using var file = Make("f");
        Fails(EINVAL, Set(file, 99));
    }

    [PosixCheck]
    public void Who_waits_gets_the_lock_when_it_is_free()
    {
        using var file = Make("f");
        Ok(Set(file, LockFlags.Write));
        using var process = new PosixThread();
        var path = P("f");
        var waiting = process.Start(() =>
        {
            using var other = new PosixFile((int)Ok(Sys.Open(path, OpenFlags.ReadWrite)));
            LockRange range = new() { Kind = LockFlags.Write };
            Ok(Sys.Lock(other.Number, LockFlags.SetLockWait, ref range));
        });
        Assert.True(process.WaitUntilIn(Sys.FcntlNumber));
        Assert.False(waiting.IsCompleted);
        Ok(Set(file, LockFlags.Unlock));
        Assert.True(waiting.Wait(10_000));
    }

    [PosixCheck]
    public void Two_that_wait_for_each_other_are_EDEADLK()
    {
        using var file = Make("f");
        Ok(Set(file, LockFlags.Write, 0, 1));
        using var process = new PosixThread();
        var path = P("f");
        PosixFile? other = null;
        process.Do(() =>
        {
            other = new PosixFile((int)Ok(Sys.Open(path, OpenFlags.ReadWrite)));
            Ok(Set(other, LockFlags.Write, 1, 1));
        });
        var waiting = process.Start(() => Ok(Set(other!, LockFlags.Write, 0, 1, LockFlags.SetLockWait)));
        Assert.True(process.WaitUntilIn(Sys.FcntlNumber));
        Fails(EDEADLK, Set(file, LockFlags.Write, 1, 1, LockFlags.SetLockWait));
        Ok(Set(file, LockFlags.Unlock, 0, 1));
        Assert.True(waiting.Wait(10_000));
        process.Do(other!.Dispose);
    }

    [PosixCheck]
    public void Locks_stay_through_a_rename_and_an_unlink()
    {
        using var file = Make("f");
        Ok(Set(file, LockFlags.Write));
        Ok(Sys.Link(P("f"), P("h")));
        Ok(Sys.Rename(P("f"), P("g")));
        InAnotherProcess(other => Fails(EAGAIN, Set(other, LockFlags.Write)), "g");
        Ok(Sys.Unlink(P("g")));
        InAnotherProcess(other => Fails(EAGAIN, Set(other, LockFlags.Write)), "h");
    }

    [PosixCheck]
    public void Locks_do_not_keep_anyone_from_reading_and_writing()
    {
        using var file = Make("f", "text");
        Ok(Set(file, LockFlags.Write));
        InAnotherProcess(other =>
        {
            other.Write("next", 0);
            Assert.Equal("next", other.Text());
        });
    }

    [PosixCheck]
    public void A_hundred_ranges_of_one_file_are_kept_apart()
    {
        using var file = Make("f");
        for (var i = 0; i < 100; i++)
        {
            Ok(Set(file, LockFlags.Write, i * 10, 5));
        }

        InAnotherProcess(other =>
        {
            for (var i = 0; i < 100; i++)
            {
                Fails(EAGAIN, Set(other, LockFlags.Write, (i * 10) + 4, 1));
                Ok(Set(other, LockFlags.Write, (i * 10) + 5, 5));
            }
        });
    }

    [PosixCheck]
    public void Locks_of_open_files_keep_each_other_out_within_one_process()
    {
        using var a = Make("f");
        using var b = Open("f");
        Ok(Set(a, LockFlags.Write, 0, 0, LockFlags.SetOwned));
        Fails(EAGAIN, Set(b, LockFlags.Write, 0, 0, LockFlags.SetOwned));
        Ok(Set(a, LockFlags.Unlock, 0, 0, LockFlags.SetOwned));
        Ok(Set(b, LockFlags.Write, 0, 0, LockFlags.SetOwned));
    }

    [PosixCheck]
    public void A_lock_of_an_open_file_stays_until_its_last_descriptor_is_closed()
    {
        using var a = Make("f");
        using var b = Open("f");
        Ok(Set(a, LockFlags.Write, 0, 0, LockFlags.SetOwned));
        var twin = new PosixFile((int)Ok(Sys.Duplicate(a.Number)));
        a.Close();
        Fails(EAGAIN, Set(b, LockFlags.Write, 0, 0, LockFlags.SetOwned));
        twin.Close();
        Eventually(() => Set(b, LockFlags.Write, 0, 0, LockFlags.SetOwned));
    }

    [PosixCheck]
    public void Locks_of_open_files_and_of_processes_keep_each_other_out()
    {
        using var a = Make("f");
        using var b = Open("f");
        Ok(Set(a, LockFlags.Write, 0, 0, LockFlags.SetOwned));
        Fails(EAGAIN, Set(b, LockFlags.Write));
    }

    [PosixCheck]
    public void A_test_of_an_open_file_s_lock_names_no_process()
    {
        using var a = Make("f");
        using var b = Open("f");
        Ok(Set(a, LockFlags.Write, 3, 4, LockFlags.SetOwned));
        LockRange range = new() { Kind = LockFlags.Write };
        Ok(Sys.Lock(b.Number, LockFlags.GetOwned, ref range));
        Assert.Equal((LockFlags.Write, 3L, 4L, -1), (range.Kind, range.Start, range.Length, range.ProcessId));
    }

    [PosixCheck]
    public void Flock_keeps_another_open_file_out()
    {
        using var a = Make("f");
        using var b = Open("f");
        Ok(Sys.Flock(a.Number, LockFlags.FlockExclusive));
        Fails(EAGAIN, Sys.Flock(b.Number, LockFlags.FlockExclusive | LockFlags.FlockNonBlocking));
        Fails(EAGAIN, Sys.Flock(b.Number, LockFlags.FlockShared | LockFlags.FlockNonBlocking));
        Ok(Sys.Flock(a.Number, LockFlags.FlockUnlock));
        Ok(Sys.Flock(b.Number, LockFlags.FlockExclusive | LockFlags.FlockNonBlocking));
    }

    [PosixCheck]
    public void Flock_is_shared_by_readers()
    {
        using var a = Make("f");
        using var b = Open("f", OpenFlags.ReadOnly);
        Ok(Sys.Flock(a.Number, LockFlags.FlockShared));
        Ok(Sys.Flock(b.Number, LockFlags.FlockShared | LockFlags.FlockNonBlocking));
        Fails(EAGAIN, Sys.Flock(b.Number, LockFlags.FlockExclusive | LockFlags.FlockNonBlocking));
    }

    [PosixCheck]
    public void Flock_belongs_to_duplicates_too_and_ends_with_the_last()
    {
        using var a = Make("f");
        using var b = Open("f");
        var twin = new PosixFile((int)Ok(Sys.Duplicate(a.Number)));
        Ok(Sys.Flock(a.Number, LockFlags.FlockExclusive));
        Ok(Sys.Flock(twin.Number, LockFlags.FlockExclusive | LockFlags.FlockNonBlocking));
        a.Close();
        Fails(EAGAIN, Sys.Flock(b.Number, LockFlags.FlockExclusive | LockFlags.FlockNonBlocking));
        twin.Close();
        Eventually(() => Sys.Flock(b.Number, LockFlags.FlockExclusive | LockFlags.FlockNonBlocking));
    }

    [PosixCheck]
    public void Who_waits_for_a_flock_gets_it()
    {
        using var a = Make("f");
        using var b = Open("f");
        Ok(Sys.Flock(a.Number, LockFlags.FlockExclusive));
        using var thread = new PosixThread(ownFiles: false);
        var waiting = thread.Start(() => Ok(Sys.Flock(b.Number, LockFlags.FlockExclusive)));
        Assert.True(thread.WaitUntilIn(Sys.FlockNumber));
        Ok(Sys.Flock(a.Number, LockFlags.FlockUnlock));
        Assert.True(waiting.Wait(10_000));
    }

    [PosixCheck]
    public void A_folder_can_be_flocked()
    {
        Mkdir("d");
        using var a = Open("d", OpenFlags.ReadOnly);
        using var b = Open("d", OpenFlags.ReadOnly);
        Ok(Sys.Flock(a.Number, LockFlags.FlockExclusive));
        Fails(EAGAIN, Sys.Flock(b.Number, LockFlags.FlockExclusive | LockFlags.FlockNonBlocking));
    }

    [PosixCheck]
    public void Flock_and_fcntl_do_not_see_each_other()
    {
        using var a = Make("f");
        Ok(Sys.Flock(a.Number, LockFlags.FlockExclusive));
        InAnotherProcess(other => Ok(Set(other, LockFlags.Write)));
    }

    [PosixCheck]
    public void A_counter_under_a_lock_loses_no_step()
    {
        Put("f", "0");
        List<PosixThread> processes = [.. Enumerable.Range(0, 4).Select(_ => new PosixThread())];
        var path = P("f");
        var work = processes.Select(process => process.Start(() =>
        {
            using var file = new PosixFile((int)Ok(Sys.Open(path, OpenFlags.ReadWrite)));
            for (var i = 0; i < 50; i++)
            {
                Ok(Set(file, LockFlags.Write, 0, 0, LockFlags.SetLockWait));
                var next = int.Parse(file.Text(), System.Globalization.CultureInfo.InvariantCulture) + 1;
                file.Write(next.ToString(System.Globalization.CultureInfo.InvariantCulture), 0);
                Ok(Set(file, LockFlags.Unlock));
            }
        })).ToArray();
        Assert.True(Task.WaitAll(work, 30_000));
        processes.ForEach(process => process.Dispose());
        Assert.Equal("200", Text("f"));
    }

    // A process that another test is just starting has copies of all descriptors for a moment.
    private static void Eventually(Func<long> take)
    {
        var result = 0L;
        SpinWait.SpinUntil(() => (result = take()) >= 0, 10_000);
        Ok(result);
    }

    private static long Set(PosixFile file, short kind, long start = 0, long length = 0, int command = LockFlags.SetLock)
    {
        LockRange range = new() { Kind = kind, Start = start, Length = length };
        return Sys.Lock(file.Number, command, ref range);
    }

    private void InAnotherProcess(Action<PosixFile> action, string name = "f", bool close = true)
    {
        var path = P(name);
        using var process = new PosixThread();
        process.Do(() =>
        {
            var other = new PosixFile((int)Ok(Sys.Open(path, OpenFlags.ReadWrite)));
            action(other);
            if (close)
            {
                other.Close();
            }
        });
    }
}
