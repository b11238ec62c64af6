using System.Diagnostics;
using System.Text;
using DataLayer.Fuse;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Mounts;
using DataLayer.TestSupport.Processes;

namespace DataLayer.Workloads.Mounts.Peers;

/// <summary>
/// Another program that mounts the bucket, as a process of its own with a cache folder on the disk DataLayer's target lies on. Each
/// time it is made cold, it is a new process with an empty cache folder.
/// </summary>
internal sealed class PeerMount : IBucketMount
{
    private static readonly TimeSpan _limit = TimeSpan.FromSeconds(20);
    private readonly TempFolder _folder;
    private readonly IReadOnlyList<string> _arguments;
    private readonly Dictionary<string, string> _environment;
    private readonly StringBuilder _log = new();
    private Process? _process;

    private PeerMount(string program, TempFolder folder, IReadOnlyList<string> arguments, Dictionary<string, string> environment)
    {
        (Name, _folder, _arguments, _environment) = (program, folder, arguments, environment);
        _environment["AWS_CA_BUNDLE"] = ""; // The gateway speaks plain HTTP, and rclone trips over a bundle.
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public string Path => _folder.Combine("mnt");

    /// <summary>Whether the kernel's readahead is raised as it is for DataLayer's mount.</summary>
    private bool RaisesReadahead { get; init; }

    /// <summary>
    /// s3fs: content on disk, all attributes remembered, else its defaults. Far readahead of the kernel and more requests at a time
    /// made it slower.
    /// </summary>
    public static PeerMount S3fs(CephCluster cluster, string bucket)
    {
        TempFolder folder = new("peer-s3fs");
        string password = folder.Combine("password");
        File.WriteAllText(password, $"{cluster.AccessKey}:{cluster.SecretKey}");
        File.SetUnixFileMode(password, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        string options = $"passwd_file={password},url={cluster.Endpoint.ToString().TrimEnd('/')},use_path_request_style,ro,"
            + $"use_cache={folder.Combine("cache")},max_stat_cache_size=200000,enable_noobj_cache";
        return new PeerMount("s3fs", folder, [bucket, folder.Combine("mnt"), "-f", "-o", options], []);
    }

    /// <summary>rclone mount: content on disk, names remembered for an hour, no request for times, far readahead.</summary>
    public static PeerMount Rclone(CephCluster cluster, string bucket)
    {
        TempFolder folder = new("peer-rclone");
        return new PeerMount("rclone", folder,
            [
                "mount", $"rgw:{bucket}", folder.Combine("mnt"), "--read-only",
                "--vfs-cache-mode", "full", "--cache-dir", folder.Combine("cache"), "--vfs-fast-fingerprint", "--no-modtime",
                "--dir-cache-time", "1h", "--attr-timeout", "1h", "--max-read-ahead", "16M", "--buffer-size", "32M",
                "--vfs-read-ahead", "128M",
            ],
            Cold.Rclone.EnvironmentFor(cluster))
        {
            RaisesReadahead = true,
        };
    }

    /// <inheritdoc/>
    public async Task MakeColdAsync(CancellationToken cancellationToken)
    {
        await StopAsync();
        Directory.CreateDirectory(_folder.Combine("cache"));
        Directory.CreateDirectory(Path);
        _log.Clear();
        _process = Command.Start(Name, _arguments, _environment);
        OrphanWatch.Add(_process.Id);
        _process.OutputDataReceived += (_, line) => Log(line.Data);
        _process.ErrorDataReceived += (_, line) => Log(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        long start = Stopwatch.GetTimestamp();
        while (!MountTable.ListBelow(Path).Contains(Path, StringComparer.Ordinal))
        {
            if (_process.HasExited || Stopwatch.GetElapsedTime(start) > _limit)
            {
                throw new InvalidOperationException($"{Name} did not mount:\n{_log}");
            }

            await Task.Delay(20, cancellationToken);
        }

        if (RaisesReadahead)
        {
            KernelReadahead.Raise(Path);
        }
    }

    /// <inheritdoc/>
    public Task SettleAsync() => Task.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await StopAsync();
        }
        finally
        {
            _folder.Dispose();
        }
    }

    private void Log(string? line)
    {
        lock (_log)
        {
            _log.AppendLine(line);
        }
    }

    /// <summary>Unmounts, waits for the process to end by itself, else kills it; then forgets what it cached.</summary>
    private async Task StopAsync()
    {
        if (_process is null)
        {
            return;
        }

        MountTable.DetachBelow(Path);
        using (CancellationTokenSource late = new(_limit))
        {
            try
            {
                await _process.WaitForExitAsync(late.Token);
            }
            catch (OperationCanceledException)
            {
                _process.Kill();
                await _process.WaitForExitAsync(CancellationToken.None);
            }
        }

        _process.Dispose();
        _process = null;
        if (Directory.Exists(_folder.Combine("cache")))
        {
            Directory.Delete(_folder.Combine("cache"), recursive: true);
        }
    }
}
