using System.Buffers.Binary;
using System.Text.Json.Nodes;
using DataLayer.Core.Errors;
using DataLayer.Core.Integrity;

namespace DataLayer.Metadata.Transfer;

/// <summary>
/// The frames of a dump: a length of four bytes (of what follows, without the checksum), one byte that says what it is,
/// the payload, and CRC-32C over both. docs/FORMATS/tree-dump.md.
/// </summary>
internal static class DumpFile
{
    /// <summary>How a dump begins.</summary>
    public const string Magic = "DataLayer tree dump 1\n";

    /// <summary>The schema's version.</summary>
    public const byte Header = 1;

    /// <summary>A table begins.</summary>
    public const byte Table = 2;

    /// <summary>Rows of the table.</summary>
    public const byte Rows = 3;

    /// <summary>A table ends.</summary>
    public const byte TableEnd = 4;

    /// <summary>The dump ends.</summary>
    public const byte End = 5;

    private const int LongestFrame = 1 << 30;

    /// <summary>Writes a frame.</summary>
    public static void Write(Stream stream, byte kind, ReadOnlySpan<byte> payload)
    {
        Span<byte> head = stackalloc byte[5];
        BinaryPrimitives.WriteInt32LittleEndian(head, payload.Length + 1);
        head[4] = kind;
        stream.Write(head);
        stream.Write(payload);
        Span<byte> crc = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(crc, Crc32C.Append(Crc32C.Compute(head[4..]), payload));
        stream.Write(crc);
    }

    /// <summary>Writes a frame of JSON.</summary>
    public static void Write(Stream stream, byte kind, JsonObject payload) =>
        Write(stream, kind, System.Text.Encoding.UTF8.GetBytes(payload.ToJsonString()));

    /// <summary>Reads a frame; the payload is valid until the next.</summary>
    /// <exception cref="DataLayerException">Corrupt.</exception>
    public static (byte Kind, ReadOnlyMemory<byte> Payload) Read(Stream stream, ref byte[] buffer)
    {
        Span<byte> four = stackalloc byte[sizeof(int)];
        ReadExactly(stream, four);
        int length = BinaryPrimitives.ReadInt32LittleEndian(four);
        if (length is < 1 or > LongestFrame)
        {
            throw RowBytes.Damaged($"a frame of {length} bytes");
        }

        if (buffer.Length < length)
        {
            // Grown as the bytes come, so that a wrong length takes no memory.
            ReadGrowing(stream, ref buffer, length);
        }
        else
        {
            ReadExactly(stream, buffer.AsSpan(0, length));
        }

        ReadExactly(stream, four);
        return Crc32C.Compute(buffer.AsSpan(0, length)) == BinaryPrimitives.ReadUInt32LittleEndian(four)
            ? (buffer[0], buffer.AsMemory(1, length - 1))
            : throw RowBytes.Damaged("a frame fails its checksum");
    }

    /// <summary>Reads the frame's payload as JSON.</summary>
    public static JsonNode ReadJson(ReadOnlyMemory<byte> payload)
    {
        try
        {
            return JsonNode.Parse(payload.Span) ?? throw RowBytes.Damaged("a frame is empty");
        }
        catch (System.Text.Json.JsonException error)
        {
            throw RowBytes.Damaged(error.Message);
        }
    }

    /// <summary>Reads bytes that must be there.</summary>
    public static void ReadExactly(Stream stream, Span<byte> bytes)
    {
        if (stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
        {
            throw RowBytes.Damaged("it ends in the middle");
        }
    }

    private static void ReadGrowing(Stream stream, ref byte[] buffer, int length)
    {
        int have = 0;
        while (have < length)
        {
            int next = Math.Min(length, Math.Max(buffer.Length, have + (1 << 20)));
            if (buffer.Length < next)
            {
                Array.Resize(ref buffer, next);
            }

            ReadExactly(stream, buffer.AsSpan(have, next - have));
            have = next;
        }
    }
}
