namespace DataLayer.Protocol.Feeds;

/// <summary>What a frame of a feed says. The numbers are the wire's; see docs/FORMATS/feed.md.</summary>
public enum FeedFrameKind
{
    /// <summary>Client: who I am. The first frame.</summary>
    Hello = 1,

    /// <summary>Service: the answer to <see cref="Hello"/>.</summary>
    Welcome = 2,

    /// <summary>Client: the batches that are wanted.</summary>
    Open = 3,

    /// <summary>Service: the answer to <see cref="Open"/>.</summary>
    Opened = 4,

    /// <summary>Service: shared memory that batches will lie in. Carries its descriptor.</summary>
    Slab = 5,

    /// <summary>Service: a batch lies at the begin of a slab, or follows.</summary>
    Batch = 6,

    /// <summary>Client: a batch is used; its slab may be used again.</summary>
    Release = 7,

    /// <summary>Service: there are no more batches.</summary>
    End = 8,

    /// <summary>Either: the feed is over, and why.</summary>
    Error = 9,

    /// <summary>Client: no more batches are wanted.</summary>
    Close = 10,

    /// <summary>Either: are you there? Answered by <see cref="Pong"/>.</summary>
    Ping = 11,

    /// <summary>The answer to <see cref="Ping"/>.</summary>
    Pong = 12,
}
