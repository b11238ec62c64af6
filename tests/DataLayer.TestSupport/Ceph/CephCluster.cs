using System.Diagnostics;
using System.Globalization;
using System.Net;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using DataLayer.Storage.Objects;

namespace DataLayer.TestSupport.Ceph;

/// <summary>
/// A real Ceph cluster with an S3 gateway, started once per process by <c>eng/ceph.sh</c> (15–20 s) on free ports in its own
/// temp folder. A watchdog process ends it by its pid files and removes the folder when this process ends, however it ends.
/// </summary>
/// <remarks>
/// Set <c>DATALAYER_CEPH_DIR</c> to the folder of a running cluster (<c>eng/ceph.sh up DIR</c>) to share one between processes;
/// that one is left running. The cluster keeps objects in memory: delete what is large.
/// </remarks>
public sealed class CephCluster
{
    private static readonly Lazy<Task<CephCluster>> _shared = new(() => StartAsync(hasGateway: true));
    private static readonly Lazy<Task<CephCluster>> _rados = new(() => StartAsync(hasGateway: false));
    private int _buckets;
    private int _pools;

    private CephCluster(string folder, IReadOnlyDictionary<string, string> settings)
    {
        Folder = folder;
        ConfigFile = settings["CEPH_CONF"];
        Endpoint = new Uri(settings["S3_ENDPOINT"]);
        AccessKey = settings["S3_ACCESS_KEY"];
        SecretKey = settings["S3_SECRET_KEY"];
    }

    /// <summary>The cluster's folder; daemons' pid files are in <c>run/</c>.</summary>
    public string Folder { get; }

    /// <summary>The configuration file for <c>ceph -c</c> and librados.</summary>
    public string ConfigFile { get; }

    /// <summary>The gateway's URL, for instance <c>http://127.0.0.1:40123</c>.</summary>
    public Uri Endpoint { get; }

    /// <summary>The gateway as an address, for <see cref="Relay.LatencyRelay"/>.</summary>
    public IPEndPoint Address => new(IPAddress.Loopback, Endpoint.Port);

    /// <summary>The access key of the gateway's one user.</summary>
    public string AccessKey { get; }

    /// <summary>The secret key of the gateway's one user.</summary>
    public string SecretKey { get; }

    /// <summary>The cluster of this process; started by the first caller.</summary>
    public static Task<CephCluster> GetSharedAsync() => _shared.Value;

    /// <summary>
    /// A cluster of this process without a gateway and with a manager, so that its pools have statistics and quotas; its
    /// daemons may be killed.
    /// </summary>
    public static Task<CephCluster> GetRadosAsync() => _rados.Value;

    /// <summary>Runs <c>ceph</c>; what it prints.</summary>
    public Task<string> RunCephAsync(params string[] arguments) => RunToolAsync("ceph", arguments);

    /// <summary>Runs <c>rados</c>, which is librados from Ceph's own hands; what it prints.</summary>
    public Task<string> RunRadosAsync(params string[] arguments) => RunToolAsync("rados", arguments);

