using System.Globalization;
using DataLayer.TestSupport.Mounts;

namespace DataLayer.EndToEndTests.Mounts;

/// <summary>A real mount, used by another process: contents, names, listings, extended attributes.</summary>
public sealed class MountBasicsTests
{
    [Fact]
    public Task A_new_mount_lists_as_an_empty_folder() => InMountAsync("""
        assert os.listdir(".") == [], os.listdir(".")
        """);

    [Fact]
    public Task The_virtual_folder_is_found_by_name_and_not_listed() => InMountAsync("""
        assert ".datalayer" not in os.listdir(".")
        assert sorted(os.listdir(".datalayer")) == ["config", "stats"], os.listdir(".datalayer")
        stats = open(".datalayer/stats").read()
        assert "protocol 7." in stats and "requests_lookup" in stats, stats
        for attempt in (lambda: open(".datalayer/stats", "w"), lambda: os.mkdir(".datalayer/x"),
                        lambda: os.unlink(".datalayer/stats")):
            try:
                attempt()
                raise SystemExit("written")
            except PermissionError:
                pass
        """);

    [Fact]
    public async Task The_access_log_has_a_line_an_operation_and_does_not_feed_on_its_own_reads()
    {
        await using MountedTree tree = await MountedTree.StartAsync(
            new MountedTreeOptions { Mount = options => options with { AccessLog = true } });
        string log = await Python.RunAsync(tree.Path, """
            log = open(".datalayer/accesslog", "rb", buffering=0)
            text = b""
            open("x", "w").write("1")
            while b" Create " not in text or b" Write " not in text:
                text += log.read(65536)
            os.mkdir("y")
            while b" MakeDirectory " not in text:
                text += log.read(65536)
            print(text.decode())
            """);
        ulong folder = 0x6000_0000_0000_0000;
        Assert.DoesNotContain(log.Split('\n'), line => line.Split("node=") is [_, var rest]
            && ulong.Parse(rest.Split(' ')[0], CultureInfo.InvariantCulture) >= folder);
        Assert.Contains(" errno=0 us=", log, StringComparison.Ordinal);
    }

    [Fact]
    public Task What_is_written_is_read_back_and_listed() => InMountAsync("""
        os.mkdir("d")
        data = os.urandom(3_000_000)
        with open("d/f", "wb") as f:
            f.write(data)
        assert open("d/f", "rb").read() == data
        assert os.listdir("d") == ["f"]
        assert os.stat("d/f").st_size == len(data)
        with open("d/f", "r+b") as f:
            f.seek(1_000_000); f.write(b"x" * 10); f.seek(2_999_999); f.write(b"end")
        expected = bytearray(data); expected[1_000_000:1_000_010] = b"x" * 10; expected[2_999_999:] = b"end"
        assert open("d/f", "rb").read() == bytes(expected)
        """);

    [Fact]
    public async Task What_is_written_is_the_same_after_a_remount_with_a_cold_cache()
    {
        await using MountedTree tree = await MountedTree.StartAsync();
        string sums = await Python.RunAsync(tree.Path, """
            import hashlib
            for i, size in enumerate([0, 1, 4095, 4096, 100_000, 1 << 20, 5_000_001]):
                data = os.urandom(size)
                with open(f"f{i}", "wb") as f:
                    f.write(data)
                print(hashlib.sha256(data).hexdigest())
            """);
        await tree.RemountAsync();
        string after = await Python.RunAsync(tree.Path, """
            import hashlib
            for i in range(7):
                print(hashlib.sha256(open(f"f{i}", "rb").read()).hexdigest())
            """);
        Assert.Equal(sums, after);
    }

    [Fact]
    public Task A_shared_mapping_writes_and_reads() => InMountAsync("""
        import mmap
        with open("m", "wb") as f:
            f.truncate(1 << 20)
        with open("m", "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
            m[0:5] = b"hello"
            m[500_000:500_003] = b"mid"
            m.flush()
            with open("m", "rb") as other:
                assert other.read(5) == b"hello"
                other.seek(500_000)
                assert other.read(3) == b"mid"
        with open("m", "r+b") as f:
            f.write(b"HE")
            f.flush()
            with mmap.mmap(f.fileno(), 0) as m:
                assert m[0:5] == b"HEllo"
        """);

