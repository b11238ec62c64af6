namespace DataLayer.Engine.Peers;

/// <summary>How a node asks another one: HTTP in a service, anything in a test.</summary>
public interface IPeerLink
{
    /// <summary>
    /// Asks a node for a range. Writes to the call's buffer only before it ends, and answers
    /// <see cref="PeerAnswer.Hit"/> only where the whole range came and is of the object and version that was asked
    /// for. Calls <see cref="PeerCall.Accept"/> when the node says that it has the object and is at it. Does not throw
    /// but when it is cancelled.
    /// </summary>
    Task<PeerAnswer> ReadAsync(PeerNode node, PeerCall call, CancellationToken cancellationToken);
}

/// <summary>What came of asking a node.</summary>
public enum PeerAnswer
{
    /// <summary>The range is in the buffer.</summary>
    Hit,

    /// <summary>It has no such object, or another version of it.</summary>
    Miss,

    /// <summary>It has too much to do.</summary>
    Busy,

    /// <summary>It could not be reached, refused us, broke off, or sent something else.</summary>
    Failed,
}
