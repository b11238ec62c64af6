using DataLayer.Core.Errors;

namespace DataLayer.Protocol.Keeper;

/// <summary>
/// The first bytes of each frame on the keeper's socket, in the layout of all frames: docs/FORMATS/keeper.md.
/// </summary>
/// <param name="Kind">What the frame says.</param>
/// <param name="PayloadBytes">Length of the JSON that follows, bytes.</param>
/// <param name="DescriptorCount">0 or 1.</param>
public readonly record struct KeeperFrameHeader(KeeperFrameKind Kind, int PayloadBytes, int DescriptorCount)
{
    /// <summary>Length of a header, bytes.</summary>
    public const int SizeBytes = FrameFormat.HeaderBytes;

    /// <summary>The longest payload, bytes.</summary>
    public const int MaxPayloadBytes = 64 << 10;

    /// <summary>The version of the protocol written here.</summary>
    public const byte Version = 1;

    internal static FrameFormat Format { get; } = new(Magic: 0x464B_4C44, Version) // "DLKF"
    {
        Connection = "the keeper's socket",
        Frame = "A frame on the keeper's socket",
        VersionRemedy = "Run keeper and service of the same release.",
        Users = "Only a keeper and the service may use this socket.",
    };

    /// <summary>Writes the header.</summary>
    /// <param name="destination">At least <see cref="SizeBytes"/> bytes.</param>
    public void Write(Span<byte> destination) =>
        Format.Write(destination, (byte)Kind, PayloadBytes, DescriptorCount);

    /// <summary>Reads and checks a header.</summary>
    /// <param name="source">At least <see cref="SizeBytes"/> bytes.</param>
    /// <exception cref="DataLayerException">InvalidArgument: not a frame, or out of bounds. NotSupported: another
    /// version, or a kind this version does not know.</exception>
    public static KeeperFrameHeader Read(ReadOnlySpan<byte> source)
    {
        (byte number, uint length, byte descriptors, byte flags) = Format.Read(source);
        if (length > MaxPayloadBytes)
        {
            throw Format.TooLong(length, MaxPayloadBytes);
        }

        if (descriptors > 1 || flags != 0)
        {
            throw Format.Bad(
                $"it claims {descriptors} descriptors and flags {flags}; 0 or 1, and 0, are allowed");
        }

        KeeperFrameKind kind = (KeeperFrameKind)number;
        return kind is >= KeeperFrameKind.Hello and <= KeeperFrameKind.Leave
            ? new KeeperFrameHeader(kind, (int)length, descriptors)
            : throw Format.UnknownKind(number);
    }
}
