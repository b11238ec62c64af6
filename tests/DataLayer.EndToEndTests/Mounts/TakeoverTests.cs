using DataLayer.TestSupport.Mounts;

namespace DataLayer.EndToEndTests.Mounts;

/// <summary>The service goes and another comes under a live mount, in one process: no client sees it.</summary>
public sealed class TakeoverTests
{
    [Fact]
    public async Task Open_files_locks_listings_and_unlinked_files_go_on_after_a_restart()
    {
        await using MountedTree tree = await MountedTree.StartAsync();
        string ready = System.IO.Path.Combine(tree.Path, "ready");
        Task<string> client = Python.RunAsync(tree.Path, """
            import time, fcntl
            f = open("kept", "w+b"); f.write(b"before"); f.flush()
            fcntl.flock(f, fcntl.LOCK_EX)
            gone = open("gone", "w+b"); gone.write(b"orphan"); gone.flush(); os.unlink("gone")
            os.mkdir("many")
            for i in range(3000):
                open(f"many/{i:04}", "w").close()
            listing = os.scandir("many")
            first = [next(listing).name for _ in range(100)]
            open("ready", "w").close()
            while os.path.exists("ready"):
                time.sleep(0.02)
            f.seek(0); assert f.read() == b"before"
            f.write(b" and after"); f.flush(); os.fsync(f.fileno())
            assert open("kept", "rb").read() == b"before and after"
            gone.seek(0); assert gone.read() == b"orphan"
            gone.write(b" lives"); gone.flush(); gone.seek(0); assert gone.read() == b"orphan lives"
            g = open("kept", "rb")
            try:
                fcntl.flock(g, fcntl.LOCK_SH | fcntl.LOCK_NB)
                raise SystemExit("the lock is lost")
            except BlockingIOError:
                pass
            rest = [e.name for e in listing]
            assert sorted(first + rest) == [f"{i:04}" for i in range(3000)], (len(first), len(rest))
            """);
        SpinWait.SpinUntil(() => File.Exists(ready) || client.IsCompleted, TimeSpan.FromSeconds(60));
        await tree.RestartServiceAsync();
        await tree.RestartServiceAsync();
        Assert.True(tree.Mount.Status.WasTakenOver);
        File.Delete(ready);
        await client;
    }

    [Fact]
    public async Task A_file_without_a_name_gets_one_after_a_restart()
    {
        await using MountedTree tree = await MountedTree.StartAsync();
        string ready = System.IO.Path.Combine(tree.Path, "ready");
        Task<string> client = Python.RunAsync(tree.Path, """
            import time
            def make(text):
                f = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
                os.write(f, text)
                return f
            named, dropped = make(b"before" * 500_000), make(b"dropped")
            open("ready", "w").close()
            while os.path.exists("ready"):
                time.sleep(0.02)
            assert os.pread(dropped, 10, 0) == b"dropped"
            os.close(dropped)
            os.write(named, b" and after")
            assert os.fstat(named).st_nlink == 0
            os.link(f"/proc/self/fd/{named}", "named", src_dir_fd=os.open("/", os.O_RDONLY), follow_symlinks=True)
            assert (os.fstat(named).st_nlink, os.stat("named").st_mode & 0o777) == (1, 0o640)
            os.close(named)
            assert open("named", "rb").read() == b"before" * 500_000 + b" and after"
            assert os.listdir(".") == ["named"]
            """);
        SpinWait.SpinUntil(() => File.Exists(ready) || client.IsCompleted, TimeSpan.FromSeconds(60));
        await tree.RestartServiceAsync();
        File.Delete(ready);
        await client;
        await tree.RemountAsync();
        await Python.RunAsync(tree.Path, """
            assert open("named", "rb").read() == b"before" * 500_000 + b" and after"
            """);
    }

    [Fact]
    public async Task Restarts_under_load_are_not_seen_by_writers_and_readers()
    {
        await using MountedTree tree = await MountedTree.StartAsync();
        Task<string> client = Python.RunAsync(tree.Path, """
            import hashlib, random
            children = []
            for p in range(4):
                pid = os.fork()
                if pid == 0:
                    r = random.Random(p)
                    os.mkdir(f"p{p}")
                    for i in range(400):
                        data = r.randbytes(r.randrange(1, 40_000))
                        with open(f"p{p}/t", "wb") as f:
                            f.write(data[: len(data) // 2]); f.flush(); f.write(data[len(data) // 2 :])
                        os.rename(f"p{p}/t", f"p{p}/{i % 50}")
                        assert open(f"p{p}/{i % 50}", "rb").read() == data
                        if i % 7 == 0:
                            os.unlink(f"p{p}/{i % 50}")
                    os._exit(0)
                children.append(pid)
            assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
            """);
        for (int restart = 0; restart < 5 && !client.IsCompleted; restart++)
        {
            await tree.RestartServiceAsync();
        }

        await client;
    }

    [Fact]
    public async Task A_stopped_service_leaves_unread_requests_to_the_next()
    {
        await using MountedTree tree = await MountedTree.StartAsync();
        await Python.RunAsync(tree.Path, """open("f", "w").write("text")""");
        await tree.StopServiceAsync();
        Task<string> waiting = Python.RunAsync(tree.Path, """assert open("f").read() == "text" """);
        await tree.StartServiceAsync();
        await waiting;
    }
}
