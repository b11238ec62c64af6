using System.Text;
using DataLayer.TestSupport.Posix;
using static DataLayer.TestSupport.Posix.Errno;

namespace DataLayer.EndToEndTests.Posix.Checks;

/// <summary>Names and paths: their lengths and their letters.</summary>
internal sealed class NameChecks : PosixChecks
{
    [PosixCheck("plain")]
    [PosixCheck(" ")]
    [PosixCheck("with space and\ttab")]
    [PosixCheck("new\nline")]
    [PosixCheck("...")]
    [PosixCheck(".hidden")]
    [PosixCheck("trailing.")]
    [PosixCheck("back\\slash:*?\"<>|")]
    [PosixCheck("-rf")]
    [PosixCheck("naïve ünïcode")]
    [PosixCheck("日本語のファイル名")]
    [PosixCheck("🚀")]
    [PosixCheck("%2F%00")]
    public Action Such_a_name_is_kept_as_it_is(string name)
    {
        Put(name, name);
        return () =>
        {
            Assert.Equal([name], Names());
            Assert.Equal(name, Text(name));
        };
    }

    [PosixCheck]
    public void Names_that_differ_in_case_or_in_normal_form_are_different()
    {
        string[] names = ["name", "Name", "NAME", "\u00e9", "e\u0301"];
        Assert.All(names, name => Put(name, name));
        Assert.Equal(5, Names().Count);
        Assert.All(names, name => Assert.Equal(name, Text(name)));
    }

    [PosixCheck]
    public Action A_name_that_is_no_text_is_kept()
    {
        byte[] name = [.. Encoding.UTF8.GetBytes(P("")), 0xff, 0xfe, 0x80, (byte)'x'];
        using (var made = new PosixFile((int)Ok(Sys.OpenBytes(name, OpenFlags.WriteOnly | OpenFlags.Create, Oct(644)))))
        {
            made.Write("text", 0);
            made.Close();
        }

        return () =>
        {
            using var file = new PosixFile((int)Ok(Sys.OpenBytes(name, OpenFlags.ReadOnly)));
            Assert.Equal("text", file.Text());
            Assert.Single(Names());
        };
    }

    [PosixCheck]
    public Action A_name_of_255_bytes_is_taken()
    {
        var name = new string('n', 255);
        Put(name, "text");
        Mkdir(name[..254] + "d");
        Ok(Sys.Symlink("x", P(name[..254] + "l")));
        return () => Assert.Equal("text", Text(name));
    }

    [PosixCheck]
    public void A_name_of_256_bytes_is_ENAMETOOLONG_for_every_call()
    {
        var name = P(new string('n', 256));
        Put("f");
        Fails(ENAMETOOLONG, Sys.Open(name, OpenFlags.WriteOnly | OpenFlags.Create, Oct(644)));
        Fails(ENAMETOOLONG, Sys.Open(name, OpenFlags.ReadOnly));
        Fails(ENAMETOOLONG, Sys.Mkdir(name, Oct(755)));
        Fails(ENAMETOOLONG, Sys.Rmdir(name));
        Fails(ENAMETOOLONG, Sys.Unlink(name));
        Fails(ENAMETOOLONG, Sys.Symlink("x", name));
        Fails(ENAMETOOLONG, Sys.Link(P("f"), name));
        Fails(ENAMETOOLONG, Sys.Rename(P("f"), name));
        Fails(ENAMETOOLONG, Sys.MakeNode(name, ModeBits.Fifo | Oct(644)));
        Fails(ENAMETOOLONG, Sys.Stat(name, out _));
        Fails(ENAMETOOLONG, Sys.Truncate(name, 0));
    }

    [PosixCheck]
    public void A_name_of_letters_of_several_bytes_is_counted_in_bytes()
    {
        Put(new string('é', 127));
        Fails(ENAMETOOLONG, Sys.Open(P(new string('é', 128)), OpenFlags.WriteOnly | OpenFlags.Create, Oct(644)));
    }

    [PosixCheck]
    public void A_path_of_4096_bytes_is_ENAMETOOLONG()
    {
        Fails(ENAMETOOLONG, Sys.Open(string.Concat(Enumerable.Repeat(P("") + ".", 5000 / (Folder.Length + 2))), OpenFlags.ReadOnly));
        Fails(ENAMETOOLONG, Sys.Mkdir(P(new string('/', 4096)), Oct(755)));
    }

    [PosixCheck]
    public void Slashes_in_a_row_and_dots_count_as_nothing()
    {
        Mkdir("d");
        Put("d/f", "text");
        Assert.Equal("text", Text(".//d///./../d/f"));
    }

