namespace DataLayer.Protocol.Keeper;

/// <summary>What a frame on the keeper's socket says. The numbers are the wire's; see docs/FORMATS/keeper.md.</summary>
public enum KeeperFrameKind
{
    /// <summary>Keeper: here is a mount to serve. Carries the <c>/dev/fuse</c> descriptor.</summary>
    Hello = 1,

    /// <summary>Service: taken, or refused and why.</summary>
    Welcome = 2,

    /// <summary>Service: the kernel and I agreed on this; keep it for the service after me.</summary>
    Negotiated = 3,

    /// <summary>Either: are you there? Answered by <see cref="Pong"/>.</summary>
    Ping = 4,

    /// <summary>The answer to <see cref="Ping"/>.</summary>
    Pong = 5,

    /// <summary>
    /// Service: register this file for passthrough. Carries its descriptor; answered by <see cref="BackingAnswer"/>.
    /// </summary>
    BackingOpen = 6,

    /// <summary>Service: forget a registered file. Answered by <see cref="BackingAnswer"/>.</summary>
    BackingClose = 7,

    /// <summary>Keeper: what became of a request for passthrough.</summary>
    BackingAnswer = 8,

    /// <summary>Service: the kernel ended the connection: the mount is over.</summary>
    Ended = 9,

    /// <summary>Keeper: the mount is over or going; stop serving it. Without it the keeper died.</summary>
    Leave = 10,
}
