using DataLayer.Engine.Files;
using DataLayer.Fuse;
using DataLayer.TestSupport.Mounts;

namespace DataLayer.EndToEndTests.Mounts;

/// <summary>Files that the kernel reads by itself, and mounts without opens.</summary>
public sealed class PassthroughTests
{
    private const int Bytes = 5_000_000;

    [Fact]
    public async Task A_hot_file_is_read_without_the_service_and_is_right()
    {
        await using MountedTree tree = await StartAsync(options => options with { ReadOnly = true });
        await PutAsync(tree, "/f", 1);
        await Python.RunAsync(tree.Path, """
            import hashlib, random
            data = open("f", "rb").read()
            assert data == random.Random(1).randbytes(5_000_000)
            fd = os.open("f", os.O_RDONLY)
            assert os.pread(fd, 100, 4_999_990) == data[4_999_990:]
            assert os.stat("f").st_size == len(data)
            """);
        Assert.Equal(0, tree.Mount.Status.ReadBytes);
        Assert.Equal(2, tree.Mount.Status.PassthroughOpens);
        Assert.Equal(2, (await tree.Engine.DescribeAsync("/f", default)).Heat, 1); // A read of the whole for each open: more is not seen.
        Assert.Contains(tree.Mount.Status.Paths, path => path.Path.Contains("backing file", StringComparison.Ordinal));
        SpinWait.SpinUntil(() => tree.Backing.Count == 0, 10_000);
        Assert.Equal(0, tree.Backing.Count);
    }

