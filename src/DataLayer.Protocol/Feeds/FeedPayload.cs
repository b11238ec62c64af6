using System.Buffers.Binary;
using System.Text.Json.Serialization.Metadata;
using DataLayer.Core.Errors;

namespace DataLayer.Protocol.Feeds;

/// <summary>Writes and reads what stands behind a frame's header; what does not fit or parse is a fault.</summary>
public static class FeedPayload
{
    /// <summary>Writes a payload of JSON.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is longer than a frame allows.</exception>
    public static byte[] Write<T>(T message, JsonTypeInfo<T> type) =>
        FeedFrameHeader.Format.WriteJson(message, type, FeedFrameHeader.MaxPayloadBytes, string.Empty);

    /// <summary>Reads a payload of JSON.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is not what its frame says.</exception>
    public static T Read<T>(ReadOnlySpan<byte> payload, JsonTypeInfo<T> type)
        where T : class => FeedFrameHeader.Format.ReadJson(payload, type);

    /// <summary>Reads the payload of <see cref="FeedFrameKind.Release"/>: the sequence of a batch.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it has not 8 bytes.</exception>
    public static ulong ReadSequence(ReadOnlySpan<byte> payload) => payload.Length == sizeof(ulong)
        ? BinaryPrimitives.ReadUInt64LittleEndian(payload)
        : throw new DataLayerException(
            ErrorCode.InvalidArgument, $"A Release has 8 bytes of payload, not {payload.Length}.");
}
