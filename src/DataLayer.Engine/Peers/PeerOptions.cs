using DataLayer.Core.Errors;

namespace DataLayer.Engine.Peers;

/// <summary>Bounds of reads between nodes. <see cref="Validate"/> reports every bad value at once.</summary>
public sealed record PeerOptions
{
    /// <summary>
    /// Whether only nodes of this node's zone are asked: one origin read a zone, and no traffic between zones. Default
    /// false.
    /// </summary>
    public bool SameZone { get; init; }

    /// <summary>Requests to one node in flight, a count, 1 to 1,024. Default 64.</summary>
    public int MaxRequests { get; init; } = 64;

    /// <summary>What is asked of one node at once, bytes, 8 MiB to 16 GiB. Default 128 MiB.</summary>
    public long MaxBytes { get; init; } = 128L << 20;

    /// <summary>What is read for other nodes at once, bytes, 8 MiB to 16 GiB. Default 256 MiB: buffers.</summary>
    public long MaxServedBytes { get; init; } = 256L << 20;

    /// <summary>
    /// The least time that a node has to answer before the object store is asked as well, 1 ms to 1 minute. Default
    /// 20 ms.
    /// </summary>
    public TimeSpan MinHedgeDelay { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// The most, and what counts before enough answers were seen, up to 1 minute. Default 500 ms. In between it is
    /// twice what 95 % of the node's answers took.
    /// </summary>
    public TimeSpan MaxHedgeDelay { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>When a node is given up that has begun to answer, 100 ms to 10 minutes. Default 10 s.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long a node is left alone after three failures in a row, at first, 10 ms to 1
    /// hour; doubles up to 16 times that. Default 2 s.
    /// </summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Checks every value.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, with all that is wrong in one message.</exception>
    public void Validate()
    {
        List<string> faults = [];
        Check(faults, MaxRequests is >= 1 and <= 1024, $"MaxRequests is {MaxRequests}: give 1 to 1,024.");
        Check(faults, IsBytes(MaxBytes), $"MaxBytes is {MaxBytes}: give 8 MiB to 16 GiB.");
        Check(faults, IsBytes(MaxServedBytes), $"MaxServedBytes is {MaxServedBytes}: give 8 MiB to 16 GiB.");
        Check(faults, IsTime(MinHedgeDelay, 1, 60_000), $"MinHedgeDelay is {MinHedgeDelay}: give 1 ms to 1 min.");
        Check(
            faults, MaxHedgeDelay >= MinHedgeDelay && IsTime(MaxHedgeDelay, 1, 60_000),
            $"MaxHedgeDelay is {MaxHedgeDelay}: give MinHedgeDelay to 1 min.");
        Check(faults, IsTime(Timeout, 100, 600_000), $"Timeout is {Timeout}: give 100 ms to 10 min.");
        Check(faults, IsTime(FirstPause, 10, 3_600_000), $"FirstPause is {FirstPause}: give 10 ms to 1 h.");
        if (faults.Count > 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, string.Join(' ', faults));
        }
    }

    private static bool IsBytes(long value) => value is >= PeerRequest.MaxBytes and <= 16L << 30;

    private static bool IsTime(TimeSpan value, double minMilliseconds, double maxMilliseconds) =>
        value.TotalMilliseconds >= minMilliseconds && value.TotalMilliseconds <= maxMilliseconds;

    private static void Check(List<string> faults, bool holds, string fault)
    {
        if (!holds)
        {
            faults.Add(fault);
        }
    }
}

/// <summary>What an engine asks other nodes with; the caller owns all of it.</summary>
/// <param name="Directory">Who they are.</param>
/// <param name="Link">How they are asked.</param>
/// <param name="Options">The bounds.</param>
public sealed record PeerParts(IPeerDirectory Directory, IPeerLink Link, PeerOptions Options);
