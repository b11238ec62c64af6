namespace DataLayer.Core.Objects;

/// <summary>What a store says of one object.</summary>
/// <param name="Key">The full key.</param>
/// <param name="SizeBytes">The size.</param>
/// <param name="ETag">The ETag without quotes.</param>
/// <param name="LastModified">When it was written, as the store says.</param>
/// <param name="VersionId">The version where the bucket is versioned, else null.</param>
/// <param name="StorageClass">The storage class as the store names it, or null where it does not say.</param>
/// <param name="IsRestoring">Whether a copy of it is on its way out of an archive and not readable yet.</param>
/// <param name="CopiedFrom">The ETag it had before it was copied onto itself (<see
/// cref="IObjectStore.ChangeClassAsync"/>); null where it was not.</param>
public readonly record struct ObjectProperties(
    string Key, long SizeBytes, string ETag, DateTimeOffset LastModified,
    string? VersionId = null, string? StorageClass = null, bool IsRestoring = false,
    string? CopiedFrom = null);