    private async Task<string> RunToolAsync(string tool, string[] arguments)
    {
        ProcessStartInfo start = new(tool, ["-c", ConfigFile, .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output.Trim() : throw new InvalidOperationException(
            $"{tool} {string.Join(' ', arguments)} failed: {await error}");
    }

    /// <summary>Makes a pool whose objects lie on so many daemons; its name.</summary>
    public async Task<string> CreatePoolAsync(string purpose, int copies = 1)
    {
        string pool = string.Create(CultureInfo.InvariantCulture,
            $"{purpose}-{Environment.ProcessId}-{Interlocked.Increment(ref _pools)}");
        await RunCephAsync("osd", "pool", "create", pool, "8");
        string size = copies.ToString(CultureInfo.InvariantCulture);
        if (copies == 1)
        {
            await RunCephAsync("osd", "pool", "set", pool, "size", size, "--yes-i-really-mean-it");
        }
        else
        {
            await RunCephAsync("osd", "pool", "set", pool, "size", size);
            await RunCephAsync("osd", "pool", "set", pool, "min_size", "1");
        }

        await RunCephAsync("osd", "pool", "application", "enable", pool, "datalayer");
        return pool;
    }

    /// <summary>Kills an object storage daemon; what it held in memory is gone.</summary>
    public async Task KillOsdAsync(int number)
    {
        string file = Path.Combine(Folder, "run", string.Create(CultureInfo.InvariantCulture, $"osd.{number}.pid"));
        using Process daemon = Process.GetProcessById(int.Parse(
            (await File.ReadAllTextAsync(file)).Trim(), CultureInfo.InvariantCulture));
        daemon.Kill();
        await daemon.WaitForExitAsync();
    }

    /// <summary>Starts a killed daemon again.</summary>
    public Task StartOsdAsync(int number) => RunScriptAsync("osd", number.ToString(CultureInfo.InvariantCulture));

    /// <summary>A store configuration for the gateway, or for a relay in front of it.</summary>
    public ObjectStoreOptions CreateStoreOptions(string name = "default", Uri? endpoint = null) => new()
    {
        Name = name,
        Kind = "s3",
        Endpoint = (endpoint ?? Endpoint).ToString().TrimEnd('/'),
        PathStyle = true,
        AccessKey = AccessKey,
        SecretKey = SecretKey,
    };

    /// <summary>A plain SDK client of the gateway, as the independent second opinion. The caller disposes it.</summary>
    public AmazonS3Client CreateClient(Uri? endpoint = null) => new(
        new BasicAWSCredentials(AccessKey, SecretKey),
        new AmazonS3Config
        {
            ServiceURL = (endpoint ?? Endpoint).ToString(),
            ForcePathStyle = true,
            AuthenticationRegion = "us-east-1",
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        });

    /// <summary>Makes a new empty bucket whose name starts with <paramref name="purpose"/> (lower-case letters, digits, '-').</summary>
    public async Task<string> CreateBucketAsync(string purpose = "test")
    {
        string bucket = string.Create(CultureInfo.InvariantCulture,
            $"{purpose}-{Environment.ProcessId}-{Interlocked.Increment(ref _buckets)}");
        using AmazonS3Client client = CreateClient();
        await client.PutBucketAsync(bucket);
        return bucket;
    }

    /// <summary>Deletes a bucket with everything in it, unfinished uploads too.</summary>
    public async Task DeleteBucketAsync(string bucket)
    {
        using AmazonS3Client client = CreateClient();
        ListMultipartUploadsResponse uploads = await client.ListMultipartUploadsAsync(bucket);
        foreach (MultipartUpload upload in uploads.MultipartUploads ?? [])
        {
            await client.AbortMultipartUploadAsync(bucket, upload.Key, upload.UploadId);
        }

        string? after = null;
        do
        {
            ListObjectsV2Response page = await client.ListObjectsV2Async(
                new ListObjectsV2Request { BucketName = bucket, ContinuationToken = after });
            List<KeyVersion> keys = [.. (page.S3Objects ?? []).Select(found => new KeyVersion { Key = found.Key })];
            if (keys.Count > 0)
            {
                await client.DeleteObjectsAsync(new DeleteObjectsRequest { BucketName = bucket, Objects = keys, Quiet = true });
            }

            after = page.IsTruncated == true ? page.NextContinuationToken : null;
        }
        while (after is not null);

        await client.DeleteBucketAsync(bucket);
    }

    private async Task RunScriptAsync(string verb, params string[] arguments)
    {
        string script = Path.Combine(RepositoryRoot.Path, "eng", "ceph.sh");
        string log = Path.Combine(Folder, verb + ".log");
        int exit = await RunAsync(
            "log=$1; verb=$2; dir=$3; shift 3; exec \"$0\" $verb $dir \"$@\" </dev/null >\"$log\" 2>&1", [script, log, verb, Folder, .. arguments]);
        if (exit != 0)
        {
            throw new InvalidOperationException($"eng/ceph.sh {verb} failed: {await File.ReadAllTextAsync(log)}");
        }
    }

    private static async Task<CephCluster> StartAsync(bool hasGateway)
    {
        if (hasGateway && Environment.GetEnvironmentVariable("DATALAYER_CEPH_DIR") is { Length: > 0 } running)
        {
            return new CephCluster(running, ReadSettings(running));
        }

        string script = Path.Combine(RepositoryRoot.Path, "eng", "ceph.sh");
        string folder = Directory.CreateTempSubdirectory("datalayer-ceph-").FullName;
        StartWatchdog(script, folder);
        for (int attempt = 1; ; attempt++)
        {
            string s3 = FreePort.Next().ToString(CultureInfo.InvariantCulture);
            string monitor = FreePort.Next().ToString(CultureInfo.InvariantCulture);
            string log = folder + ".log";
            int exit = await RunAsync(
                "CEPH_GATEWAY=\"$5\" exec \"$0\" up \"$1\" \"$2\" \"$3\" </dev/null >\"$4\" 2>&1", script, folder, s3, monitor, log,
                hasGateway ? "yes" : "no");
            string output = await File.ReadAllTextAsync(log);
            File.Delete(log);
            if (exit == 0)
            {
                CephCluster cluster = new(folder, ReadSettings(folder));
                if (!hasGateway)
                {
                    await cluster.RunScriptAsync("manager");
                }

                return cluster;
            }

            await RunAsync("exec \"$0\" down \"$1\" </dev/null >/dev/null 2>&1", script, folder);
            if (attempt == 3)
            {
                throw new InvalidOperationException($"Ceph did not start (`eng/ceph.sh install` brings its packages): {output}");
            }
        }
    }

    /// <summary>A shell in its own session that waits for this process to end, then stops the daemons and removes the folder.</summary>
    private static void StartWatchdog(string script, string folder)
    {
        const string Program = "exec </dev/null >/dev/null 2>&1; tail --pid=\"$2\" -f /dev/null; \"$0\" down \"$1\"; rm -rf \"$1\"";
        ProcessStartInfo start = new("setsid", ["-f", "bash", "-c", Program, script, folder,
            Environment.ProcessId.ToString(CultureInfo.InvariantCulture)]);
        using Process watchdog = Process.Start(start)!;
        watchdog.WaitForExit();
    }

    private static async Task<int> RunAsync(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("bash", ["-c", program, .. arguments]))!;
        await process.WaitForExitAsync();
        return process.ExitCode;
    }

    private static Dictionary<string, string> ReadSettings(string folder)
    {
        Dictionary<string, string> settings = new(StringComparer.Ordinal);
        foreach (string line in File.ReadLines(Path.Combine(folder, "env")))
        {
            string[] parts = line.Replace("export ", "", StringComparison.Ordinal).Split('=', 2);
            settings[parts[0]] = parts[1];
        }

        return settings;
    }
}
