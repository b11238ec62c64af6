using System.Buffers.Binary;
using DataLayer.Core.Batches;
using DataLayer.Core.Errors;

namespace DataLayer.Protocol.Feeds;

/// <summary>
/// The 16 bytes of <see cref="FeedFrameKind.Slab"/>, and the first 16 of <see cref="FeedFrameKind.Batch"/>.
/// </summary>
/// <param name="Slab">The slab's number; <see cref="NoSlab"/> where the batch follows.</param>
/// <param name="LengthBytes">Length of the slab, or of the batch, bytes.</param>
public readonly record struct FeedSlabMessage(uint Slab, long LengthBytes)
{
    /// <summary>Length of the message, bytes.</summary>
    public const int SizeBytes = 16;

    /// <summary>The number of a batch that travels in its frame.</summary>
    public const uint NoSlab = uint.MaxValue;

    /// <summary>Writes the message.</summary>
    /// <param name="destination">At least <see cref="SizeBytes"/> bytes.</param>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Slab);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[4..], 0);
        BinaryPrimitives.WriteInt64LittleEndian(destination[8..], LengthBytes);
    }

    /// <summary>Reads a message.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is too short, or has a length no slab has.</exception>
    public static FeedSlabMessage Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < SizeBytes)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"A frame of the feed has {payload.Length} of {SizeBytes} bytes of payload.");
        }

        long length = BinaryPrimitives.ReadInt64LittleEndian(payload[8..]);
        return length >= BatchHeader.SizeBytes && BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]) == 0
            ? new FeedSlabMessage(BinaryPrimitives.ReadUInt32LittleEndian(payload), length)
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"A frame of the feed names a slab or batch of {length} bytes.");
    }
}
