using DataLayer.Protocol.Http;
using DataLayer.TestSupport.Interop;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Processes;

namespace DataLayer.EndToEndTests.Mounts;

/// <summary>
/// The keeper and the service as processes of their own, over a real mount: how it is mounted, how it ends, and what is left of it.
/// Nothing here touches a mount's path but processes that a test can give up.
/// </summary>
public sealed class KeeperTests
{
    private const int Success = 0;
    private const int Usage = 2;
    private const int NotFound = 3;
    private const int Conflict = 4;
    private const int Unreachable = 6;

    [Fact]
    public async Task Ctrl_c_unmounts_and_the_keeper_ends_well()
    {
        await using var it = await Installation.StartAsync();
        await using var mount = await MountAsync(it);
        await Python.RunAsync(mount.Path, """open("f", "w").write("kept")""");

        Assert.Equal(Success, await mount.SignalAsync(Signals.Interrupt));

        Assert.Empty(MountTable.ListBelow(mount.Path));
        Assert.Empty(Directory.GetFileSystemEntries(mount.Path));
        Assert.Equal("kept"u8.ToArray(), await it.ReadAsync("/f"));
        Assert.Empty(Directory.GetFiles(it.Folder.Combine("state", "mounts")));
    }

    [Fact]
    public async Task A_mount_of_a_folder_shows_that_folder_and_read_only_refuses_changes()
    {
        await using var it = await Installation.StartAsync();
        await it.Client.MakeDirectoryAsync("/a/b", parents: true);
        await it.Client.WriteFileAsync("/a/b/f", "deep"u8.ToArray());
        await using var mount = await MountAsync(it, "/a/b", "--read-only");

        await Python.RunAsync(mount.Path, """
            import errno
            assert os.listdir(".") == ["f"] and open("f").read() == "deep"
            try:
                open("f", "w")
                raise SystemExit("written")
            except OSError as e:
                assert e.errno == errno.EROFS, e
            """);
    }

