using System.Buffers;
using System.Formats.Tar;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Core.Errors;
using DataLayer.Core.Integrity;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;

namespace DataLayer.Engine.Tiering.Packs;

/// <summary>One member as the index tells of it.</summary>
/// <param name="Name">Its name in the tar, below the attachment's folder.</param>
/// <param name="OffsetBytes">Where its contents begin.</param>
/// <param name="SizeBytes">Their length.</param>
/// <param name="Crc32C">Their CRC-32C, eight hexadecimal digits.</param>
/// <param name="ModifiedSeconds">When the file was changed last, seconds since 1970 UTC.</param>
internal sealed record PackIndexMember(
    string Name, long OffsetBytes, long SizeBytes, string Crc32C, long ModifiedSeconds);

/// <summary>
/// The index beside a pack, JSON: where in the tar each member lies, for readers that have only the bucket, also for a
/// service that attaches it anew. It says nothing that the tar does not (what became of its members since
/// stands in <see cref="PackNames"/>), and is believed only where it agrees with
/// itself and the tar's length and ETag.
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

    /// <summary>
    /// CRC-32C of the members, eight hexadecimal digits: over a line <c>name\toffset\tsize\tcrc\tmodified\n</c> of
    /// each,
    /// UTF-8.
    /// </summary>
    public string? MembersCrc32C { get; init; }

    /// <summary>An index of members, with their checksum.</summary>
    public static PackIndex Make(string key, string etag, long sizeBytes, IReadOnlyList<PackIndexMember> members) =>
        new()
        {
            Pack = key,
            ETag = etag,
            SizeBytes = sizeBytes,
            Members = members,
            MembersCrc32C = ChecksumOf(members),
        };

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
            return index is { Format: FormatName, Members: not null } ? index : throw new JsonException();
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
                    if (entry.Length > tar.Length - entry.DataOffset)
                    {
                        throw new EndOfStreamException($"'{entry.Name}' goes beyond its end.");
                    }

                    int size = (int)entry.Length;
                    ReadOnlySpan<byte> content = tar.AsSpan((int)entry.DataOffset, size);
                    members.Add(new PackIndexMember(
                        entry.Name, entry.DataOffset, size, Checksum(content),
                        entry.ModificationTime.ToUnixTimeSeconds()));
                }
            }
        }
        catch (Exception error) when (error is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw new DataLayerException(ErrorCode.Corrupt, $"Object '{key}' is no whole tar: {error.Message}", error);
        }

        return Make(key, etag, tar.Length, members);
    }

    /// <summary>Why the index cannot be the one of a tar; null where it is.</summary>
    /// <param name="etag">The tar's ETag.</param>
    /// <param name="sizeBytes">The tar's length.</param>
    public string? FindFault(string etag, long sizeBytes)
    {
        if (ETag != etag || SizeBytes != sizeBytes)
        {
            return "It is of another tar.";
        }

        long at = 0;
        foreach (PackIndexMember member in Members)
        {
            // Each stands behind the one before it, with nothing but its header between.
            if (member?.Name is null || member.SizeBytes < 0 || member.SizeBytes > sizeBytes
                || member.OffsetBytes != at + TarFormat.Header(member.Name, 0, 0, default, 0).Length)
            {
                return "Its members do not follow each other as in a tar.";
            }

            at = member.OffsetBytes + TarFormat.Padded(member.SizeBytes);
        }

        return at + TarFormat.EndBytes != sizeBytes ? "Its members are not all of the tar."
            : MembersCrc32C != ChecksumOf(Members) ? "Its checksum is not that of its members."
            : null;
    }

    /// <summary>The bytes of the index.</summary>
    public byte[] ToBytes() => JsonSerializer.SerializeToUtf8Bytes(this, PackJson.Default.PackIndex);

    /// <summary>Stores it beside its tar.</summary>
    public async ValueTask WriteAsync(IObjectStore store, CancellationToken cancellationToken)
    {
        PackImage bytes = new();
        bytes.AddBytes(ToBytes());
        await store.WriteAsync(Pack + PackKeys.IndexSuffix, bytes, ObjectWriteCondition.None, cancellationToken)
            .ConfigureAwait(false);
    }

    private static string ChecksumOf(IReadOnlyList<PackIndexMember> members)
    {
        ArrayBufferWriter<byte> lines = new();
        foreach (PackIndexMember one in members)
        {
            string line = string.Create(
                CultureInfo.InvariantCulture,
                $"{one.Name}\t{one.OffsetBytes}\t{one.SizeBytes}\t{one.Crc32C}\t{one.ModifiedSeconds}\n");
            Encoding.UTF8.GetBytes(line, lines);
        }

        return Checksum(lines.WrittenSpan);
    }
}

/// <summary>JSON of packs.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web, UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(PackIndex))]
[JsonSerializable(typeof(PackNames))]
[JsonSerializable(typeof(PackSpec))]
[JsonSerializable(typeof(PackOutcome))]
internal sealed partial class PackJson : JsonSerializerContext;