    [Fact]
    public async Task Damage_that_a_passthrough_read_cannot_see_is_found_by_a_scrub()
    {
        await using MountedTree tree = await StartAsync(options => options with { ReadOnly = true });
        await PutAsync(tree, "/f", 1);
        string file = Directory.EnumerateFiles(Path.GetDirectoryName(tree.Bucket)!, "*", SearchOption.AllDirectories)
            .Single(path => path.Contains("/files/", StringComparison.Ordinal) && new FileInfo(path).Length == Bytes);
        using (FileStream damaged = new(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            damaged.Position = 1_000_000;
            int was = damaged.ReadByte();
            damaged.Position = 1_000_000;
            damaged.WriteByte((byte)(was ^ 1));
        }

        await Python.RunAsync(tree.Path, """
            import random
            right = random.Random(1).randbytes(5_000_000)
            seen = open("f", "rb").read()
            assert [i for i in range(len(right)) if right[i] != seen[i]] == [1_000_000]
            """);
        Assert.Equal(0, tree.Mount.Status.ReadBytes);
        Assert.Equal(1, (await tree.Engine.ScrubAsync("/", null, default)).BadFiles);
    }

    [Fact]
    public async Task What_a_writable_mount_reads_through_the_service_heats_the_file_by_its_bytes()
    {
        await using MountedTree tree = await StartAsync(options => options);
        await PutAsync(tree, "/f", 1);
        await Python.RunAsync(tree.Path, """
            data = open("f", "rb").read()
            assert len(data) == 5_000_000
            """);
        Assert.InRange((await tree.Engine.DescribeAsync("/f", default)).Heat, 0.99, 1.1); // The kernel may ask for a little twice.
    }

    [Fact]
    public async Task A_content_replaced_under_an_open_reader_is_seen_by_the_next_open()
    {
        await using MountedTree tree = await StartAsync(options => options with { ReadOnly = true });
        await PutAsync(tree, "/f", 1);
        string go = tree.Bucket + "/go";
        Task<string> client = Python.RunAsync(tree.Path, """
            import random, time
            old = open("f", "rb")
            assert old.read(10) == random.Random(1).randbytes(5_000_000)[:10]
            open(sys.argv[1], "w").close()
            while os.path.exists(sys.argv[1]):
                time.sleep(0.02)
            assert open("f", "rb").read() == random.Random(2).randbytes(5_000_000)
            old.close()
            assert open("f", "rb").read() == random.Random(2).randbytes(5_000_000)
            """, go);
        SpinWait.SpinUntil(() => File.Exists(go) || client.IsCompleted, 60_000);
        await PutAsync(tree, "/f", 2);
        await tree.WaitForInvalidationsAsync();
        File.Delete(go);
        await client;
    }

    [Fact]
    public async Task A_writable_mount_reads_and_maps_through_the_service()
    {
        await using MountedTree tree = await StartAsync(options => options with { Profile = MountProfile.Large });
        await PutAsync(tree, "/f", 1);
        await Python.RunAsync(tree.Path, """
            reader = os.open("f", os.O_RDONLY)
            first = os.pread(reader, 10, 0)
            writer = os.open("f", os.O_RDWR)
            os.pwrite(writer, b"written", 3)
            assert os.pread(reader, 10, 0) == first[:3] + b"written"
            os.ftruncate(writer, 100)
            assert len(os.pread(reader, 1000, 0)) == 100
            """);
        Assert.Equal(0, tree.Mount.Status.PassthroughOpens);
    }

    [Fact]
    public async Task Open_readers_go_on_over_a_restart_and_new_ones_are_right()
    {
        await using MountedTree tree = await StartAsync(options => options with { ReadOnly = true });
        await PutAsync(tree, "/f", 1);
        await PutAsync(tree, "/g", 3);
        string go = tree.Bucket + "/go";
        Task<string> client = Python.RunAsync(tree.Path, """
            import random, time
            f = open("f", "rb"); assert f.read(10) == random.Random(1).randbytes(5_000_000)[:10]
            g = os.open("g", os.O_RDONLY)
            open(sys.argv[1], "w").close()
            while os.path.exists(sys.argv[1]):
                time.sleep(0.02)
            f.seek(0)
            assert f.read() == random.Random(1).randbytes(5_000_000)
            assert open("f", "rb").read() == random.Random(1).randbytes(5_000_000)
            assert open("g", "rb").read() == random.Random(3).randbytes(5_000_000)
            """, go);
        SpinWait.SpinUntil(() => File.Exists(go) || client.IsCompleted, 60_000);
        await tree.RestartServiceAsync();
        File.Delete(go);
        await client;
    }

    [Fact]
    public async Task A_mount_of_small_files_opens_and_reads_without_open_requests()
    {
        await using MountedTree tree = await StartAsync(
            options => options with { ReadOnly = true, Profile = MountProfile.Small });
        for (int i = 0; i < 50; i++)
        {
            await PutAsync(tree, $"/f{i}", i, 10_000);
        }

        await Python.RunAsync(tree.Path, """
            import random
            for turn in range(3):
                for i in range(50):
                    assert open(f"f{i}", "rb").read() == random.Random(i).randbytes(10_000), i
            """);
        FuseMountStatus status = tree.Mount.Status;
        Assert.Equal(1, status.Requests["Open"]);
        Assert.False(status.Requests.ContainsKey("Release"));
        Assert.Equal(500_000, status.ReadBytes);
        await PutAsync(tree, "/f7", 70, 20_000);
        await tree.WaitForInvalidationsAsync();
        await Python.RunAsync(tree.Path, """
            import random
            assert open("f7", "rb").read() == random.Random(70).randbytes(20_000)
            """);
    }

    [Fact]
    public async Task A_read_only_mount_of_many_small_files_does_without_opens_by_itself_and_keeps_that_over_a_takeover()
    {
        await using MountedTree tree = await StartAsync(options => options with { ReadOnly = true });
        Assert.Equal(MountProfile.Auto, tree.Mount.Status.Profile); // Nothing was there to look at.
        byte[] content = new byte[9_000];
        await tree.Engine.MakeDirectoryAsync("/faces", 0x1ED, parents: false, default);
        for (int i = 0; i < 120; i++)
        {
            await WriteAsync($"/faces/f{i}");
        }

        await tree.RemountAsync();
        Assert.Equal(MountProfile.Small, tree.Mount.Status.Profile);
        Assert.Contains(tree.Mount.Status.Paths, path => path.Why?.Contains("120 of 120 files", StringComparison.Ordinal) == true);
        const string Read = """
            for i in range(120):
                assert open(f"faces/f{i}", "rb").read() == bytes(9_000), i
            """;
        await Python.RunAsync(tree.Path, Read);
        Assert.True(tree.Mount.Status.Requests["Open"] <= 1);
        await tree.RestartServiceAsync();
        Assert.Equal(MountProfile.Small, tree.Mount.Status.Profile);
        await Python.RunAsync(tree.Path, Read);
        Assert.False(tree.Mount.Status.Requests.ContainsKey("Open"));

        // One file that the kernel could read by itself is worth more.
        content = new byte[2_000_000];
        await WriteAsync("/faces/model.bin");
        await tree.RemountAsync();
        Assert.Equal(MountProfile.Auto, tree.Mount.Status.Profile);

        async Task WriteAsync(string path)
        {
            await using FileReplacement file = await tree.Engine.ReplaceFileAsync(path, new ReplaceOptions(), default);
            await file.WriteAsync(content, default);
            await file.CommitAsync(default);
        }
    }

    private static Task<MountedTree> StartAsync(Func<FuseMountOptions, FuseMountOptions> mount) =>
        MountedTree.StartAsync(new MountedTreeOptions { Mount = mount });

    /// <summary>Puts what Python's <c>random.Random(seed).randbytes(bytes)</c> gives.</summary>
    private static async Task PutAsync(MountedTree tree, string path, int seed, int bytes = Bytes)
    {
        string file = System.IO.Path.Combine(tree.Bucket, "content");
        await Python.RunAsync(
            tree.Bucket, "import random\nopen('content', 'wb').write(random.Random(int(sys.argv[1])).randbytes(int(sys.argv[2])))",
            seed.ToString(System.Globalization.CultureInfo.InvariantCulture),
            bytes.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await using FileReplacement replacement = await tree.Engine.ReplaceFileAsync(
            path, new ReplaceOptions { ExpectedSizeBytes = bytes }, CancellationToken.None);
        await replacement.WriteAsync(await File.ReadAllBytesAsync(file), CancellationToken.None);
        await replacement.CommitAsync(CancellationToken.None);
    }
}