    [Fact]
    public Task Renames_replace_refuse_and_exchange() => InMountAsync("""
        import ctypes, errno
        libc = ctypes.CDLL(None, use_errno=True)
        def rename2(a, b, flags):
            if libc.renameat2(-100, a.encode(), -100, b.encode(), flags) != 0:
                raise OSError(ctypes.get_errno(), "renameat2")
        open("a", "w").write("A"); open("b", "w").write("B")
        try:
            rename2("a", "b", 1)
            raise SystemExit("replaced")
        except OSError as e:
            assert e.errno == errno.EEXIST
        rename2("a", "b", 2)
        assert open("a").read() == "B" and open("b").read() == "A"
        os.rename("a", "b")
        assert open("b").read() == "B" and os.listdir(".") == ["b"]
        os.mkdir("d"); os.mkdir("e"); open("e/x", "w").close()
        try:
            os.rename("d", "e")
            raise SystemExit("replaced a folder with entries")
        except OSError as e:
            assert e.errno == errno.ENOTEMPTY
        os.rename("e", "d/e")
        assert os.listdir("d/e") == ["x"]
        try:
            os.rename("d", "d/e/d")
            raise SystemExit("moved into itself")
        except OSError as e:
            assert e.errno == errno.EINVAL
        """);

    [Fact]
    public Task An_unlinked_file_lives_while_it_is_open() => InMountAsync("""
        f = open("gone", "w+b")
        f.write(b"still here"); f.flush()
        os.unlink("gone")
        assert os.listdir(".") == []
        assert os.fstat(f.fileno()).st_nlink == 0
        f.seek(0)
        assert f.read() == b"still here"
        f.write(b", and growing"); f.flush(); f.seek(0)
        assert f.read() == b"still here, and growing"
        g = open("target", "wb"); g.write(b"old"); g.flush()
        open("new", "wb").write(b"new")
        os.rename("new", "target")
        assert os.fstat(g.fileno()).st_nlink == 0
        g.write(b" one"); g.flush()
        assert open("target", "rb").read() == b"new"
        """);

    [Fact]
    public Task Ten_thousand_names_are_listed_once_each() => InMountAsync("""
        os.mkdir("many")
        for i in range(10_000):
            os.close(os.open(f"many/file-{i:05}", os.O_CREAT | os.O_WRONLY))
        names = os.listdir("many")
        assert len(names) == 10_000 and len(set(names)) == 10_000
        entries = {e.name: e.stat().st_size for e in os.scandir("many")}
        assert len(entries) == 10_000 and set(entries.values()) == {0}
        seen = 0
        with os.scandir("many") as it:
            for e in it:
                os.unlink(e.path)
                seen += 1
        assert seen == 10_000, seen
        assert os.listdir("many") == []
        os.rmdir("many")
        """);

    [Fact]
    public Task Appends_of_several_processes_lose_nothing() => InMountAsync("""
        children = []
        for p in range(4):
            pid = os.fork()
            if pid == 0:
                fd = os.open("log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
                for i in range(500):
                    os.write(fd, f"{p}:{i:06}\n".encode())
                os.close(fd)
                os._exit(0)
            children.append(pid)
        for pid in children:
            assert os.waitpid(pid, 0)[1] == 0
        lines = open("log").read().splitlines()
        assert len(lines) == 2000, len(lines)
        assert sorted(lines) == sorted(f"{p}:{i:06}" for p in range(4) for i in range(500))
        for p in range(4):
            mine = [l for l in lines if l.startswith(f"{p}:")]
            assert mine == sorted(mine)
        """);

    [Fact]
    public Task Direct_io_and_cached_io_see_each_other() => InMountAsync("""
        import mmap
        size = 1 << 20
        buffer = mmap.mmap(-1, size)
        buffer.write(os.urandom(size))
        fd = os.open("direct", os.O_CREAT | os.O_RDWR | os.O_DIRECT)
        assert os.pwritev(fd, [buffer], 0) == size
        assert open("direct", "rb").read() == buffer[:]
        with open("direct", "r+b") as f:
            f.seek(4096); f.write(b"cached write")
        back = mmap.mmap(-1, size)
        assert os.preadv(fd, [back], 0) == size
        assert back[4096:4108] == b"cached write" and back[:4096] == buffer[:4096]
        assert os.preadv(fd, [back], size) == 0
        os.close(fd)
        """);

