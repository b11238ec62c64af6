using DataLayer.Core.Errors;

namespace DataLayer.Protocol.Feeds;

/// <summary>
/// The first bytes of each frame of a feed, in the layout of all frames: docs/FORMATS/feed.md.
/// </summary>
/// <param name="Kind">What the frame says.</param>
/// <param name="PayloadBytes">Length of what follows, bytes.</param>
/// <param name="DescriptorCount">0 or 1.</param>
public readonly record struct FeedFrameHeader(FeedFrameKind Kind, int PayloadBytes, int DescriptorCount)
{
    /// <summary>Length of a header, bytes.</summary>
    public const int SizeBytes = FrameFormat.HeaderBytes;

    /// <summary>The longest payload of all frames but a batch that travels, bytes.</summary>
    public const int MaxPayloadBytes = 1 << 20;

    /// <summary>The version of the protocol written here.</summary>
    public const byte Version = 1;

    internal static FrameFormat Format { get; } = new(Magic: 0x4446_4C44, Version) // "DLFD"
    {
        Connection = "the feed",
        Frame = "A frame of the feed",
        VersionRemedy = "Use client and service of the same release.",
        Users = "Only feed clients and the service may use this connection.",
        Members = " docs/FORMATS/feed.md lists its members.",
    };

    /// <summary>Writes the header.</summary>
    /// <param name="destination">At least <see cref="SizeBytes"/> bytes.</param>
    public void Write(Span<byte> destination) =>
        Format.Write(destination, (byte)Kind, PayloadBytes, DescriptorCount);

    /// <summary>Reads and checks a header.</summary>
    /// <param name="source">At least <see cref="SizeBytes"/> bytes.</param>
    /// <param name="longBatches">
    /// Whether a Batch may be as long as its bytes: only for a client without shared memory.
    /// </param>
    /// <exception cref="DataLayerException">InvalidArgument: not a frame, or out of bounds. NotSupported: another
    /// version, or a kind this version does not know.</exception>
    public static FeedFrameHeader Read(ReadOnlySpan<byte> source, bool longBatches = false)
    {
        (byte number, uint length, byte descriptors, byte flags) = Format.Read(source);
        FeedFrameKind kind = (FeedFrameKind)number;
        if (kind is < FeedFrameKind.Hello or > FeedFrameKind.Pong)
        {
            throw Format.UnknownKind(number);
        }

        uint most = longBatches && kind == FeedFrameKind.Batch ? (uint)int.MaxValue : MaxPayloadBytes;
        if (length > most)
        {
            throw Format.TooLong(length, most);
        }

        int wanted = kind == FeedFrameKind.Slab ? 1 : 0;
        return descriptors == wanted && flags == 0
            ? new FeedFrameHeader(kind, (int)length, descriptors)
            : throw Format.Bad(
                $"it claims {descriptors} descriptors and flags {flags}; {wanted} and 0 are right for {kind}");
    }
}
