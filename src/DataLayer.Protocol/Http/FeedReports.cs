namespace DataLayer.Protocol.Http;

/// <summary>A feed that is open: who reads what, and how far it is.</summary>
public sealed record FeedStatus
{
    /// <summary>The dataset's name.</summary>
    public required string Dataset { get; init; }

    /// <summary>Who reads: what the client called itself.</summary>
    public required string Client { get; init; }

    /// <summary>The feed's identity: dataset and order.</summary>
    public required string Feed { get; init; }

    /// <summary>The order.</summary>
    public required string Order { get; init; }

    /// <summary>Which rank, from 0.</summary>
    public int Rank { get; init; }

    /// <summary>How many ranks.</summary>
    public int World { get; init; }

    /// <summary>Samples in a step of one rank, a count.</summary>
    public int Batch { get; init; }

    /// <summary>When it was opened.</summary>
    public DateTimeOffset OpenedAt { get; init; }

    /// <summary>The cursor after the last batch that was sent.</summary>
    public long Cursor { get; init; }

    /// <summary>Positions a pass has.</summary>
    public long PassLength { get; init; }

    /// <summary>Batches sent, a count.</summary>
    public long Batches { get; init; }

    /// <summary>Samples sent, a count.</summary>
    public long Samples { get; init; }

    /// <summary>Batches assembled ahead, or under way, a count.</summary>
    public int Queued { get; init; }

    /// <summary>Batches that the client holds, a count.</summary>
    public int Leased { get; init; }

    /// <summary>Shared memory of its slabs, bytes.</summary>
    public long SlabBytes { get; init; }

    /// <summary>How long its batches waited for bytes that memory did not hold, seconds.</summary>
    public double WaitSeconds { get; init; }

    /// <summary>Bytes from memory.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Bytes from the hot tier.</summary>
    public long HotBytes { get; init; }

    /// <summary>Bytes from the origin.</summary>
    public long OriginBytes { get; init; }
}
