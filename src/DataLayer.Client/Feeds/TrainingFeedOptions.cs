using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Protocol.Feeds;

namespace DataLayer.Client.Feeds;

/// <summary>What a <see cref="TrainingFeed"/> is to give, and from where.</summary>
public sealed record TrainingFeedOptions
{
    /// <summary>
    /// The service: <c>unix:/path/to/feed.sock</c> on its own machine, where batches lie in shared memory (the socket
    /// is
    /// in its state folder); from elsewhere <c>http(s)://host:port</c>, where they travel.
    /// </summary>
    public required string Server { get; init; }

    /// <summary>The dataset's name.</summary>
    public required string Dataset { get; init; }

    /// <summary>Samples in a step of one rank, a count, from 1 on.</summary>
    public required int Batch { get; init; }

    /// <summary>The order. Default: a shuffle of all samples with seed 0.</summary>
    public OrderSpec Order { get; init; } = new();

    /// <summary>Which rank this is, from 0. Default 0.</summary>
    public int Rank { get; init; }

    /// <summary>How many ranks share the samples, a count. Default 1.</summary>
    public int World { get; init; } = 1;

    /// <summary>What becomes of the rest of a pass. Default: it is dropped.</summary>
    public LastStep Last { get; init; } = LastStep.Drop;

    /// <summary>
    /// The feed ends where this pass would begin, counted from pass 0 whatever the state; 0 is never. Default 1.
    /// </summary>
    public long Passes { get; init; } = 1;

    /// <summary>
    /// Where to go on: what <see cref="TrainingFeed.State"/> was, of any rank and any world size. Null for the begin.
    /// </summary>
    public FeedState? State { get; init; }

    /// <summary>The index hash that is expected, hexadecimal; another is <c>Stale</c>. Null for any.</summary>
    public string? Index { get; init; }

    /// <summary>Batches assembled ahead or held here, a count, 2 to 64. Default 4.</summary>
    public int Slabs { get; init; } = 4;

    /// <summary>How samples lie in a batch. Null: dense for records, else each by itself.</summary>
    public BatchLayoutKind? Layout { get; init; }

    /// <summary>The byte that padded rows are filled with. Default 0.</summary>
    public byte Pad { get; init; }

    /// <summary>The element type of samples whose index knows none. Null for bytes.</summary>
    public FeedElement? Element { get; init; }

    /// <summary>What elements become on their way. Null for what they are.</summary>
    public FeedCast? Cast { get; init; }

    /// <summary>Whether batches have their samples' paths. Default false.</summary>
    public bool Keys { get; init; }

    /// <summary>The bearer token, where the service asks for one.</summary>
    public string? Token { get; init; }

    /// <summary>A file with the token, read at each connect; not together with <see cref="Token"/>.</summary>
    public string? TokenFile { get; init; }

    /// <summary>What counts over <c>https</c>. Default: the system's authorities, no client certificate.</summary>
    public ClientTlsOptions Tls { get; init; } = new();

    /// <summary>
    /// How long a feed whose service went away tries to reach it again, 0 to 1 day; 0 is not at all. Default 30 s: a
    /// restart takes seconds.
    /// </summary>
    public TimeSpan ReconnectTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the service may take to open the feed, 100 ms to 1 day. Default 60 s.</summary>
    public TimeSpan OpenTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The clock of waits. Default: the system's.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>
    /// Seed of the waits' jitter. Default: the rank, so that ranks do not come back in the same instant.
    /// </summary>
    public int? JitterSeed { get; init; }

    /// <summary>Checks all values; the exception names every one that is out of range.</summary>
    internal void Validate()
    {
        List<string> faults = [];
        Check(faults, !string.IsNullOrWhiteSpace(Server), "Server is empty: give unix:/path/feed.sock or http://host.");
        Check(
            faults, !string.IsNullOrWhiteSpace(Dataset),
            "Dataset is empty: give its name ('datalayer dataset list').");
        Check(faults, Batch >= 1, $"Batch is {Batch}: give 1 or more.");
        Check(
            faults, World >= 1 && Rank >= 0 && Rank < World,
            $"Rank {Rank} is none of a world of {World}: ranks count from 0 to one less than the world.");
        Check(faults, Passes >= 0, $"Passes is {Passes}: give 1 or more, or 0 for no end.");
        Check(faults, Slabs is >= 2 and <= 64, $"Slabs is {Slabs}: give 2 to 64.");
        Check(
            faults, ReconnectTime >= TimeSpan.Zero && ReconnectTime <= TimeSpan.FromDays(1),
            $"ReconnectTime is {ReconnectTime}: give 0 to 1 day.");
        Check(
            faults, OpenTimeout >= TimeSpan.FromMilliseconds(100) && OpenTimeout <= TimeSpan.FromDays(1),
            $"OpenTimeout is {OpenTimeout}: give 100 ms to 1 day.");
        Check(
            faults, Token is null || DataLayerClientOptions.IsToken(Token),
            "Token has characters that no token has: give what 'datalayer token create' printed.");
        Check(faults, Token is null || TokenFile is null, "Token and TokenFile are both given: keep one of them.");
        Check(faults, State is null || Index is null || State.Index is null || State.Index == Index,
            "State and Index name different indexes: leave Index out, the state has it.");
        if (faults.Count > 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, string.Join(' ', faults));
        }
    }

    /// <summary>What to ask the service for.</summary>
    internal FeedOpen ToOpen(long cursor, string? index) => new()
    {
        Dataset = Dataset,
        Index = index,
        Order = Order.ToCanonicalText(),
        Rank = Rank,
        World = World,
        Batch = Batch,
        Last = Last == LastStep.Pad ? "pad" : "drop",
        Cursor = cursor,
        Passes = Passes,
        Slabs = Slabs,
        Layout = Layout switch
        {
            null => "auto",
            BatchLayoutKind.Dense => "dense",
            BatchLayoutKind.Padded => "padded",
            _ => "samples",
        },
        Pad = Pad,
        Element = Element is { } element and not FeedElement.Bytes ? FeedElements.NameOf(element) : null,
        Cast = Cast,
        Keys = Keys,
    };

    private static void Check(List<string> faults, bool holds, string fault)
    {
        if (!holds)
        {
            faults.Add(fault);
        }
    }
}
