namespace DataLayer.Protocol.Http;

/// <summary>What the tiers save: what was paid beside what the same files and reads would have cost without.</summary>
public sealed record SavingsReport
{
    /// <summary>Currency of all amounts, ISO 4217.</summary>
    public required string Currency { get; init; }

    /// <summary>The price table in force.</summary>
    public required string PriceTable { get; init; }

    /// <summary>From which day of UTC on; not before the first that was billed.</summary>
    public DateTimeOffset From { get; init; }

    /// <summary>Until when.</summary>
    public DateTimeOffset Until { get; init; }

    /// <summary>What the comparisons are, in words.</summary>
    public required IReadOnlyList<string> Definitions { get; init; }

    /// <summary>All together.</summary>
    public required SavingsLine Total { get; init; }

    /// <summary>By dataset, dearest first; an empty name is of files in none.</summary>
    public required IReadOnlyList<SavingsLine> Datasets { get; init; }

    /// <summary>By week of seven days up to today, oldest first.</summary>
    public required IReadOnlyList<SavingsLine> Trend { get; init; }

    /// <summary>What a month of 30 days of what is stored now costs, and would cost.</summary>
    public required StorageRateReport Month { get; init; }

    /// <summary>Bytes read, by the tier that answered: memory, hot, cold.</summary>
    public required ReadShareReport Reads { get; init; }

    /// <summary>The pools, with when they are full.</summary>
    public required IReadOnlyList<PoolReport> Pools { get; init; }
}

/// <summary>What was paid, and what it is compared with.</summary>
public sealed record SavingsLine
{
    /// <summary>The dataset; null where it is of all.</summary>
    public string? Dataset { get; init; }

    /// <summary>Where the week begins; null where it is of the whole span.</summary>
    public DateTimeOffset? Week { get; init; }

    /// <summary>Paid: requests, retrieval and egress.</summary>
    public double OriginCost { get; init; }

    /// <summary>Paid: the hot tier.</summary>
    public double HotStorageCost { get; init; }

    /// <summary>Paid: objects.</summary>
    public double ColdStorageCost { get; init; }

    /// <summary>All that was paid.</summary>
    public double Cost { get; init; }

    /// <summary>What all hot would have cost.</summary>
    public double AllHot { get; init; }

    /// <summary>What all cold would have cost.</summary>
    public double AllCold { get; init; }

    /// <summary>Of all cold: objects.</summary>
    public double AllColdStorage { get; init; }

    /// <summary>Saved against all hot; negative where it cost more.</summary>
    public double SavedAgainstAllHot { get; init; }

    /// <summary>Saved against all cold; negative where it cost more.</summary>
    public double SavedAgainstAllCold { get; init; }
}

/// <summary>What a month of 30 days of what is stored at a moment costs.</summary>
public sealed record StorageRateReport
{
    /// <summary>The hot tier.</summary>
    public double Hot { get; init; }

    /// <summary>Objects.</summary>
    public double Cold { get; init; }

    /// <summary>All hot.</summary>
    public double AllHot { get; init; }

    /// <summary>All cold, without a request.</summary>
    public double AllCold { get; init; }
}

/// <summary>Bytes read, by the tier that answered.</summary>
public sealed record ReadShareReport
{
    /// <summary>Memory, bytes.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>The hot tier, bytes.</summary>
    public long HotBytes { get; init; }

    /// <summary>The cold tier, bytes.</summary>
    public long ColdBytes { get; init; }
}