    [PosixCheck]
    public void Folders_go_deeper_than_a_path_can_say()
    {
        Ok(Sys.ChangeFolder(Folder));
        var name = new string('d', 200);
        for (var i = 0; i < 30; i++)
        {
            Ok(Sys.Mkdir(name, Oct(755)));
            Ok(Sys.ChangeFolder(name));
        }

        new PosixFile((int)Ok(Sys.Open("f", OpenFlags.WriteOnly | OpenFlags.Create, Oct(644)))).Dispose();
        Ok(Sys.Stat("f", out _));
        Fails(ENAMETOOLONG, Sys.Stat(P(string.Concat(Enumerable.Repeat(name + "/", 30)) + "f"), out _));
        for (var i = 0; i < 30; i++)
        {
            Ok(Sys.ChangeFolder(".."));
        }

        Ok(Sys.Stat(name, out _));
    }
}

/// <summary>stat(2), statvfs(2), fsync(2) and running programs.</summary>
internal sealed class StatusChecks : PosixChecks
{
    [PosixCheck]
    public void Inodes_are_unique_and_stay()
    {
        HashSet<ulong> inodes = [];
        for (var i = 0; i < 200; i++)
        {
            Put($"f{i}");
            Assert.True(inodes.Add(Stat($"f{i}").Inode));
        }

        Assert.Equal(Stat("f7").Inode, Stat("f7").Inode);
    }

    [PosixCheck]
    public Action Inodes_are_the_same_later()
    {
        Put("f");
        Mkdir("d");
        var (file, folder) = (Stat("f").Inode, Stat("d").Inode);
        return () => Assert.Equal((file, folder), (Stat("f").Inode, Stat("d").Inode));
    }

    [PosixCheck]
    public void All_files_of_the_file_system_are_on_one_device()
    {
        Put("f");
        Mkdir("d");
        Assert.Equal((Stat(".").DeviceMajor, Stat(".").DeviceMinor), (Stat("f").DeviceMajor, Stat("f").DeviceMinor));
        Assert.Equal(Stat("d").DeviceMinor, Stat("f").DeviceMinor);
    }

    [PosixCheck]
    public void Blocks_tell_the_space_of_the_content()
    {
        using var file = Make("f");
        file.Write(Pattern(1, 1 << 20), 0);
        Ok(Sys.Sync(file.Number));
        Assert.InRange(file.Status.Blocks * 512, 1 << 20, 3 << 20);
    }

    [PosixCheck]
    public void The_block_size_is_a_power_of_two_of_at_least_512()
    {
        Put("f");
        var size = Stat("f").BlockSize;
        Assert.True(size >= 512 && (size & (size - 1)) == 0, $"{size}");
    }

    [PosixCheck]
    public void Fstat_and_stat_say_the_same()
    {
        using var file = Make("f", "text");
        var (byFile, byName) = (file.Status, Stat("f"));
        Assert.Equal(
            (byName.Inode, byName.Mode, byName.Size, byName.Modified, byName.LinkCount),
            (byFile.Inode, byFile.Mode, byFile.Size, byFile.Modified, byFile.LinkCount));
    }

    [PosixCheck]
    public void Stat_follows_links_and_lstat_does_not()
    {
        Put("f", "text");
        Ok(Sys.Symlink("f", P("l")));
        Ok(Sys.Stat(P("l"), out var followed, follow: true));
        Assert.Equal((4L, 1L), (followed.Size, Stat("l").Size));
    }

    [PosixCheck]
    public void A_file_as_a_folder_on_the_way_is_ENOTDIR()
    {
        Put("f");
        Fails(ENOTDIR, Sys.Stat(P("f/x"), out _));
    }

    [PosixCheck]
    public void Space_is_told_and_names_may_have_255_bytes()
    {
        Ok(Sys.Space(P("."), out var space));
        Assert.True(space.Blocks > 0 && space.FreeBlocks <= space.Blocks && space.AvailableBlocks <= space.FreeBlocks);
        Assert.True(space.FreeFiles <= space.Files);
        Assert.Equal(255ul, space.LongestName);
    }

    [PosixCheck]
    public void Fsync_and_its_kin_succeed_on_files_and_folders()
    {
        using var file = Make("f", "text");
        using var folder = Open(".", OpenFlags.ReadOnly);
        Ok(Sys.Sync(file.Number));
        Ok(Sys.DataSync(file.Number));
        Ok(Sys.SyncRange(file.Number, 0, 4));
        Ok(Sys.Sync(folder.Number));
        Ok(Sys.DataSync(folder.Number));
        Ok(Sys.SyncFileSystem(folder.Number));
    }

