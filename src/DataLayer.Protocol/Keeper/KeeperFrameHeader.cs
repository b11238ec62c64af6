using System.Buffers.Binary;
using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Protocol.Keeper;

/// <summary>
/// The first bytes of each frame on the keeper's socket. Layout, little endian: magic (4), payload length in bytes
/// (4), version (1), kind (1), count of descriptors that travel with the first byte (1), zero (1).
/// </summary>
/// <param name="Kind">What the frame says.</param>
/// <param name="PayloadBytes">Length of the JSON that follows, bytes.</param>
/// <param name="DescriptorCount">0 or 1.</param>
public readonly record struct KeeperFrameHeader(KeeperFrameKind Kind, int PayloadBytes, int DescriptorCount)
{
    /// <summary>Length of a header, bytes.</summary>
    public const int SizeBytes = 12;

    /// <summary>The longest payload, bytes.</summary>
    public const int MaxPayloadBytes = 64 << 10;

    /// <summary>The version of the protocol written here.</summary>
    public const byte Version = 1;

    /// <summary>"DLKF" as the first four bytes.</summary>
    private const uint Magic = 0x464B_4C44;

    /// <summary>Writes the header.</summary>
    /// <param name="destination">At least <see cref="SizeBytes"/> bytes.</param>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(destination[4..], PayloadBytes);
        destination[8] = Version;
        destination[9] = (byte)Kind;
        destination[10] = (byte)DescriptorCount;
        destination[11] = 0;
    }

    /// <summary>Reads and checks a header.</summary>
    /// <param name="source">At least <see cref="SizeBytes"/> bytes.</param>
    /// <exception cref="DataLayerException">InvalidArgument: not a frame, or out of bounds. NotSupported: another
    /// version, or a kind this version does not know.</exception>
    public static KeeperFrameHeader Read(ReadOnlySpan<byte> source)
    {
        if (source.Length < SizeBytes)
        {
            throw Bad($"its header has {source.Length} of {SizeBytes} bytes");
        }

        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(source);
        if (magic != Magic)
        {
            throw Bad($"it starts with 0x{magic:X8}, not 0x{Magic:X8}");
        }

        byte version = source[8];
        if (version != Version)
        {
            throw Foreign(
                $"The other end of the keeper's socket speaks version {version}, this program version {Version}");
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(source[4..]);
        if (length > MaxPayloadBytes)
        {
            throw Bad($"it claims {length} bytes of payload; at most {MaxPayloadBytes} are allowed");
        }

        if (source[10] > 1 || source[11] != 0)
        {
            throw Bad($"it claims {source[10]} descriptors and flags {source[11]}; 0 or 1, and 0, are allowed");
        }

        KeeperFrameKind kind = (KeeperFrameKind)source[9];
        return kind is >= KeeperFrameKind.Hello and <= KeeperFrameKind.Leave
            ? new KeeperFrameHeader(kind, (int)length, source[10])
            : throw Foreign(
                $"A frame on the keeper's socket has the kind {source[9]}, which version {Version} does not know");
    }

    private static DataLayerException Foreign(FormattableString what) => new(
        ErrorCode.NotSupported,
        what.ToString(CultureInfo.InvariantCulture) + ". Run keeper and service of the same release.");

    private static DataLayerException Bad(FormattableString why) => new(
        ErrorCode.InvalidArgument,
        "A frame on the keeper's socket is not one of ours: "
        + why.ToString(CultureInfo.InvariantCulture)
        + ". Only a keeper and the service may use this socket.");
}
