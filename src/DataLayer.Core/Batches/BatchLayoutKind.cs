namespace DataLayer.Core.Batches;

/// <summary>How the samples of a batch lie. The numbers are the wire's; see docs/FORMATS/feed.md.</summary>
public enum BatchLayoutKind
{
    /// <summary>Each by itself, at multiples of 64.</summary>
    Samples = 0,

    /// <summary>Of one length, without gaps.</summary>
    Dense = 1,

    /// <summary>Each in a row as long as the longest.</summary>
    Padded = 2,
}
