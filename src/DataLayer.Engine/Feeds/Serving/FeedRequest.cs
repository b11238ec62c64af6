using DataLayer.Core.Batches;
using DataLayer.Core.Order;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>What batches somebody wants: Open of docs/FORMATS/feed.md. <see cref="FeedSetup"/> checks it.</summary>
public sealed record FeedRequest
{
    /// <summary>The most slabs a feed may have.</summary>
    public const int MaxSlabs = 64;

    /// <summary>The most workers that may share a rank's steps.</summary>
    public const int MaxEvery = 4096;

    /// <summary>The dataset's name.</summary>
    public required string Dataset { get; init; }

    /// <summary>The index hash that is expected, hexadecimal; null for any.</summary>
    public string? IndexHash { get; init; }

    /// <summary>In which order.</summary>
    public OrderSpec Order { get; init; } = new();

    /// <summary>Which rank, from 0.</summary>
    public int Rank { get; init; }

    /// <summary>How many ranks.</summary>
    public int World { get; init; } = 1;

    /// <summary>Samples in a step of one rank, a count, from 1 on.</summary>
    public required int Batch { get; init; }

    /// <summary>What becomes of the rest of a pass.</summary>
    public LastStep LastStep { get; init; }

    /// <summary>Where to begin.</summary>
    public long Cursor { get; init; }

    /// <summary>Where this pass would begin the feed ends; 0 is never.</summary>
    public long Passes { get; init; } = 1;

    /// <summary>Of the rank's steps only each so many-th is made, a count, 1 to <see cref="MaxEvery"/>.</summary>
    public int Every { get; init; } = 1;

    /// <summary>So many steps of the rank are left out before the first, a count below <see cref="Every"/>.</summary>
    public int Skip { get; init; }

    /// <summary>Batches assembled ahead or held by the client, a count, 2 to 64.</summary>
    public int SlabCount { get; init; } = 4;

    /// <summary>How the samples lie; null for dense of records, else samples.</summary>
    public BatchLayoutKind? Layout { get; init; }

    /// <summary>The byte that rows are filled with.</summary>
    public byte Pad { get; init; }

    /// <summary>The element type of samples whose index knows none.</summary>
    public FeedElement? Element { get; init; }

    /// <summary>What elements become; null for what they are.</summary>
    public FeedCastRequest? Cast { get; init; }

    /// <summary>Whether a batch has the samples' paths.</summary>
    public bool Keys { get; init; }
}

/// <summary>What elements become: x of channel c becomes x × scale[c] + offset[c].</summary>
public sealed record FeedCastRequest
{
    /// <summary>The element type: float32, float16, bfloat16 or int8.</summary>
    public required FeedElement To { get; init; }

    /// <summary>One number, or one for each channel.</summary>
    public IReadOnlyList<float> Scale { get; init; } = [1];

    /// <summary>One number, or one for each channel.</summary>
    public IReadOnlyList<float> Offset { get; init; } = [0];

    /// <summary>Whether the channels are the first axis of the shape, not the last.</summary>
    public bool ChannelsFirst { get; init; }
}
