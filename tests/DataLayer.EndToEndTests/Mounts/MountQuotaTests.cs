using DataLayer.TestSupport.Mounts;

namespace DataLayer.EndToEndTests.Mounts;

/// <summary>Quotas as programs on a mount meet them.</summary>
public sealed class MountQuotaTests
{
    [Fact]
    public async Task A_quota_further_down_is_EDQUOT_and_lets_go()
    {
        await using MountedTree tree = await MountedTree.StartAsync();
        await Python.RunAsync(tree.Path, """
            import errno, time
            def soon(call):
                # The kernel tells of a close when it finds the time; until then a file without a name counts.
                end = time.monotonic() + 30
                while True:
                    try:
                        return call()
                    except OSError as e:
                        if e.errno != errno.EDQUOT or time.monotonic() > end:
                            raise
            def refused(call, number=errno.EDQUOT):
                try:
                    call()
                except OSError as e:
                    assert e.errno == number, e
                    return
                raise SystemExit("was not refused")
            os.mkdir("q")
            os.setxattr("q", "trusted.datalayer.quota", b"3000000")
            os.setxattr("q", "trusted.datalayer.quota.inodes", b"3")
            f = os.open("q/f", os.O_CREAT | os.O_RDWR)
            assert os.pwrite(f, b"x" * 3_000_000, 0) == 3_000_000
            refused(lambda: os.pwrite(f, b"yy", 2_999_999))
            refused(lambda: os.ftruncate(f, 3_000_001))
            refused(lambda: os.posix_fallocate(f, 0, 4_000_000))
            os.pwrite(f, b"z", 0)
            os.fsync(f)
            assert os.fstat(f).st_size == 3_000_000
            open("outside", "wb").write(b"o" * 100)
            refused(lambda: os.rename("outside", "q/inside"))
            refused(lambda: os.link("outside", "q/link"), errno.EXDEV)
            os.ftruncate(f, 10)
            os.rename("outside", "q/inside")
            os.mkdir("q/d")
            refused(lambda: os.mkdir("q/e"))
            refused(lambda: os.symlink("f", "q/s"))
            os.unlink("q/inside")
            soon(lambda: os.symlink("f", "q/s"))
            os.setxattr("q", "trusted.datalayer.quota.inodes", b"4")
            os.mkdir("q/e")
            os.close(f)
            """);
        await tree.RemountAsync();
        await Python.RunAsync(tree.Path, """
            assert open("q/f", "rb").read() == b"z" + b"x" * 9
            try:
                os.mkdir("q/g")
                raise SystemExit("was not refused")
            except OSError as e:
                assert e.errno == 122, e
            """);
    }

    [Fact]
    public async Task A_quota_that_statfs_shows_is_ENOSPC_and_is_raised_at_once()
    {
        await using MountedTree tree = await MountedTree.StartAsync();
        await Python.RunAsync(tree.Path, """
            import errno
            os.setxattr(".", "trusted.datalayer.quota", b"2097152")
            os.setxattr(".", "trusted.datalayer.quota.inodes", b"10")
            def space():
                s = os.statvfs(".")
                return s.f_blocks * s.f_frsize, s.f_bfree * s.f_frsize, s.f_files, s.f_ffree
            assert space() == (2097152, 2097152, 10, 10), space()
            f = os.open("f", os.O_CREAT | os.O_RDWR)
            os.pwrite(f, b"x" * 1048576, 0)
            assert space() == (2097152, 1048576, 10, 9), space()
            os.pwrite(f, b"x" * 1048576, 1048576)
            try:
                os.pwrite(f, b"x", 2097152)
                raise SystemExit("was not refused")
            except OSError as e:
                assert e.errno == errno.ENOSPC, e
            os.setxattr(".", "trusted.datalayer.quota", b"4194304")
            os.pwrite(f, b"x" * 1048576, 2097152)
            os.unlink("f")
            os.close(f)
            """);
    }
}
