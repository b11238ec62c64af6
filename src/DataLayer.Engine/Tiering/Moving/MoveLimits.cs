using DataLayer.Core.Errors;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>How an object is looked at before the hot copy it stands for is dropped.</summary>
public enum MoveVerification
{
    /// <summary>
    /// The store is asked for the object, and its ETag and length are compared with those that its upload was
    /// verified against (an MD5 of what was sent, or of its parts).
    /// </summary>
    Checksum = 0,

    /// <summary>The same, and all its bytes are read and compared with the hot copy's.</summary>
    Content = 1,
}

/// <summary>What bounds a run of moves. All bounds are optional.</summary>
public sealed record MoveLimits
{
    /// <summary>Bytes a second that may pass between the tiers, at least 1,024; null for no bound.</summary>
    public long? BytesPerSecond { get; init; }

    /// <summary>When moves may begin; null for always.</summary>
    public MoveWindow? Window { get; init; }

    /// <summary>Requests that may be billed, a count; null for no bound.</summary>
    public long? MaxRequests { get; init; }

    /// <summary>What may be spent, in the price table's currency; null for no bound.</summary>
    public double? MaxCost { get; init; }

    /// <summary>Moves side by side, a count, 1 to 64. Default 4: as many as leave readers their disk.</summary>
    public int Parallelism { get; init; } = 4;

    /// <summary>How objects are looked at before a hot copy goes.</summary>
    public MoveVerification Verify { get; init; }

    /// <summary>Checks all ranges.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: everything that is out of range.</exception>
    public void Validate()
    {
        List<string> faults = [];
        AddFault(faults, BytesPerSecond is null or >= 1024, "the rate is below 1,024 bytes a second");
        AddFault(faults, MaxRequests is null or >= 0, "the budget of requests is negative");
        AddFault(
            faults, MaxCost is null || (MaxCost >= 0 && double.IsFinite(MaxCost.Value)),
            "the budget of money is negative or no number");
        AddFault(faults, Parallelism is >= 1 and <= 64, "the parallelism is not 1 to 64");
        if (faults.Count > 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"The limits of the moves are wrong: {string.Join("; ", faults)}.");
        }
    }

    private static void AddFault(List<string> faults, bool holds, string fault)
    {
        if (!holds)
        {
            faults.Add(fault);
        }
    }
}
