using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Core.Errors;

namespace DataLayer.Core.Order;

/// <summary>
/// Where a feed stands: what a training job keeps in its checkpoint. It has no rank and no world in it: each rank of
/// any later world loads the same state.
/// </summary>
public sealed record FeedState
{
    /// <summary>The feed's identity (<see cref="OrderSpec.GetFeedId"/>).</summary>
    public required string Feed { get; init; }

    /// <summary>Positions that all ranks have taken since the begin of pass 0, a count.</summary>
    public required long Cursor { get; init; }

    /// <summary>The index hash, hexadecimal: tells why an identity differs.</summary>
    public string? Index { get; init; }

    /// <summary>The order (<see cref="OrderSpec.ToCanonicalText"/>): tells why an identity differs.</summary>
    public string? Order { get; init; }

    /// <summary>The state of a feed at a cursor.</summary>
    public static FeedState Save(OrderSpec spec, ReadOnlySpan<byte> indexHash, long cursor)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return new FeedState
        {
            Feed = spec.GetFeedId(indexHash),
            Cursor = cursor,
            Index = Convert.ToHexStringLower(indexHash),
            Order = spec.ToCanonicalText(),
        };
    }

    /// <summary>Reads a state back.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is none.</exception>
    public static FeedState Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        try
        {
            FeedState? state = JsonSerializer.Deserialize(text, FeedStateJson.Default.FeedState);
            return state is { Feed.Length: 64, Cursor: >= 0 }
                ? state
                : throw new DataLayerException(ErrorCode.InvalidArgument, "It is not the state of a feed.");
        }
        catch (JsonException e)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, $"It is not the state of a feed: {e.Message}", e);
        }
    }

    /// <summary>As text, one line of JSON.</summary>
    public string ToText() => JsonSerializer.Serialize(this, FeedStateJson.Default.FeedState);

    /// <summary>The cursor to go on from, checked to be of this feed.</summary>
    /// <exception cref="DataLayerException">Stale: it is of another feed; the message says what differs.</exception>
    public long Load(OrderSpec spec, ReadOnlySpan<byte> indexHash)
    {
        ArgumentNullException.ThrowIfNull(spec);
        if (spec.GetFeedId(indexHash) == Feed)
        {
            return Cursor;
        }

        string index = Convert.ToHexStringLower(indexHash);
        string order = spec.ToCanonicalText();
        string reason = Index is not null && Index != index
            ? $"the dataset had index {Index} and has {index} now: pin the dataset, or resume from the one it was"
            : $"its order was '{Order}' and is '{order}' now: ask for the same order and seed";
        throw new DataLayerException(ErrorCode.Stale, $"The state is of another feed: {reason}.");
    }
}

/// <summary>JSON of states.</summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FeedState))]
internal sealed partial class FeedStateJson : JsonSerializerContext;
