using System.Globalization;

namespace DataLayer.TestSupport.Ceph;

/// <summary>For <c>IClassFixture</c>: the process's cluster for RADOS, and a pool for the class.</summary>
public sealed class RadosFixture : IAsyncLifetime
{
    private int _namespaces;

    /// <summary>The cluster.</summary>
    public CephCluster Cluster { get; private set; } = null!;

    /// <summary>The pool.</summary>
    public string Pool { get; private set; } = "";

    /// <summary>The address of a namespace of the pool that nobody used yet.</summary>
    public string NextAddress() => AddressOf(string.Create(
        CultureInfo.InvariantCulture, $"n{Interlocked.Increment(ref _namespaces)}"));

    /// <summary>The address of a namespace of the pool, or of another pool.</summary>
    public string AddressOf(string name, string? pool = null) => $"rados://{pool ?? Pool}/{name}?conf={Cluster.ConfigFile}";

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        Cluster = await CephCluster.GetRadosAsync();
        Pool = await Cluster.CreatePoolAsync("test", copies: 2);
    }

    /// <inheritdoc/>
    public Task DisposeAsync() => Task.CompletedTask;
}
