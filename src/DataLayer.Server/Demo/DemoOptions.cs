namespace DataLayer.Server.Demo;

/// <summary>What <c>datalayer demo</c> reads and how.</summary>
internal sealed record DemoOptions
{
    /// <summary>The running service.</summary>
    public required string Server { get; init; }

    /// <summary>A folder with one's own data, attached as it is; null takes fashion-mnist.</summary>
    public string? DataFolder { get; init; }

    /// <summary>The folder that serves as bucket where fashion-mnist is taken.</summary>
    public required string BucketFolder { get; init; }

    /// <summary>The configured object store of kind <c>directory</c>.</summary>
    public string StoreName { get; init; } = "default";

    /// <summary>How often everything is read, a count.</summary>
    public int PassCount { get; init; } = 3;

    /// <summary>How many readers at a time, a count. Default 8: the workers of one loader.</summary>
    public int ReaderCount { get; init; } = 8;

    /// <summary>Seed of the order; each pass has its own.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Where the dataset is mounted for one more pass through the mount; null for none.</summary>
    public string? MountFolder { get; init; }

    /// <summary>The bearer token, where the service asks for one.</summary>
    public string? Token { get; init; }

    /// <summary>A file with the token.</summary>
    public string? TokenFile { get; init; }

    /// <summary>Print one JSON object instead of tables.</summary>
    public bool Json { get; init; }
}