    [Fact]
    public Task Extended_attributes_are_kept_and_bounded() => InMountAsync("""
        import errno
        open("x", "w").close()
        os.setxattr("x", "user.color", b"blue")
        os.setxattr("x", "user.empty", b"")
        assert os.getxattr("x", "user.color") == b"blue" and os.getxattr("x", "user.empty") == b""
        assert sorted(os.listxattr("x")) == ["user.color", "user.empty"]
        def fails(error, call, *args):
            try:
                call(*args)
            except OSError as e:
                assert e.errno == error, (e.errno, error)
            else:
                raise SystemExit(f"{call} {args} did not fail")
        fails(errno.EEXIST, os.setxattr, "x", "user.color", b"red", os.XATTR_CREATE)
        fails(errno.ENODATA, os.setxattr, "x", "user.none", b"red", os.XATTR_REPLACE)
        fails(errno.ENODATA, os.getxattr, "x", "user.none")
        fails(errno.ENODATA, os.removexattr, "x", "user.none")
        fails(errno.ENOTSUP, os.setxattr, "x", "system.posix_acl_access", b"\x02\0\0\0")
        os.removexattr("x", "user.color")
        assert os.listxattr("x") == ["user.empty"]
        os.setxattr("x", "user.big", b"v" * 60_000)
        assert os.getxattr("x", "user.big") == b"v" * 60_000
        tier = os.getxattr("x", "user.datalayer.tier").decode()
        assert tier.startswith("hot"), tier
        assert float(os.getxattr("x", "user.datalayer.heat")) >= 0
        fails(errno.ENODATA, os.getxattr, "x", "user.datalayer.object")
        os.setxattr("x", "user.datalayer.pin", b"1")
        assert os.getxattr("x", "user.datalayer.pin") == b"1"
        fails(errno.EINVAL, os.setxattr, "x", "user.datalayer.pin", b"maybe")
        fails(errno.ENOTSUP, os.setxattr, "x", "user.datalayer.tier", b"cold")
        """);

    [Fact]
    public Task Sparse_files_holes_and_reserved_space_read_as_zeros() => InMountAsync("""
        import ctypes, errno
        libc = ctypes.CDLL(None, use_errno=True)
        libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
        fd = os.open("s", os.O_CREAT | os.O_RDWR)
        os.pwrite(fd, b"end", 3_000_000)
        assert os.fstat(fd).st_size == 3_000_003
        assert os.pread(fd, 10, 1_000_000) == bytes(10)
        os.pwrite(fd, b"x" * 100_000, 0)
        assert libc.fallocate(fd, 3, 50_000, 10_000) == 0, os.strerror(ctypes.get_errno())
        assert os.pread(fd, 100_000, 0) == b"x" * 50_000 + bytes(10_000) + b"x" * 40_000
        assert libc.fallocate(fd, 0, 4_000_000, 96) == 0
        assert os.fstat(fd).st_size == 4_000_096
        assert libc.fallocate(fd, 1, 5_000_000, 96) == 0
        assert os.fstat(fd).st_size == 4_000_096
        os.ftruncate(fd, 60_000)
        os.ftruncate(fd, 120_000)
        assert os.pread(fd, 200_000, 0) == b"x" * 50_000 + bytes(70_000)
        assert os.lseek(fd, 0, os.SEEK_DATA) == 0
        assert os.lseek(fd, 0, os.SEEK_HOLE) <= 120_000
        try:
            os.lseek(fd, 120_000, os.SEEK_DATA)
            raise SystemExit("data past the end")
        except OSError as e:
            assert e.errno == errno.ENXIO
        os.close(fd)
        """);

    [Fact]
    public Task A_range_is_copied_by_the_service() => InMountAsync("""
        data = os.urandom(2_500_000)
        open("from", "wb").write(data)
        a = os.open("from", os.O_RDONLY); b = os.open("to", os.O_CREAT | os.O_RDWR)
        done = 0
        while done < len(data):
            n = os.copy_file_range(a, b, len(data) - done, done, done + 100)
            assert n > 0
            done += n
        assert open("to", "rb").read() == bytes(100) + data
        """);

