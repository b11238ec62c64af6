using Amazon.S3.Model;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Ceph;
using DataLayer.TestSupport.Relay;

namespace DataLayer.EndToEndTests.Buckets;

/// <summary>A bucket on Ceph with 20,500 real objects below <c>data/</c>, uploaded by Amazon's client, behind a relay that counts requests.</summary>
public sealed class SharedBucket : IAsyncLifetime
{
    private const int ObjectCount = 20_500;
    private const int Uploaders = 24;

    /// <summary>The cluster.</summary>
    internal CephCluster Ceph { get; private set; } = null!;

    /// <summary>The bucket's name.</summary>
    internal string Bucket { get; private set; } = "";

    /// <summary>Key below <c>data/</c>, and the checksum and length of the object.</summary>
    internal IReadOnlyList<(string Key, string Sum, int Length)> Objects { get; private set; } = [];

    /// <summary>The relay in front of the gateway; remembers requests for <see cref="TakeRequests"/>.</summary>
    internal LatencyRelay Relay { get; private set; } = null!;

    private readonly Lock _lock = new();
    private List<RelayRequest> _requests = [];

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        Ceph = await CephCluster.GetSharedAsync();
        Bucket = await Ceph.CreateBucketAsync("real");
        Relay = LatencyRelay.StartWithoutLatency(Ceph.Address);
        Relay.Fault = request =>
        {
            lock (_lock)
            {
                _requests.Add(request);
            }

            return RelayFault.None;
        };
        var files = ShareFiles.Take(ObjectCount);
        var objects = new (string Key, string Sum, int Length)[files.Count];
        using var client = Ceph.CreateClient();
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, Uploaders).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Increment(ref next) is var i && i < files.Count)
            {
                var bytes = await File.ReadAllBytesAsync(files[i].Path);
                objects[i] = (files[i].Key, ShareFiles.Sum(bytes), bytes.Length);
                using var body = new MemoryStream(bytes);
                await client.PutObjectAsync(new PutObjectRequest { BucketName = Bucket, Key = "data/" + files[i].Key, InputStream = body });
            }
        })));
        Objects = objects;
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        await Relay.DisposeAsync();
        if (Environment.GetEnvironmentVariable("DATALAYER_CEPH_DIR") is { Length: > 0 })
        {
            // A cluster of our own goes as a whole.
            await Ceph.DeleteBucketAsync(Bucket);
        }
    }

    /// <summary>The requests since the last call.</summary>
    internal IReadOnlyList<RelayRequest> TakeRequests()
    {
        lock (_lock)
        {
            var taken = _requests;
            _requests = [];
            return taken;
        }
    }

    /// <summary>Writes a configuration of <c>s3cmd</c> for the gateway and returns its path.</summary>
    internal string WriteS3CmdConfiguration(TempFolder folder)
    {
        var path = folder.Combine("s3cmd.conf");
        File.WriteAllText(path, $"""
            [default]
            access_key = {Ceph.AccessKey}
            secret_key = {Ceph.SecretKey}
            host_base = 127.0.0.1:{Ceph.Endpoint.Port}
            host_bucket = 127.0.0.1:{Ceph.Endpoint.Port}
            use_https = False
            signature_v2 = False
            """);
        return path;
    }
}
