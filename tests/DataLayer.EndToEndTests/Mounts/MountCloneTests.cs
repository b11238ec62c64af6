using System.Globalization;
using DataLayer.TestSupport.Mounts;

namespace DataLayer.EndToEndTests.Mounts;

/// <summary>Files copied by copy_file_range(2) on a real mount share their bytes below, and each is a file of its own.</summary>
public sealed class MountCloneTests
{
    [Fact]
    public async Task A_whole_large_file_copied_on_a_mount_is_shared_below_and_writes_nothing()
    {
        await using MountedTree tree = await MountedTree.StartAsync();
        await Python.RunAsync(tree.Path, """
            open("a", "wb").write(os.urandom(3_000_000))
            """);
        long written = tree.Engine.GetStatistics().WrittenBytes;
        await Python.RunAsync(tree.Path, """
            with open("a", "rb") as f, open("b", "xb") as t:
                assert os.copy_file_range(f.fileno(), t.fileno(), 3_000_000) == 3_000_000
            assert open("b", "rb").read() == open("a", "rb").read()
            """);
        Assert.Equal(written, tree.Engine.GetStatistics().WrittenBytes);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Copies_on_a_mount_are_files_of_their_own_written_through_calls_and_mappings(int seed)
    {
        await using MountedTree tree = await MountedTree.StartAsync();
        string sums = await Python.RunAsync(tree.Path, "seed = " + seed.ToString(CultureInfo.InvariantCulture) + "\n" + """
            import hashlib, mmap, random
            draw = random.Random(seed)
            model = {}

            def copy(a, b):
                if os.path.exists(b):
                    os.unlink(b)
                with open(a, "rb") as f, open(b, "xb") as t:
                    size = os.fstat(f.fileno()).st_size
                    done = 0
                    while done < size:
                        n = os.copy_file_range(f.fileno(), t.fileno(), size - done)
                        assert n > 0
                        done += n
                model[b] = bytearray(model[a])

            def check(name):
                with open(name, "rb") as f:
                    assert f.read() == model[name], f"seed {seed}: {name} differs"

            for step in range(120):
                name = f"f{draw.randrange(6)}"
                other = f"f{draw.randrange(6)}"
                act = draw.randrange(10)
                if name not in model:
                    model[name] = bytearray(draw.randbytes(draw.randrange(1_200_000, 3_000_000)))
                    open(name, "wb").write(model[name])
                elif act < 4 and other != name:
                    copy(name, other)
                elif act < 6 and len(model[name]) > 0:
                    at = draw.randrange(len(model[name]))
                    patch = draw.randbytes(min(draw.randrange(1, 9000), len(model[name]) - at))
                    with open(name, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
                        m[at:at + len(patch)] = patch
                        if draw.randrange(2):
                            m.flush()
                    model[name][at:at + len(patch)] = patch
                elif act < 8:
                    at = draw.randrange(len(model[name]) + 1)
                    patch = draw.randbytes(draw.randrange(1, 9000))
                    with open(name, "r+b") as f:
                        f.seek(at); f.write(patch)
                    model[name][at:at + len(patch)] = patch
                elif act == 8:
                    size = draw.choice([0, draw.randrange(1_500_000)])
                    os.truncate(name, size)
                    model[name] = model[name][:size] + bytes(max(0, size - len(model[name])))
                else:
                    os.unlink(name)
                    del model[name]
                if model:
                    check(draw.choice(sorted(model)))
            for name in sorted(model):
                check(name)
                print(name, hashlib.sha256(model[name]).hexdigest())
            """);
        await tree.RemountAsync();
        string after = await Python.RunAsync(tree.Path, """
            import hashlib
            for name in sorted(os.listdir(".")):
                print(name, hashlib.sha256(open(name, "rb").read()).hexdigest())
            """);
        Assert.Equal(sums, after);
    }
}
