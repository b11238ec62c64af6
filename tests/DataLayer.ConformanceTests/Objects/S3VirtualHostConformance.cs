using System.Globalization;
using DataLayer.Core.Objects;
using DataLayer.Storage.Objects;
using DataLayer.TestSupport.Ceph;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.ConformanceTests.Objects;

/// <summary>The suite with the bucket in the host name (<c>bucket.localhost</c>, which the gateway knows as its own).</summary>
public sealed class S3VirtualHostConformance(CephFixture ceph) : ObjectStoreConformance, IClassFixture<CephFixture>
{
    private ObjectStoreRegistry? _registry;

    protected override int LargeBytes => 21_000_001;

    public override async Task DisposeAsync() => await _registry!.DisposeAsync();

    protected override Task<IObjectStore> OpenAsync()
    {
        ObjectStoreOptions options = new()
        {
            Name = "default",
            Kind = "s3",
            Endpoint = string.Create(CultureInfo.InvariantCulture, $"http://localhost:{ceph.Cluster.Endpoint.Port}"),
            ConnectTo = ceph.Cluster.Address,
            PathStyle = false,
            AccessKey = ceph.Cluster.AccessKey,
            SecretKey = ceph.Cluster.SecretKey,
        };
        _registry = new ObjectStoreRegistry([options], TimeProvider.System, NullLoggerFactory.Instance);
        return Task.FromResult(_registry.Open("default", ObjectSource.Parse("s3://" + ceph.Bucket), "test"));
    }
}
