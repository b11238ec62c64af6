using DataLayer.Core.Objects;
using DataLayer.Storage.Objects;
using DataLayer.TestSupport.Ceph;
using Microsoft.Extensions.Logging.Abstractions;

namespace DataLayer.ConformanceTests.Objects;

/// <summary>The S3 store as it is configured by default, on a real Ceph gateway.</summary>
public sealed class S3ObjectStoreConformance(CephFixture ceph) : ObjectStoreConformance, IClassFixture<CephFixture>
{
    private ObjectStoreRegistry? _registry;

    protected override int LargeBytes => 21_000_001;

    public override async Task DisposeAsync() => await _registry!.DisposeAsync();

    protected override Task<IObjectStore> OpenAsync()
    {
        _registry = new ObjectStoreRegistry([ceph.Cluster.CreateStoreOptions()], TimeProvider.System, NullLoggerFactory.Instance);
        return Task.FromResult(_registry.Open("default", ObjectSource.Parse("s3://" + ceph.Bucket), "test"));
    }
}