    [PosixCheck]
    public void Fsync_through_a_read_only_descriptor_succeeds()
    {
        Put("f", "text");
        using var file = Open("f", OpenFlags.ReadOnly);
        Ok(Sys.Sync(file.Number));
    }

    [PosixCheck(OpenFlags.Sync)]
    [PosixCheck(OpenFlags.DataSync)]
    public Action Synchronous_writes_are_kept(int flag)
    {
        using (var file = Open("f", OpenFlags.WriteOnly | OpenFlags.Create | flag, Oct(644)))
        {
            for (var i = 0; i < 5; i++)
            {
                file.Write(Pattern(1, 10_000, i * 10_000), i * 10_000);
            }

            file.Close();
        }

        return () => Holds("f", Pattern(1, 50_000));
    }

    [PosixCheck]
    public void Advice_about_reading_is_taken()
    {
        using var file = Make("f");
        file.Write(Pattern(1, 1 << 20), 0);
        Ok(Sys.Sync(file.Number));
        for (var advice = 0; advice <= 5; advice++)
        {
            Ok(Sys.Advise(file.Number, 0, 1 << 20, advice));
            Assert.Equal(Pattern(1, 1 << 20), file.Read(1 << 20, 0));
        }
    }

    [PosixCheck]
    public void An_unknown_ioctl_is_ENOTTY()
    {
        using var file = Make("f");
        Fails(ENOTTY, Sys.DeviceControl(file.Number, 0x5401));
    }

    [PosixCheck]
    public void A_program_runs_from_here()
    {
        CopyProgram("true");
        Assert.Equal(0, Run("true"));
    }

    [PosixCheck]
    public void A_script_runs_from_here()
    {
        Put("script", "#!/bin/sh\nexit 7\n");
        Ok(Sys.ChangeMode(P("script"), Oct(755)));
        Assert.Equal(7, Run("script"));
    }

    [PosixCheck]
    public void A_file_without_the_right_to_execute_does_not_run()
    {
        CopyProgram("true");
        Ok(Sys.ChangeMode(P("true"), Oct(644)));
        var error = Assert.Throws<System.ComponentModel.Win32Exception>(() => Run("true"));
        Assert.Equal((int)EACCES, error.NativeErrorCode);
    }

    [PosixCheck]
    public void A_program_that_runs_is_ETXTBSY_to_who_would_write_it()
    {
        CopyProgram("cat");
        using var process = Start("cat", redirectInput: true);
        Assert.True(SpinWait.SpinUntil(() => File.ResolveLinkTarget($"/proc/{process.Id}/exe", false)?.FullName == P("cat"), 10_000));
        Fails(ETXTBSY, Sys.Open(P("cat"), OpenFlags.WriteOnly));
        Fails(ETXTBSY, Sys.Open(P("cat"), OpenFlags.ReadWrite | OpenFlags.Truncate));
        Fails(ETXTBSY, Sys.Truncate(P("cat"), 0));
        Ok(Sys.Unlink(P("cat")));
        process.StandardInput.Close();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    [PosixCheck]
    public void A_program_that_is_open_to_write_is_ETXTBSY_to_who_would_run_it()
    {
        CopyProgram("true");
        using var writer = Open("true", OpenFlags.WriteOnly);
        var error = Assert.Throws<System.ComponentModel.Win32Exception>(() => Start("true", redirectInput: false));
        Assert.Equal((int)ETXTBSY, error.NativeErrorCode);
    }

    private void CopyProgram(string name)
    {
        Put(name, File.ReadAllBytes($"/bin/{name}"));
        Ok(Sys.ChangeMode(P(name), Oct(755)));
    }

    // Another test's child may hold the descriptor that wrote the program, until it execs.
    private int Run(string name)
    {
        var code = -1;
        SpinWait.SpinUntil(
            () =>
            {
                try
                {
                    using var process = Start(name, redirectInput: false);
                    process.WaitForExit();
                    code = process.ExitCode;
                    return true;
                }
                catch (System.ComponentModel.Win32Exception e) when (e.NativeErrorCode == (int)ETXTBSY)
                {
                    return false;
                }
            },
            10_000);
        return code;
    }

    private System.Diagnostics.Process Start(string name, bool redirectInput) =>
        System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(P(name)) { RedirectStandardInput = redirectInput })!;
}
