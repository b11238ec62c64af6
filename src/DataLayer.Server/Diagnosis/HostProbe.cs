using System.Globalization;

namespace DataLayer.Server.Diagnosis;

/// <summary>
/// What the kernel knows of the machine: pressure (PSI), processors, the service's cgroup, the disks under given
/// folders. A file that is not there leaves zeros: not every kernel, and no test, has all of them.
/// </summary>
/// <param name="root">Where <c>proc</c> and <c>sys</c> are; not <c>/</c> in tests only.</param>
internal sealed class HostProbe(string root = "/")
{
    private const double TicksPerSecond = 100; // USER_HZ, the same on every Linux that .NET runs on.

    /// <summary>Looks now.</summary>
    /// <param name="folders">Folders whose disks are looked at.</param>
    public HostSample Read(IEnumerable<string> folders)
    {
        (double busy, double all) = ReadProcessors();
        string group = CgroupFolder();
        return new HostSample
        {
            ProcessorStalledSeconds = Stalled("cpu"),
            DiskStalledSeconds = Stalled("io"),
            MemoryStalledSeconds = Stalled("memory"),
            ProcessorBusySeconds = busy,
            ProcessorSeconds = all,
            GroupMemoryBytes = Number(Path.Combine(group, "memory.current")),
            GroupMemoryLimitBytes = Number(Path.Combine(group, "memory.max")),
            GroupThrottledSeconds = ThrottledSeconds(Path.Combine(group, "cpu.stat")),
            Disks = ReadDisks(DevicesOf(folders)),
        };
    }

    private string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(root, path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return [];
        }
    }

    /// <summary>Seconds in which at least one task waited for a resource, since boot.</summary>
    private double Stalled(string resource)
    {
        const string Total = "total=";
        foreach (string line in Lines("proc/pressure/" + resource))
        {
            int at = line.IndexOf(Total, StringComparison.Ordinal);
            if (line.StartsWith("some ", StringComparison.Ordinal) && at > 0)
            {
                return Parse(line[(at + Total.Length)..]) / 1e6;
            }
        }

        return 0;
    }

    private (double Busy, double All) ReadProcessors()
    {
        foreach (string line in Lines("proc/stat"))
        {
            if (line.StartsWith("cpu ", StringComparison.Ordinal))
            {
                // user nice system idle iowait irq softirq steal
                double[] ticks = [.. Fields(line).Skip(1).Take(8).Select(Parse)];
                double all = ticks.Sum() / TicksPerSecond;
                double idle = ticks.Length > 4 ? (ticks[3] + ticks[4]) / TicksPerSecond : all;
                return (all - idle, all);
            }
        }

        return (0, 0);
    }

    private string CgroupFolder()
    {
        foreach (string line in Lines("proc/self/cgroup"))
        {
            if (line.StartsWith("0::", StringComparison.Ordinal))
            {
                string own = Path.Combine("sys/fs/cgroup", line[3..].TrimStart('/'));

                // In a container the path may be that of the host, and the group's files lie at the mount's root.
                return File.Exists(Path.Combine(root, own, "memory.current")) ? own : "sys/fs/cgroup";
            }
        }

        return "sys/fs/cgroup";
    }

    private long Number(string path) =>
        Lines(path) is [{ } text, ..]
            && long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out long value) ? value : 0;

    private double ThrottledSeconds(string path)
    {
        foreach (string line in Lines(path))
        {
            if (line.StartsWith("throttled_usec ", StringComparison.Ordinal))
            {
                return Parse(Fields(line)[1]) / 1e6;
            }
        }

        return 0;
    }

    /// <summary>The devices (major:minor) that folders lie on: those of the longest mount points above them.</summary>
    private HashSet<string> DevicesOf(IEnumerable<string> folders)
    {
        List<(string Point, string Device)> mounts = [];
        foreach (string line in Lines("proc/self/mountinfo"))
        {
            string[] fields = Fields(line);
            if (fields.Length > 4)
            {
                mounts.Add((fields[4].Replace("\\040", " ", StringComparison.Ordinal), fields[2]));
            }
        }

        HashSet<string> devices = new(StringComparer.Ordinal);
        foreach (string folder in folders)
        {
            string below = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)) + "/";
            (string Point, string Device) best = (string.Empty, string.Empty);
            foreach ((string Point, string Device) mount in mounts)
            {
                string point = mount.Point.TrimEnd('/') + "/";
                if (below.StartsWith(point, StringComparison.Ordinal) && mount.Point.Length >= best.Point.Length)
                {
                    best = mount;
                }
            }

            devices.Add(best.Device);
        }

        return devices;
    }

    private List<DiskSample> ReadDisks(HashSet<string> devices)
    {
        List<DiskSample> disks = [];
        foreach (string line in Lines("proc/diskstats"))
        {
            // major minor name, then as the kernel's Documentation/admin-guide/iostats.rst numbers them, from 1.
            string[] f = Fields(line);
            if (f.Length < 14 || !devices.Contains($"{f[0]}:{f[1]}"))
            {
                continue;
            }

            disks.Add(new DiskSample
            {
                Device = f[2],
                Requests = (long)(Parse(f[3]) + Parse(f[7])),
                ReadBytes = (long)Parse(f[5]) * 512,
                RequestSeconds = (Parse(f[6]) + Parse(f[10])) / 1e3,
                InFlight = (long)Parse(f[11]),
                BusySeconds = Parse(f[12]) / 1e3,
                QueueSeconds = Parse(f[13]) / 1e3,
            });
        }

        return disks;
    }

    private static string[] Fields(string line) =>
        line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);

    private static double Parse(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : 0;
}

/// <summary>What <see cref="HostProbe"/> saw; times since boot.</summary>
internal sealed record HostSample
{
    /// <summary>Time in which some task waited for a processor.</summary>
    public double ProcessorStalledSeconds { get; init; }

    /// <summary>Time in which some task waited for a disk.</summary>
    public double DiskStalledSeconds { get; init; }

    /// <summary>Time in which some task waited for memory.</summary>
    public double MemoryStalledSeconds { get; init; }

    /// <summary>Time that processors were busy, all together.</summary>
    public double ProcessorBusySeconds { get; init; }

    /// <summary>Time of all processors, busy or not.</summary>
    public double ProcessorSeconds { get; init; }

    /// <summary>Memory of the service's cgroup, bytes.</summary>
    public long GroupMemoryBytes { get; init; }

    /// <summary>The most it may have, bytes; 0 for no limit.</summary>
    public long GroupMemoryLimitBytes { get; init; }

    /// <summary>Time the cgroup was kept from running by its processor limit.</summary>
    public double GroupThrottledSeconds { get; init; }

    /// <summary>The disks under the folders asked for.</summary>
    public IReadOnlyList<DiskSample> Disks { get; init; } = [];
}

/// <summary>One disk's counters since boot.</summary>
internal sealed record DiskSample
{
    /// <summary>Its name, as <c>nvme0n1</c>.</summary>
    public required string Device { get; init; }

    /// <summary>Reads and writes that ended, a count.</summary>
    public long Requests { get; init; }

    /// <summary>Bytes read.</summary>
    public long ReadBytes { get; init; }

    /// <summary>What they took, all together.</summary>
    public double RequestSeconds { get; init; }

    /// <summary>Requests in flight now, a count.</summary>
    public long InFlight { get; init; }

    /// <summary>Time in which at least one was in flight.</summary>
    public double BusySeconds { get; init; }

    /// <summary>Time in flight, all together: over a second, the mean length of the queue.</summary>
    public double QueueSeconds { get; init; }
}
