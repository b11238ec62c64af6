namespace DataLayer.Core.Objects;

/// <summary>What a request to an object store is for. The values are stored.</summary>
public enum OriginPurpose
{
    /// <summary>Nobody said: scrubs, checks, repairs.</summary>
    Other = 0,

    /// <summary>A reader waits for it.</summary>
    Foreground = 1,

    /// <summary>Ahead of a reader, guessed.</summary>
    Readahead = 2,

    /// <summary>Cold content on its way to the hot tier that no reader waits for.</summary>
    Recall = 3,

    /// <summary>What users wrote or removed, on its way to the bucket.</summary>
    Upload = 4,

    /// <summary>A warm-up.</summary>
    Warm = 5,

    /// <summary>A move between tiers that a policy asked for.</summary>
    Mover = 6,

    /// <summary>A listing: attach and refresh.</summary>
    Listing = 7,
}