    [Fact]
    public Task Links_special_files_and_odd_names_work() => InMountAsync("""
        import errno, stat
        open("f", "w").write("text")
        os.link("f", "g")
        assert os.stat("f").st_ino == os.stat("g").st_ino and os.stat("f").st_nlink == 2
        os.unlink("f")
        assert open("g").read() == "text" and os.stat("g").st_nlink == 1
        os.symlink("g", "s")
        assert os.readlink("s") == "g" and open("s").read() == "text"
        os.mkfifo("p")
        assert stat.S_ISFIFO(os.stat("p").st_mode)
        name = "n" * 255
        open(name, "w").close()
        assert name in os.listdir(".")
        try:
            open("n" * 256, "w")
            raise SystemExit("too long")
        except OSError as e:
            assert e.errno == errno.ENAMETOOLONG
        open("späße 🎉", "w").write("!")
        assert "späße 🎉" in os.listdir(".")
        s = os.statvfs(".")
        assert s.f_blocks > 0 and s.f_namemax == 255
        """);

    [Fact]
    public Task Locks_hold_between_processes() => InMountAsync("""
        import fcntl
        f = open("l", "w")
        fcntl.flock(f, fcntl.LOCK_EX)
        fcntl.lockf(f, fcntl.LOCK_EX, 10, 0)
        pid = os.fork()
        if pid == 0:
            g = open("l", "r+")
            for lock in (lambda: fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB),
                         lambda: fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)):
                try:
                    lock()
                    os._exit(1)
                except BlockingIOError:
                    pass
            fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 10)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        """);

    [Fact]
    public Task Set_id_bits_go_when_somebody_else_writes_and_groups_are_inherited() => InMountAsync("""
        import stat
        os.chmod(".", 0o777)
        open("prog", "w").write("x")
        os.chmod("prog", 0o6777)
        pid = os.fork()
        if pid == 0:
            os.setgid(1234); os.setuid(1234)
            with open("prog", "r+") as f:
                f.write("changed")
            os._exit(0 if stat.S_IMODE(os.stat("prog").st_mode) == 0o777 else 1)
        assert os.waitpid(pid, 0)[1] == 0
        os.chmod("prog", 0o6777)
        os.chown("prog", 1234, 1234)
        assert stat.S_IMODE(os.stat("prog").st_mode) == 0o777
        os.mkdir("shared"); os.chown("shared", 0, 4321); os.chmod("shared", 0o2777)
        os.mkdir("shared/sub"); open("shared/f", "w").close()
        assert os.stat("shared/f").st_gid == 4321
        assert os.stat("shared/sub").st_gid == 4321 and os.stat("shared/sub").st_mode & stat.S_ISGID
        """);

    [Fact]
    public async Task A_change_through_the_engine_is_seen_at_once()
    {
        await using MountedTree tree = await MountedTree.StartAsync();
        await Python.RunAsync(tree.Path, """
            open("f", "w").write("old content")
            assert open("f").read() == "old content"
            assert not os.path.exists("new")
            os.mkdir("d"); open("d/inner", "w").close()
            """);
        await using (var replacement = await tree.Engine.ReplaceFileAsync("/f", new(), CancellationToken.None))
        {
            await replacement.WriteAsync("another content"u8.ToArray(), CancellationToken.None);
            await replacement.CommitAsync(CancellationToken.None);
        }

        await tree.Engine.MakeDirectoryAsync("/new", 0x1ED, parents: false, CancellationToken.None);
        await tree.Engine.RenameAsync("/d", "/e", Core.Tree.RenameFlags.None, CancellationToken.None);
        await tree.WaitForInvalidationsAsync();
        await Python.RunAsync(tree.Path, """
            assert open("f").read() == "another content", open("f").read()
            assert os.path.isdir("new")
            assert sorted(os.listdir(".")) == ["e", "f", "new"], os.listdir(".")
            assert os.path.exists("e/inner") and not os.path.exists("d")
            """);
    }

    [Fact]
    public async Task A_read_only_mount_refuses_every_change()
    {
        await using MountedTree tree = await MountedTree.StartAsync(new MountedTreeOptions
        {
            Mount = options => options with { ReadOnly = true },
        });
        await Python.RunAsync(tree.Path, """
            import errno
            for attempt in (lambda: open("f", "w"), lambda: os.mkdir("d"), lambda: os.chmod(".", 0o700)):
                try:
                    attempt()
                    raise SystemExit("changed")
                except OSError as e:
                    assert e.errno == errno.EROFS
            """);
    }

    private static async Task InMountAsync(string python)
    {
        await using MountedTree tree = await MountedTree.StartAsync();
        await Python.RunAsync(tree.Path, python);
    }
}
