using System.Formats.Tar;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Core.Errors;
using DataLayer.Core.Integrity;

namespace DataLayer.Engine.Tiering.Packs;

/// <summary>One member as the index tells of it.</summary>
/// <param name="Name">Its name in the tar, below the attachment's folder.</param>
/// <param name="OffsetBytes">Where its contents begin.</param>
/// <param name="SizeBytes">Their length.</param>
/// <param name="Crc32C">Their CRC-32C, eight hexadecimal digits.</param>
internal sealed record PackIndexMember(string Name, long OffsetBytes, long SizeBytes, string Crc32C);

/// <summary>
/// The index beside a pack, JSON: where in the tar each member lies, for readers that have only the bucket. DataLayer
/// itself needs it for nothing: the tree knows the same, and the tar has all of it.
/// </summary>
internal sealed record PackIndex
{
    /// <summary>The words that say what the file is.</summary>
    public const string FormatName = "datalayer-pack-index/1";

    /// <summary><see cref="FormatName"/>.</summary>
    public string Format { get; init; } = FormatName;

    /// <summary>The tar's key.</summary>
    public required string Pack { get; init; }

    /// <summary>The tar's ETag.</summary>
    public required string ETag { get; init; }

    /// <summary>Length of the tar, bytes.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>Its members, in the tar's order.</summary>
    public required IReadOnlyList<PackIndexMember> Members { get; init; }

    /// <summary>A content's checksum as the index writes it.</summary>
    public static string Checksum(ReadOnlySpan<byte> content) =>
        Crc32C.Compute(content).ToString("x8", CultureInfo.InvariantCulture);

    /// <summary>Reads an index.</summary>
    /// <exception cref="DataLayerException">Corrupt: it is none.</exception>
    public static PackIndex Parse(ReadOnlySpan<byte> bytes)
    {
        try
        {
            PackIndex index = JsonSerializer.Deserialize(bytes, PackJson.Default.PackIndex)!;
            return index.Format == FormatName ? index : throw new JsonException();
        }
        catch (JsonException error)
        {
            throw new DataLayerException(ErrorCode.Corrupt, "The object is no index of a pack.", error);
        }
    }

    /// <summary>Makes the index again from the tar.</summary>
    /// <exception cref="DataLayerException">Corrupt: it is no tar.</exception>
    public static PackIndex Of(string key, string etag, byte[] tar)
    {
        List<PackIndexMember> members = [];
        using MemoryStream stream = new(tar, writable: false);
        try
        {
            using TarReader reader = new(stream);
            while (reader.GetNextEntry() is { } entry)
            {
                if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile)
                {
                    int size = checked((int)entry.Length);
                    ReadOnlySpan<byte> content = tar.AsSpan((int)entry.DataOffset, size);
                    members.Add(new PackIndexMember(entry.Name, entry.DataOffset, size, Checksum(content)));
                }
            }
        }
        catch (Exception error) when (error is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw new DataLayerException(ErrorCode.Corrupt, $"Object '{key}' is no whole tar: {error.Message}", error);
        }

        return new PackIndex { Pack = key, ETag = etag, SizeBytes = tar.Length, Members = members };
    }

    /// <summary>The bytes of the index.</summary>
    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, PackJson.Default.PackIndex);
}

/// <summary>JSON of packs.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web, UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(PackIndex))]
[JsonSerializable(typeof(PackSpec))]
[JsonSerializable(typeof(PackOutcome))]
internal sealed partial class PackJson : JsonSerializerContext;
