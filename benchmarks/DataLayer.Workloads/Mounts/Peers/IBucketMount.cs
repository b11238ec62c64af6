namespace DataLayer.Workloads.Mounts.Peers;

/// <summary>A bucket mounted by one of the compared programs. Disposal unmounts, ends the program and deletes its cache.</summary>
internal interface IBucketMount : IAsyncDisposable
{
    /// <summary>The program's name.</summary>
    string Name { get; }

    /// <summary>Where the bucket is mounted.</summary>
    string Path { get; }

    /// <summary>Leaves the bucket mounted, and none of its content in the program's cache.</summary>
    Task MakeColdAsync(CancellationToken cancellationToken);

    /// <summary>Waits until what was read lies in the program's cache.</summary>
    Task SettleAsync();
}
