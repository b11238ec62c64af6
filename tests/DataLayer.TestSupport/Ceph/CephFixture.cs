
namespace DataLayer.TestSupport.Ceph;

/// <summary>For <c>IClassFixture</c>: the process's cluster, and a bucket for the class that goes with it.</summary>
public sealed class CephFixture : IAsyncLifetime
{
    /// <summary>The shared cluster.</summary>
    public CephCluster Cluster { get; private set; } = null!;

    /// <summary>An empty bucket made for this fixture.</summary>
    public string Bucket { get; private set; } = "";

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        Cluster = await CephCluster.GetSharedAsync();
        Bucket = await Cluster.CreateBucketAsync();
    }

    /// <inheritdoc/>
    public Task DisposeAsync() => Bucket.Length == 0 ? Task.CompletedTask : Cluster.DeleteBucketAsync(Bucket);
}
