using DataLayer.Server.Diagnosis;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Diagnosis;

/// <summary>The kernel's files as they are on a machine, and as they are where one is missing.</summary>
public sealed class HostProbeTests : IDisposable
{
    private readonly TempFolder _root = new("machine");

    [Fact]
    public void Pressure_processors_the_control_group_and_the_disks_under_folders_are_read()
    {
        Write("proc/pressure/cpu", "some avg10=1.00 avg60=0.50 avg300=0.10 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
        Write("proc/pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n");
        Write("proc/stat", "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
        Write("proc/self/cgroup", "0::/pod/service\n");
        Write("sys/fs/cgroup/pod/service/memory.current", "1048576\n");
        Write("sys/fs/cgroup/pod/service/memory.max", "max\n");
        Write("sys/fs/cgroup/pod/service/cpu.stat", "usage_usec 5\nnr_throttled 2\nthrottled_usec 1500000\n");
        Write(
            "proc/self/mountinfo",
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 259:0 / /mnt/a\\040disk rw - xfs /dev/nvme0n1 rw\n3 1 259:1 / /mnt/other rw - xfs /dev/x rw\n");
        Write(
            "proc/diskstats",
            "   8       1 sda1 1 0 2 3 4 0 5 6 7 8 9 0 0 0 0 0 0\n"
            + " 259       0 nvme0n1 10 0 2048 40 30 0 4096 60 5 70 110 0 0 0 0 0 0\n"
            + " 259       1 x 1 1 1 1 1 1 1 1 1 1 1\n");

        HostSample sample = new HostProbe(_root.Path).Read(["/mnt/a disk/target", "/mnt/a disk"]);

        Assert.Equal((2.5, 0.5, 0), (sample.ProcessorStalledSeconds, sample.DiskStalledSeconds, sample.MemoryStalledSeconds));
        Assert.Equal((1.5, 10), (sample.ProcessorBusySeconds, sample.ProcessorSeconds));
        Assert.Equal((1048576L, 0L, 1.5), (sample.GroupMemoryBytes, sample.GroupMemoryLimitBytes, sample.GroupThrottledSeconds));
        DiskSample disk = Assert.Single(sample.Disks);
        Assert.Equal(("nvme0n1", 40L, 1L << 20, 5L), (disk.Device, disk.Requests, disk.ReadBytes, disk.InFlight));
        Assert.Equal((0.1, 0.07, 0.11), (disk.RequestSeconds, disk.BusySeconds, disk.QueueSeconds));
    }

    [Fact]
    public void A_machine_without_these_files_has_zeros()
    {
        HostSample sample = new HostProbe(_root.Combine("nothing")).Read(["/mnt"]);
        Assert.Equal(new HostSample(), sample with { Disks = new HostSample().Disks });
        Assert.Empty(sample.Disks);
    }

    [Fact]
    public void This_machine_has_processors_that_were_busy_once()
    {
        HostSample sample = new HostProbe().Read(["/"]);
        Assert.InRange(sample.ProcessorBusySeconds, 0.01, sample.ProcessorSeconds);
    }

    public void Dispose() => _root.Dispose();

    private void Write(string file, string text)
    {
        string path = _root.Combine(file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
