using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DataLayer.Core.Errors;

namespace DataLayer.Protocol.Keeper;

/// <summary>Writes and reads what stands behind a frame's header; what does not fit or parse is a fault.</summary>
public static class KeeperPayload
{
    /// <summary>Writes a payload.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is longer than a frame allows.</exception>
    public static byte[] Write<T>(T message, JsonTypeInfo<T> type)
    {
        byte[] payload = JsonSerializer.SerializeToUtf8Bytes(message, type);
        return payload.Length <= KeeperFrameHeader.MaxPayloadBytes
            ? payload
            : throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"A message of {payload.Length} bytes does not fit a frame of the keeper's socket "
                + $"({KeeperFrameHeader.MaxPayloadBytes} bytes). Use shorter paths and options.");
    }

    /// <summary>Reads a payload.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is not what its frame says.</exception>
    public static T Read<T>(ReadOnlySpan<byte> payload, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(payload, type) ?? throw new JsonException("It is null.");
        }
        catch (JsonException e)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"A frame on the keeper's socket does not hold a {typeof(T).Name}: {e.Message}", e);
        }
    }
}
