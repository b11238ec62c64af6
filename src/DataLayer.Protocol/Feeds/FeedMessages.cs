using System.Text.Json.Serialization;

namespace DataLayer.Protocol.Feeds;

/// <summary>Who connects: <see cref="FeedFrameKind.Hello"/>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record FeedHello
{
    /// <summary>The client's name and version, as <c>datalayer-python/1.0</c>.</summary>
    public string? Client { get; init; }

    /// <summary>The token, where the service asks for one.</summary>
    public string? Token { get; init; }
}

/// <summary>The answer to it: <see cref="FeedFrameKind.Welcome"/>.</summary>
public sealed record FeedWelcome
{
    /// <summary>The service's version.</summary>
    public required string Service { get; init; }

    /// <summary>Whether batches lie in shared memory; else they follow in their frames.</summary>
    public bool SharedMemory { get; init; }
}

/// <summary>What batches are wanted: <see cref="FeedFrameKind.Open"/>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record FeedOpen
{
    /// <summary>The dataset's name.</summary>
    public string? Dataset { get; init; }

    /// <summary>The index hash that is expected, hexadecimal; null for any.</summary>
    public string? Index { get; init; }

    /// <summary>The order, as docs/FORMATS/order.md writes it; null for a shuffle with seed 0.</summary>
    public string? Order { get; init; }

    /// <summary>Which rank, from 0.</summary>
    public int Rank { get; init; }

    /// <summary>How many ranks; null for 1.</summary>
    public int? World { get; init; }

    /// <summary>Samples in a step of one rank, a count.</summary>
    public int Batch { get; init; }

    /// <summary>What becomes of the rest of a pass: <c>drop</c> or <c>pad</c>; null for drop.</summary>
    public string? Last { get; init; }

    /// <summary>Where to begin.</summary>
    public long Cursor { get; init; }

    /// <summary>Where this pass would begin the feed ends; 0 is never; null for 1.</summary>
    public long? Passes { get; init; }

    /// <summary>Of the rank's steps only each so many-th comes: workers share a rank's steps; null for 1.</summary>
    public int? Every { get; init; }

    /// <summary>How many of the rank's steps are left out before the first, below <see cref="Every"/>.</summary>
    public int Skip { get; init; }

    /// <summary>Batches assembled ahead or held by the client, a count, 2 to 64; null for 4.</summary>
    public int? Slabs { get; init; }

    /// <summary>
    /// How the samples of a batch lie: <c>auto</c>, <c>samples</c>, <c>dense</c> or <c>padded</c>; null for auto.
    /// </summary>
    public string? Layout { get; init; }

    /// <summary>The byte that rows are filled with, 0 to 255.</summary>
    public int Pad { get; init; }

    /// <summary>The element type of samples whose index knows none; null for bytes.</summary>
    public string? Element { get; init; }

    /// <summary>What elements become; null for what they are.</summary>
    public FeedCast? Cast { get; init; }

    /// <summary>Whether a batch has the samples' paths.</summary>
    public bool Keys { get; init; }
}

/// <summary>
/// What elements become on their way: x of channel c becomes x × scale[c] + offset[c], rounded to nearest, ties to
/// even.
/// </summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record FeedCast
{
    /// <summary>The element type: <c>float32</c>, <c>float16</c>, <c>bfloat16</c> or <c>int8</c>.</summary>
    public string? To { get; init; }

    /// <summary>One number, or one for each channel; null for 1.</summary>
    public IReadOnlyList<float>? Scale { get; init; }

    /// <summary>One number, or one for each channel; null for 0.</summary>
    public IReadOnlyList<float>? Offset { get; init; }

    /// <summary>Where the channels stand in the shape: <c>last</c> or <c>first</c>; null for last.</summary>
    public string? Channels { get; init; }
}

/// <summary>What the feed is: <see cref="FeedFrameKind.Opened"/>.</summary>
public sealed record FeedOpened
{
    /// <summary>The feed's identity (docs/FORMATS/order.md).</summary>
    public required string Feed { get; init; }

    /// <summary>The index hash, hexadecimal.</summary>
    public required string Index { get; init; }

    /// <summary>The order in full.</summary>
    public required string Order { get; init; }

    /// <summary>Where the feed begins.</summary>
    public long Cursor { get; init; }

    /// <summary>Positions a pass has.</summary>
    public long PassLength { get; init; }

    /// <summary>Samples of the part, a count.</summary>
    public long Samples { get; init; }

    /// <summary>What a sample is: <c>files</c>, <c>tar</c>, <c>fixed</c> or <c>lines</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>Classes, a count; 0 without labels.</summary>
    public int Classes { get; init; }

    /// <summary>The labels by class number; null past 10,000.</summary>
    public IReadOnlyList<string>? ClassNames { get; init; }

    /// <summary>Length of a fixed record as the index has it, bytes; null of other kinds.</summary>
    public long? RecordBytes { get; init; }

    /// <summary>What the data of a batch are, after the cast.</summary>
    public required string ElementType { get; init; }

    /// <summary>The shape of one sample, after the cast; null where unknown.</summary>
    public IReadOnlyList<long>? Shape { get; init; }

    /// <summary>How the samples of a batch lie: <c>samples</c>, <c>dense</c> or <c>padded</c>.</summary>
    public required string Layout { get; init; }
}

/// <summary>There are no more batches: <see cref="FeedFrameKind.End"/>.</summary>
public sealed record FeedEnd
{
    /// <summary>The cursor after the last batch.</summary>
    public long Cursor { get; init; }
}

/// <summary>Why a feed is over: <see cref="FeedFrameKind.Error"/>.</summary>
public sealed record FeedFault
{
    /// <summary>An error code of the API, as text (<see cref="Http.ErrorCodeText"/>).</summary>
    public required string Code { get; init; }

    /// <summary>What went wrong, with the value concerned and the remedy.</summary>
    public required string Error { get; init; }

    /// <summary>More, by name; null for none.</summary>
    public IReadOnlyDictionary<string, string>? Details { get; init; }
}
