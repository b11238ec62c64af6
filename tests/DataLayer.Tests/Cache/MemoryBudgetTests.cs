using DataLayer.Storage.Cache;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Cache;

public sealed class MemoryBudgetTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Takes_the_limit_of_a_v2_group()
    {
        Write("proc/self/cgroup", "0::/pod/app\n");
        Write("cg/pod/app/memory.max", "1073741824\n");
        Assert.Equal(1L << 30, Read().LimitBytes);
    }

    [Fact]
    public void Takes_the_tightest_limit_up_to_the_root()
    {
        Write("proc/self/cgroup", "0::/pod/app\n");
        Write("cg/pod/app/memory.max", "2147483648\n");
        Write("cg/pod/memory.max", "536870912\n");
        Assert.Equal(1L << 29, Read().LimitBytes);
        Assert.EndsWith("pod/memory.max", Read().Source, StringComparison.Ordinal);
    }

    [Fact]
    public void A_path_that_is_not_mounted_leads_to_the_root_s_limit()
    {
        Write("proc/self/cgroup", "0::/../../kubepods/x\n");
        Write("cg/memory.max", "1048576\n");
        Assert.Equal(1 << 20, Read().LimitBytes);
    }

    [Fact]
    public void Takes_the_limit_of_a_v1_group()
    {
        Write("proc/self/cgroup", "7:cpu,memory:/docker/abc\n0::/\n");
        Write("cg/memory/docker/abc/memory.limit_in_bytes", "268435456\n");
        Assert.Equal(1L << 28, Read().LimitBytes);
    }

    [Theory]
    [InlineData("max")]
    [InlineData("9223372036854771712")]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("lots")]
    public void No_limit_means_the_machine_s_memory(string limit)
    {
        Write("proc/self/cgroup", "0::/\n");
        Write("cg/memory.max", limit + "\n");
        Assert.Equal(8L << 30, Read().LimitBytes);
    }

    [Fact]
    public void Without_any_files_the_runtime_is_asked() =>
        Assert.True(MemoryBudget.Read(Path.Combine(_folder.Path, "none"), Path.Combine(_folder.Path, "none")).LimitBytes > 0);

    [Fact]
    public void This_machine_has_a_budget()
    {
        MemoryBudget budget = MemoryBudget.Read();
        Assert.InRange(budget.LimitBytes, 64 << 20, 1L << 46);
        Assert.True(budget.CacheBytes < budget.LimitBytes);
    }

    private MemoryBudget Read()
    {
        Write("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\n");
        return MemoryBudget.Read(Path.Combine(_folder.Path, "proc"), Path.Combine(_folder.Path, "cg"));
    }

    private void Write(string name, string text)
    {
        string file = Path.Combine(_folder.Path, name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}
