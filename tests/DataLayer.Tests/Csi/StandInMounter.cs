using System.Collections.Concurrent;
using System.Globalization;
using DataLayer.Csi.Node;
using DataLayer.Keeper.Mounts;

namespace DataLayer.Tests.Csi;

/// <summary>
/// A mounter without a kernel: a table of mounts in memory, with the rules of the real one (a bind shares its source's device, the
/// last mount at a path covers the others). Folders are real, so that path checks are the driver's own. It outlives drivers, as the
/// kernel's table does, and can be told to fail between two steps.
/// </summary>
internal sealed class StandInMounter : INodeMounter
{
    private readonly Lock _lock = new();
    private readonly List<NodeMount> _mounts = [];
    private int _nextDevice = 40;

    /// <summary>Every mount that was asked for, in order.</summary>
    public ConcurrentQueue<VolumeMount> Mounted { get; } = new();

    /// <summary>Paths that do not answer.</summary>
    public ConcurrentDictionary<string, bool> Dead { get; } = new();

    /// <summary>While set, nothing answers before it completes: the service is away and the keeper waits.</summary>
    public TaskCompletionSource? Away { get; set; }

    /// <summary>Thrown by the next mount, once.</summary>
    public Exception? NextFault { get; set; }

    /// <summary>Awaited inside each mount, so that a test can hold one there.</summary>
    public Func<Task> Gate { get; set; } = () => Task.CompletedTask;

    public IReadOnlyList<NodeMount> ListMounts()
    {
        lock (_lock)
        {
            return [.. _mounts];
        }
    }

    public async Task MountAsync(VolumeMount mount, CancellationToken cancellationToken)
    {
        await Gate();
        if (NextFault is { } fault)
        {
            NextFault = null;
            throw fault;
        }

        Mounted.Enqueue(mount);
        lock (_lock)
        {
            string device = string.Create(CultureInfo.InvariantCulture, $"0:{_nextDevice++}");
            _mounts.Add(new NodeMount(new MountEntry(
                device, mount.Target.FullPath, Options(mount.ReadOnly, mount.NoExec), "fuse.datalayer", mount.Source)));
        }
    }

    public Task UnmountAsync(TargetPath target, CancellationToken cancellationToken)
    {
        Remove(target.FullPath);
        return Task.CompletedTask;
    }

    public void Bind(TargetPath source, TargetPath target, bool readOnly, bool noExec)
    {
        lock (_lock)
        {
            NodeMount staged = _mounts.Last(m => m.MountPoint == source.FullPath);
            _mounts.Add(staged with { MountPoint = target.FullPath, Options = Options(readOnly, noExec) });
        }
    }

    public void Unbind(TargetPath target) => Remove(target.FullPath);

    public VolumeSpace GetSpace(string path)
    {
        Away?.Task.GetAwaiter().GetResult();
        return Dead.ContainsKey(path)
            ? throw new IOException("Transport endpoint is not connected")
            : new VolumeSpace(1000 << 20, 600 << 20, 400 << 20, 1000, 900, 100);
    }

    /// <summary>Puts somebody else's mount at a path.</summary>
    public void AddForeign(string path)
    {
        lock (_lock)
        {
            _mounts.Add(new NodeMount(new MountEntry("8:1", path, "rw,relatime", "ext4", "/dev/sda1")));
        }
    }

    /// <summary>What is left of all mounts when the process that kept them has died.</summary>
    public void KillKeepers()
    {
        lock (_lock)
        {
            for (int i = 0; i < _mounts.Count; i++)
            {
                Dead[_mounts[i].MountPoint] = true;
                _mounts[i] = _mounts[i] with { IsOrphan = true };
            }
        }
    }

    private void Remove(string path)
    {
        lock (_lock)
        {
            int last = _mounts.FindLastIndex(m => m.MountPoint == path);
            if (last >= 0)
            {
                _mounts.RemoveAt(last);
            }
        }

        Dead.TryRemove(path, out _);
    }

    private static string Options(bool readOnly, bool noExec) =>
        (readOnly ? "ro" : "rw") + ",nosuid,nodev" + (noExec ? ",noexec" : string.Empty) + ",relatime";
}
