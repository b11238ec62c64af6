using System.Text.Json.Serialization.Metadata;
using DataLayer.Core.Errors;

namespace DataLayer.Protocol.Keeper;

/// <summary>Writes and reads what stands behind a frame's header; what does not fit or parse is a fault.</summary>
public static class KeeperPayload
{
    /// <summary>Writes a payload.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is longer than a frame allows.</exception>
    public static byte[] Write<T>(T message, JsonTypeInfo<T> type) => KeeperFrameHeader.Format.WriteJson(
        message, type, KeeperFrameHeader.MaxPayloadBytes, " Use shorter paths and options.");

    /// <summary>Reads a payload.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is not what its frame says.</exception>
    public static T Read<T>(ReadOnlySpan<byte> payload, JsonTypeInfo<T> type)
        where T : class => KeeperFrameHeader.Format.ReadJson(payload, type);
}
