using System.Text.Json.Serialization;

namespace DataLayer.Csi.Volumes;

/// <summary>
/// What is known of a volume or snapshot beside its contents, kept as JSON in the extended attribute
/// <see cref="Attribute"/> of its folder: whoever uses the volume cannot change it, because the kernel lets only
/// CAP_SYS_ADMIN near <c>trusted.</c> names. The quota stands by itself in <see cref="QuotaAttribute"/>, for the
/// service to read. docs/FORMATS/csi.md.
/// </summary>
internal sealed record VolumeRecord
{
    /// <summary>The extended attribute with the record.</summary>
    public const string Attribute = "trusted.datalayer.csi";

    /// <summary>The extended attribute with the quota: decimal bytes; absent or 0 is none.</summary>
    public const string QuotaAttribute = "trusted.datalayer.quota";

    /// <summary>The format's version.</summary>
    public int Version { get; init; } = 1;

    /// <summary>The name the caller gave.</summary>
    public required string Name { get; init; }

    /// <summary>When it was made, nanoseconds since 1970 UTC.</summary>
    public required long CreatedNanoseconds { get; init; }

    /// <summary>The mount's profile.</summary>
    public string Profile { get; init; } = "auto";

    /// <summary>The snapshot the content came from, or null.</summary>
    public string? SourceSnapshot { get; init; }

    /// <summary>The volume the content came from (of a snapshot: always), or null.</summary>
    public string? SourceVolume { get; init; }

    /// <summary>Of a snapshot: bytes in its files when it was cut.</summary>
    public long ContentBytes { get; init; }
}

/// <summary>The record's JSON.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(VolumeRecord))]
internal sealed partial class VolumeJson : JsonSerializerContext;
