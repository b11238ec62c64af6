namespace DataLayer.TestSupport.Relay;

/// <summary>
/// A seeded plan of network faults for <see cref="LatencyRelay.Fault"/>: a share of requests is hurt, evenly by every kind that ends
/// by itself or by a timeout. Bodies of reads of objects are flipped; those of listings and errors, which nothing protects on a plain
/// connection, are not.
/// </summary>
public sealed class RelayFaultPlan(int seed, double faultShare)
{
    private static readonly RelayFault[] _faults =
    [
        RelayFaultKind.ResetBefore, RelayFaultKind.ResetAfter, RelayFaultKind.TruncateBody, RelayFaultKind.FlipBody,
        RelayFault.SlowDown, RelayFault.SlowBy(TimeSpan.FromMilliseconds(50)),
    ];

    /// <summary>Rare, because each costs the client's whole timeout.</summary>
    private static readonly RelayFault[] _hangs =
    [
        RelayFaultKind.HangBefore, RelayFaultKind.HangAfter, RelayFaultKind.HangInBody,
    ];

    private readonly Lock _lock = new();
    private readonly Random _random = new(seed);

    /// <summary>Requests so far.</summary>
    public int Seen { get; private set; }

    /// <summary>Requests that were hurt so far.</summary>
    public int Hurt { get; private set; }

    /// <summary>What goes wrong with a request.</summary>
    public RelayFault Next(RelayRequest request)
    {
        lock (_lock)
        {
            Seen++;
            double dice = _random.NextDouble();
            RelayFault fault = _random.Next(30) == 0
                ? _hangs[_random.Next(_hangs.Length)]
                : _faults[_random.Next(_faults.Length)];
            bool isListing = request.Target.Contains("list-type", StringComparison.Ordinal);
            if (dice >= faultShare || (fault.Kind == RelayFaultKind.FlipBody && (isListing || request.Method != "GET")))
            {
                return RelayFault.None;
            }

            Hurt++;
            return fault;
        }
    }
}
