using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DataLayer.Core.Errors;

namespace DataLayer.Protocol;

/// <summary>
/// What frames of all connections share. A header of 12 bytes, little endian: magic (4), payload length in bytes (4),
/// version (1), kind (1), count of descriptors that travel with the first byte (1), zero (1); behind it the payload,
/// mostly JSON.
/// </summary>
/// <param name="Magic">The first four bytes.</param>
/// <param name="Version">The version written here, and the only one read.</param>
internal sealed record FrameFormat(uint Magic, byte Version)
{
    /// <summary>Length of a header, bytes.</summary>
    public const int HeaderBytes = 12;

    /// <summary>What frames go over: <c>the keeper's socket</c>.</summary>
    public required string Connection { get; init; }

    /// <summary>A frame, as errors begin: <c>A frame on the keeper's socket</c>.</summary>
    public required string Frame { get; init; }

    /// <summary>What to do about an end of another version.</summary>
    public required string VersionRemedy { get; init; }

    /// <summary>Who may use the connection, said where something else came.</summary>
    public required string Users { get; init; }

    /// <summary>Where the members of messages are described, with a blank in front; or empty.</summary>
    public string Members { get; init; } = string.Empty;

    /// <summary>Writes a header.</summary>
    public void Write(Span<byte> destination, byte kind, int payloadBytes, int descriptorCount)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(destination[4..], payloadBytes);
        destination[8] = Version;
        destination[9] = kind;
        destination[10] = (byte)descriptorCount;
        destination[11] = 0;
    }

    /// <summary>Reads a header of this magic and version; its other fields are the caller's to check.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: too short, or another magic. NotSupported: another
    /// version.</exception>
    public (byte Kind, uint PayloadBytes, byte DescriptorCount, byte Flags) Read(ReadOnlySpan<byte> source)
    {
        if (source.Length < HeaderBytes)
        {
            throw Bad($"its header has {source.Length} of {HeaderBytes} bytes");
        }

        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(source);
        if (magic != Magic)
        {
            throw Bad($"it starts with 0x{magic:X8}, not 0x{Magic:X8}");
        }

        byte version = source[8];
        return version == Version
            ? (source[9], BinaryPrimitives.ReadUInt32LittleEndian(source[4..]), source[10], source[11])
            : throw Foreign(
                $"The other end of {Connection} speaks version {version}, this program version {Version}");
    }

    /// <summary>The fault of a payload that is too long.</summary>
    public DataLayerException TooLong(uint length, uint most) =>
        Bad($"it claims {length} bytes of payload; at most {most} are allowed");

    /// <summary>The fault of a kind that nobody knows.</summary>
    public DataLayerException UnknownKind(byte kind) =>
        Foreign($"{Frame} has the kind {kind}, which version {Version} does not know");

    /// <summary>The fault of a frame that is none.</summary>
    public DataLayerException Bad(FormattableString why) => new(
        ErrorCode.InvalidArgument,
        $"{Frame} is not one of ours: {why.ToString(CultureInfo.InvariantCulture)}. {Users}");

    /// <summary>Writes a payload of JSON.</summary>
    /// <param name="message">What to write.</param>
    /// <param name="type">Its JSON.</param>
    /// <param name="maxBytes">What a frame allows, bytes.</param>
    /// <param name="remedy">What to do about a message that is longer, with a blank in front; or empty.</param>
    /// <exception cref="DataLayerException">InvalidArgument: it is longer.</exception>
    public byte[] WriteJson<T>(T message, JsonTypeInfo<T> type, int maxBytes, string remedy)
    {
        byte[] payload = JsonSerializer.SerializeToUtf8Bytes(message, type);
        return payload.Length <= maxBytes
            ? payload
            : throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"A message of {payload.Length} bytes does not fit a frame of {Connection} ({maxBytes} bytes)."
                + remedy);
    }

    /// <summary>Reads a payload of JSON.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is not what its frame says.</exception>
    public T ReadJson<T>(ReadOnlySpan<byte> payload, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(payload, type) ?? throw new JsonException("It is null.");
        }
        catch (JsonException e)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"{Frame} does not hold a {typeof(T).Name}: {e.Message}{Members}", e);
        }
    }

    private DataLayerException Foreign(FormattableString what) => new(
        ErrorCode.NotSupported, $"{what.ToString(CultureInfo.InvariantCulture)}. {VersionRemedy}");
}