    [Fact]
    public async Task The_status_says_which_way_each_access_takes_and_why()
    {
        await using var it = await Installation.StartAsync();
        await using var mount = await MountAsync(it);
        await Python.RunAsync(mount.Path, """open("f", "w").write("x" * 10000); open("f").read()""");

        var list = await it.Client.Admin.ListMountsAsync();
        var report = Assert.Single(list.Mounts);
        Assert.Equal((mount.Path, "/", mount.ProcessId, 0), (report.MountPoint, report.TreePath, report.KeeperProcessId, report.TakeoverCount));
        Assert.StartsWith("7.", report.Protocol, StringComparison.Ordinal);
        Assert.Equal(10_000, report.WrittenBytes);
        Assert.All(report.Paths, path => Assert.NotEqual("", path.Why));
        Assert.Contains(report.Paths, path => path.Access == "write");

        var text = await it.Service.RunVerbAsync("mount", "status");
        Assert.Equal(Success, text.ExitCode);
        Assert.Contains(mount.Path, text.Output, StringComparison.Ordinal);
        Assert.Contains("served for", text.Output, StringComparison.Ordinal);
        Assert.Contains("kernel page cache", text.Output, StringComparison.Ordinal);
        Assert.Equal(mount.Path, Assert.Single((await it.Client.Admin.GetStatisticsAsync()).Mounts).MountPoint);
        var metrics = await it.Service.Http.GetStringAsync(ApiRoutes.Metrics);
        Assert.Contains($"datalayer_mount_written_bytes_total{{mount_point=\"{mount.Path}\"}} 10000", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_kernel_reads_ahead_16_MiB_on_a_mount()
    {
        await using var it = await Installation.StartAsync();
        await using var mount = await MountAsync(it);
        var device = File.ReadLines("/proc/self/mountinfo").Single(line => line.Split(' ')[4] == mount.Path).Split(' ')[2];
        Assert.Equal("16384", (await File.ReadAllTextAsync($"/sys/class/bdi/{device}/read_ahead_kb")).Trim());
    }

    [Fact]
    public async Task A_mount_in_use_is_not_unmounted_and_the_message_names_its_users()
    {
        await using var it = await Installation.StartAsync();
        await using var mount = await MountAsync(it);
        await using var user = await MountUser.StartAsync(mount.Path);

        var refused = await it.Service.RunVerbAsync("umount", mount.Path);
        Assert.Equal(Conflict, refused.ExitCode);
        Assert.Contains($"python3 ({user.ProcessId})", refused.Error, StringComparison.Ordinal);

        Assert.Equal("one", await user.AskAsync("read"));
        await user.AskAsync("close");
        Assert.Equal(Success, (await it.Service.RunVerbAsync("umount", mount.Path)).ExitCode);
        Assert.Equal(Success, await mount.WaitForEndAsync());
    }

    [Fact]
    public async Task A_lazy_unmount_lets_its_users_go_on_and_the_keeper_ends_with_the_last()
    {
        await using var it = await Installation.StartAsync();
        await using var mount = await MountAsync(it);
        await using var user = await MountUser.StartAsync(mount.Path);

        Assert.Equal(Success, (await it.Service.RunVerbAsync("umount", "--lazy", mount.Path)).ExitCode);
        Assert.Empty(MountTable.ListBelow(mount.Path));
        Assert.Equal("written", await user.AskAsync("write"));
        Assert.Equal("two", await user.AskAsync("read"));
        await user.AskAsync("close");
        Assert.Equal(Success, await mount.WaitForEndAsync());
        Assert.Equal("two"u8.ToArray(), await it.ReadAsync("/held"));
    }

    [Fact]
    public async Task A_forced_unmount_fails_its_users_at_once()
    {
        await using var it = await Installation.StartAsync();
        await using var mount = await MountAsync(it);
        await using var user = await MountUser.StartAsync(mount.Path);

        Assert.Equal(Success, (await it.Service.RunVerbAsync("umount", "--force", mount.Path)).ExitCode);
        Assert.Equal("ENOTCONN", await user.AskAsync("write"));
        Assert.Empty(MountTable.ListBelow(mount.Path));
        Assert.Equal(Success, await mount.WaitForEndAsync());
        Assert.True(it.Service.IsRunning);
    }

    [Fact]
    public async Task Without_a_service_users_wait_and_get_ENOTCONN_after_the_time_given()
    {
        await using var it = await Installation.StartAsync();
        await using var mount = await MountAsync(it, "/", "--takeover-timeout", "2s");
        await using var user = await MountUser.StartAsync(mount.Path);
        var server = it.Service.Endpoint;
        await it.Service.KillAsync();

        var waiting = user.AskAsync("write");
        Assert.Equal(Unreachable, await mount.WaitForEndAsync());

        Assert.Equal("ENOTCONN", await waiting);
        Assert.Contains("ENOTCONN", mount.Log, StringComparison.Ordinal);
        Assert.Contains("datalayer umount --lazy", mount.Log, StringComparison.Ordinal);

        // The dead mount keeps its place, so that nobody writes below it; the next keeper detaches it.
        Assert.Equal([mount.Path], MountTable.ListBelow(mount.Path));
        var status = await DataLayer.TestSupport.Service.DataLayerProgram.RunAsync(["mount", "status"], server);
        Assert.Contains("dead", status.Output, StringComparison.Ordinal);
        await it.Service.RestartAsync();
        await using var again = await MountAsync(it);
        Assert.Equal([mount.Path], MountTable.ListBelow(mount.Path));
        await Python.RunAsync(again.Path, """assert open("held").read() in ("one", "two")""");
    }

    [Fact]
    public async Task A_keepers_death_leaves_no_process_hanging()
    {
        await using var it = await Installation.StartAsync();
        await using var mount = await MountAsync(it);
        await using var user = await MountUser.StartAsync(mount.Path);

        await mount.SignalAsync(Signals.Kill);
        Assert.Equal("ENOTCONN", await user.AskUntilAsync("write", "ENOTCONN"));
        Command.Run("umount", "--lazy", mount.Path);
        Assert.Equal("closed", await user.AskAsync("close"));
        Assert.Empty(MountTable.ListBelow(mount.Path));

        await using var again = await MountAsync(it);
        await Python.RunAsync(again.Path, """assert open("held").read() in ("one", "two")""");
    }

    [Fact]
    public async Task A_service_that_hangs_does_not_keep_its_mount_from_being_taken_away()
    {
        await using var it = await Installation.StartAsync();
        await using var mount = await MountAsync(it);
        await using var user = await MountUser.StartAsync(mount.Path);
        Signals.Halt(it.Service.ProcessId);
        try
        {
            var waiting = user.AskAsync("write");
            var server = new Uri("http://127.0.0.1:1"); // umount needs no service
            var forced = await DataLayer.TestSupport.Service.DataLayerProgram.RunAsync(["umount", "--force", mount.Path], server);
            Assert.Equal((Success, ""), (forced.ExitCode, forced.Error));
            Assert.Contains(await waiting, (string[])["ECONNABORTED", "ENOTCONN"]);
            Assert.Equal(Success, await mount.WaitForEndAsync());
            Assert.Empty(MountTable.ListBelow(mount.Path));
        }
        finally
        {
            Signals.Send(it.Service.ProcessId, Signals.Continue);
        }

        await using var again = await MountAsync(it);
        await Python.RunAsync(again.Path, """assert open("held").read() in ("one", "two")""");
    }

    [Fact]
    public async Task Without_dev_fuse_the_message_says_what_to_do()
    {
        await using var it = await Installation.StartAsync();
        const string script = "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/zero c 1 5 && mknod /dev/urandom c 1 9 && exec \"$@\"";
        var result = await Command.TryRunAsync(
            "unshare",
            [
                "--mount", "sh", "-c", script, "sh", "dotnet", DataLayer.TestSupport.BuiltProgram.DataLayer, "mount", "/", "--at",
                it.Folder.MakeFolder("mnt"),
            ],
            DataLayer.TestSupport.Service.DataLayerProgram.Environment(it.Service.Endpoint),
            CancellationToken.None);
        Assert.Equal(NotFound, result.ExitCode);
        Assert.Contains("/dev/fuse", result.Error, StringComparison.Ordinal);
        Assert.Contains("modprobe fuse", result.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(it.Folder.Combine("state", "mounts")));
    }

    [Fact]
    public async Task When_keeper_and_service_die_together_nobody_hangs_and_the_next_keeper_cleans_up()
    {
        await using var it = await Installation.StartAsync();
        await using var mount = await MountAsync(it);
        await using var user = await MountUser.StartAsync(mount.Path);

        await it.Service.KillAsync();
        await mount.SignalAsync(Signals.Kill);
        Assert.Equal("ENOTCONN", await user.AskAsync("write"));
        await it.Service.RestartAsync();
        await using var again = await MountAsync(it);
        await Python.RunAsync(again.Path, """assert open("held").read() in ("one", "two")""");
        Assert.Contains("which a keeper left that died", again.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_new_mount_leaves_the_mounts_of_living_keepers_alone()
    {
        await using var it = await Installation.StartAsync();
        await it.Client.MakeDirectoryAsync("/other");
        await using var first = await MountAsync(it);
        await using var second = await KeptMount.StartAsync(it.Service.Endpoint, "/other", it.Folder.Combine("second"));

        await Python.RunAsync(first.Path, """open("other/f", "w").write("seen")""");
        await Python.RunAsync(second.Path, """assert open("f").read() == "seen" """);
        Assert.Equal(2, (await it.Client.Admin.ListMountsAsync()).Mounts.Count);
        Assert.Equal(Success, await second.SignalAsync(Signals.Terminate));
        await Python.RunAsync(first.Path, """assert open("other/f").read() == "seen" """);
    }

    [Fact]
    public async Task A_daemon_returns_when_it_is_mounted_and_ends_with_the_mount()
    {
        await using var it = await Installation.StartAsync();
        var at = it.Folder.MakeFolder("mnt");
        var mounted = await it.Service.RunVerbAsync("mount", "/", "--at", at, "--daemon");
        Assert.Equal((Success, $"mounted / at {at}"), (mounted.ExitCode, mounted.Output.Trim()));
        var keeper = Assert.Single((await it.Client.Admin.ListMountsAsync()).Mounts).KeeperProcessId;
        OrphanWatch.Add(keeper);

        await Python.RunAsync(at, """open("f", "w").write("x")""");
        Assert.Equal(Success, (await it.Service.RunVerbAsync("umount", at)).ExitCode);
        Assert.True(SpinWait.SpinUntil(() => !Directory.Exists($"/proc/{keeper}"), TimeSpan.FromSeconds(30)));
        Assert.Contains("Unmounted", await File.ReadAllTextAsync(it.Folder.Combine("state", "keeper.log")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_demo_reads_one_more_pass_through_a_mount_that_is_gone_after_it_and_one_through_a_feed()
    {
        await using var it = await Installation.StartAsync();
        var data = it.Folder.MakeFolder("dataset");
        for (var i = 0; i < 50; i++)
        {
            await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(data, $"{i % 5}")).FullName, $"{i}"), new string('x', i));
        }

        var at = it.Folder.Combine("mnt");
        var demo = await it.Service.RunVerbAsync(
            "demo", "--bucket", it.Folder.Combine("bucket"), "--data", data, "--store", "files", "--passes", "1", "--mount", at, "--json");
        Assert.True(demo.ExitCode == Success, demo.Error);
        var passes = System.Text.Json.JsonDocument.Parse(demo.Output).RootElement.GetProperty("passes");
        Assert.Equal(["api", "mount", "feed", "feed"], passes.EnumerateArray().Select(pass => pass.GetProperty("through").GetString()));
        Assert.All(passes.EnumerateArray(), pass => Assert.Equal((50, 1225), (pass.GetProperty("files").GetInt32(), pass.GetProperty("bytes").GetInt32())));
        Assert.Equal([], MountTable.ListBelow(at));
        Assert.Empty((await it.Client.Admin.ListMountsAsync()).Mounts);
    }

    [Fact]
    public async Task What_cannot_be_mounted_is_refused_with_the_reason_and_leaves_nothing()
    {
        await using var it = await Installation.StartAsync();
        await it.Client.WriteFileAsync("/file", "x"u8.ToArray());
        var empty = it.Folder.MakeFolder("empty");
        var full = it.Folder.MakeFolder("full");
        await File.WriteAllTextAsync(Path.Combine(full, "hidden"), "");
        (string[] Arguments, int Code, string Reason)[] cases =
        [
            (["/"], Usage, "--at DIR"),
            (["/nowhere", "--at", empty], NotFound, "/nowhere"),
            (["/file", "--at", empty], Conflict, "not a folder of the tree"),
            (["/", "--at", it.Folder.Combine("absent")], NotFound, "mkdir -p"),
            (["/", "--at", Path.Combine(full, "hidden")], Conflict, "not a folder"),
            (["/", "--at", full], Conflict, "'hidden'"),
            (["/", "--at", empty, "--profile", "small"], Usage, "--read-only"),
            (["/", "--at", empty, "--profile", "huge"], Usage, "huge"),
            (["/", "--at", empty, "--takeover-timeout", "soon"], Usage, "soon"),
            (["/", "--at", empty, "-o", "bogus"], Usage, "bogus"),
            (["/", "--at", empty, "-o", "attr_timeout=never"], Usage, "attr_timeout"),
            (["/", "--at", empty, "-o", "colour=red"], Usage, "colour"),
            (["/", "--at", empty, "--foreground", "--daemon"], Usage, "not both"),
        ];
        foreach (var (arguments, code, reason) in cases)
        {
            var result = await it.Service.RunVerbAsync(["mount", .. arguments]);
            Assert.Contains(reason, result.Error, StringComparison.Ordinal);
            Assert.Equal((string.Join(' ', arguments), code), (string.Join(' ', arguments), result.ExitCode));
        }

        Assert.Equal([], MountTable.ListBelow(it.Folder.Path));
        Assert.Empty((await it.Client.Admin.ListMountsAsync()).Mounts);
        Assert.Equal(NotFound, (await it.Service.RunVerbAsync("umount", empty)).ExitCode);
        Assert.Equal(Usage, (await it.Service.RunVerbAsync("umount", "/proc")).ExitCode);
        await using var mount = await KeptMount.StartAsync(it.Service.Endpoint, "/", empty);
        var twice = await it.Service.RunVerbAsync("mount", "/", "--at", empty);
        Assert.Equal(Conflict, twice.ExitCode);
        Assert.Contains("already a mount", twice.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_service_nothing_is_mounted()
    {
        using var folder = new DataLayer.TestSupport.TempFolder("mount");
        var result = await DataLayer.TestSupport.Service.DataLayerProgram.RunAsync(["mount", "/", "--at", folder.MakeFolder("mnt")]);
        Assert.Equal(Unreachable, result.ExitCode);
        Assert.Contains("datalayer serve", result.Error, StringComparison.Ordinal);
        Assert.Equal([], MountTable.ListBelow(folder.Path));
    }

    private static Task<KeptMount> MountAsync(Installation it, string path = "/", params string[] more) =>
        KeptMount.StartAsync(it.Service.Endpoint, path, it.Folder.Combine("mnt"), more);
}
