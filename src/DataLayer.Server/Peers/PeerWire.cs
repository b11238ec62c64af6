using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using DataLayer.Core.Integrity;
using DataLayer.Core.Objects;
using DataLayer.Engine.Peers;

namespace DataLayer.Server.Peers;

/// <summary>
/// What nodes say to each other over HTTP, as both ends spell it: <c>docs/FORMATS/peers.md</c>. The answer's body is
/// one byte (1: bytes follow, 0: none after all), the bytes, and their checksum.
/// </summary>
internal static class PeerWire
{
    /// <summary>The header by which a node that speaks this tells a miss and a queue from other faults.</summary>
    public const string Header = "X-DataLayer-Peer";

    /// <summary>The header's value where the node has not that version of the object.</summary>
    public const string Miss = "miss";

    /// <summary>The header's value where the node has too much to do.</summary>
    public const string Busy = "busy";

    /// <summary>The first byte where bytes follow.</summary>
    public const byte Follows = 1;

    /// <summary>The first byte where none do.</summary>
    public const byte Missed = 0;

    /// <summary>What stands around the bytes, bytes.</summary>
    public const int FrameBytes = 1 + ChecksumBytes;

    /// <summary>The checksum's length, bytes; little-endian.</summary>
    public const int ChecksumBytes = 4;

    /// <summary>The query of a request.</summary>
    public static string QueryOf(PeerRequest request) => string.Create(
        CultureInfo.InvariantCulture,
        $"?store={Uri.EscapeDataString(request.Store)}&key={Uri.EscapeDataString(request.Key)}"
        + $"&etag={Uri.EscapeDataString(request.ETag)}&size={request.SizeBytes}&offset={request.OffsetBytes}"
        + $"&length={request.LengthBytes}&purpose={TextOf(request.Purpose)}");

    /// <summary>A purpose as a word.</summary>
    public static string TextOf(OriginPurpose purpose) => purpose.ToString().ToLowerInvariant();

    /// <summary>
    /// The checksum (CRC-32C) of bytes together with what was asked for: right bytes of another object, version or
    /// place have another one.
    /// </summary>
    public static uint ChecksumOf(PeerRequest request, ReadOnlySpan<byte> bytes)
    {
        string asked = string.Create(
            CultureInfo.InvariantCulture,
            $"{request.Store}\n{request.Key}\n{request.ETag}\n{request.SizeBytes}\n{request.OffsetBytes}\n"
            + $"{request.LengthBytes}\n");
        return Crc32C.Append(Crc32C.Compute(Encoding.UTF8.GetBytes(asked)), bytes);
    }

    /// <summary>Whether the checksum that came is that of the bytes.</summary>
    public static bool IsRight(PeerRequest request, ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> checksum) =>
        BinaryPrimitives.ReadUInt32LittleEndian(checksum) == ChecksumOf(request, bytes);
}
