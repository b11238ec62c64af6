namespace DataLayer.Protocol.Http;

/// <summary>Costs that share what they are told apart by; what is not told apart is null.</summary>
public sealed record CostLine
{
    /// <summary>The path of the attachment; empty for what belongs to none.</summary>
    public string? Dataset { get; init; }

    /// <summary>The name of the token that caused it; empty where that is not known.</summary>
    public string? Tenant { get; init; }

    /// <summary>other, foreground, readahead, recall, upload, warm, mover or listing.</summary>
    public string? Purpose { get; init; }

    /// <summary>get, head, list, put, post, delete, copy, restore, hotStorage or coldStorage.</summary>
    public string? Item { get; init; }

    /// <summary>The storage class; of hotStorage the pool.</summary>
    public string? Class { get; init; }

    /// <summary>Requests that went out, retries and hedges included, a count.</summary>
    public long Requests { get; init; }

    /// <summary>Those among them without a usable answer, a count.</summary>
    public long Failures { get; init; }

    /// <summary>Body bytes that were read.</summary>
    public long ReadBytes { get; init; }

    /// <summary>Body bytes that were written.</summary>
    public long WrittenBytes { get; init; }

    /// <summary>What was stored: GiB times months of 30 days.</summary>
    public double GibMonths { get; init; }

    /// <summary>What requests cost.</summary>
    public double RequestCost { get; init; }

    /// <summary>What reading out of a class costs by the byte.</summary>
    public double RetrievalCost { get; init; }

    /// <summary>What leaving the store costs by the byte.</summary>
    public double EgressCost { get; init; }

    /// <summary>What storage costs.</summary>
    public double StorageCost { get; init; }

    /// <summary>All of it.</summary>
    public double Cost { get; init; }
}

/// <summary>What was paid in a span of time. Amounts are in its currency.</summary>
public sealed record CostReport
{
    /// <summary>Currency of all amounts, ISO 4217.</summary>
    public required string Currency { get; init; }

    /// <summary>
    /// The price table in force; what was paid before it came into force was priced by its forerunner.
    /// </summary>
    public required string PriceTable { get; init; }

    /// <summary>hour, day or month: the rows it was added up from, so from and until are their borders.</summary>
    public required string Level { get; init; }

    /// <summary>From when on.</summary>
    public DateTimeOffset From { get; init; }

    /// <summary>Until when.</summary>
    public DateTimeOffset Until { get; init; }

    /// <summary>The job it is of; null for all.</summary>
    public long? Job { get; init; }

    /// <summary>All of it.</summary>
    public required CostLine Total { get; init; }

    /// <summary>By what was asked for, dearest first.</summary>
    public required IReadOnlyList<CostLine> Lines { get; init; }
}

/// <summary>What was paid, by time.</summary>
public sealed record CostHistory
{
    /// <summary>Currency of all amounts, ISO 4217.</summary>
    public required string Currency { get; init; }

    /// <summary>The dataset; null for all.</summary>
    public string? Dataset { get; init; }

    /// <summary>hour, day or month.</summary>
    public required string Level { get; init; }

    /// <summary>Rows in order of time; those in which nothing was paid are left out.</summary>
    public required IReadOnlyList<CostHistoryRow> Rows { get; init; }

    /// <summary>Where the next page begins, or null after the last.</summary>
    public DateTimeOffset? Next { get; init; }
}

/// <summary>What was paid in one hour, day or month.</summary>
public sealed record CostHistoryRow
{
    /// <summary>Where it begins.</summary>
    public DateTimeOffset Start { get; init; }

    /// <summary>Requests, a count.</summary>
    public long Requests { get; init; }

    /// <summary>Body bytes that were read.</summary>
    public long ReadBytes { get; init; }

    /// <summary>Body bytes that were written.</summary>
    public long WrittenBytes { get; init; }

    /// <summary>What requests cost.</summary>
    public double RequestCost { get; init; }

    /// <summary>What reading out of a class costs by the byte.</summary>
    public double RetrievalCost { get; init; }

    /// <summary>What leaving the store costs by the byte.</summary>
    public double EgressCost { get; init; }

    /// <summary>What the hot tier costs.</summary>
    public double HotStorageCost { get; init; }

    /// <summary>What objects cost.</summary>
    public double ColdStorageCost { get; init; }

    /// <summary>All of it.</summary>
    public double Cost { get; init; }
}

/// <summary>A budget and where it stands.</summary>
public sealed record BudgetReport
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>The dataset it is of; null for all.</summary>
    public string? Dataset { get; init; }

    /// <summary>The tenant it is of; null for all.</summary>
    public string? Tenant { get; init; }

    /// <summary>day or month.</summary>
    public required string Period { get; init; }

    /// <summary>Whether storage counts.</summary>
    public bool Storage { get; init; }

    /// <summary>The amount.</summary>
    public double Amount { get; init; }

    /// <summary>Currency of the amounts, ISO 4217.</summary>
    public required string Currency { get; init; }

    /// <summary>From which part of the amount on it warns.</summary>
    public double WarnAt { get; init; }

    /// <summary>warn, throttle or stopPrefetch.</summary>
    public required string Action { get; init; }

    /// <summary>Where its day or month began.</summary>
    public DateTimeOffset PeriodStart { get; init; }

    /// <summary>Where the next begins.</summary>
    public DateTimeOffset PeriodEnd { get; init; }

    /// <summary>What is spent in it.</summary>
    public double Spent { get; init; }

    /// <summary>within, warned, exceeded or easing.</summary>
    public required string State { get; init; }

    /// <summary>Since when.</summary>
    public DateTimeOffset Since { get; init; }

    /// <summary>The action in force now; null for none.</summary>
    public string? InForce { get; init; }
}

/// <summary>What lies where.</summary>
public sealed record TiersReport
{
    /// <summary>When it was looked at.</summary>
    public DateTimeOffset TakenAt { get; init; }

    /// <summary>Currency of the amounts, ISO 4217.</summary>
    public required string Currency { get; init; }

    /// <summary>Files, a count.</summary>
    public long Files { get; init; }

    /// <summary>Their lengths, bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Capacity of the memory tier, bytes.</summary>
    public long MemoryCapacityBytes { get; init; }

    /// <summary>Bytes in it.</summary>
    public long MemoryUsedBytes { get; init; }

    /// <summary>The pools of the hot tier.</summary>
    public required IReadOnlyList<PoolReport> Pools { get; init; }

    /// <summary>The storage classes of the cold tier.</summary>
    public required IReadOnlyList<ClassReport> Classes { get; init; }

    /// <summary>Contents by where they stand between the tiers.</summary>
    public required IReadOnlyList<StateReport> States { get; init; }
}

/// <summary>One pool of the hot tier.</summary>
public sealed record PoolReport
{
    /// <summary>Its name.</summary>
    public required string Pool { get; init; }

    /// <summary>Size of its file systems, bytes.</summary>
    public long CapacityBytes { get; init; }

    /// <summary>Bytes free there.</summary>
    public long FreeBytes { get; init; }

    /// <summary>Bytes that contents use on its targets, all copies.</summary>
    public long UsedBytes { get; init; }

    /// <summary>The part of the capacity that is not free, 0 to 1.</summary>
    public double Fill { get; init; }

    /// <summary>Files with anything in it, a count.</summary>
    public long Files { get; init; }

    /// <summary>Bytes of contents in it, one copy.</summary>
    public long HotBytes { get; init; }

    /// <summary>Of these, bytes that an object holds as well: they may be released at any time.</summary>
    public long PremigratedBytes { get; init; }

    /// <summary>What it costs a month.</summary>
    public double CostPerMonth { get; init; }

    /// <summary>When it is full at its growth, where history tells; null where it does not grow.</summary>
    public FillForecastReport? Forecast { get; init; }
}

/// <summary>One storage class of the cold tier.</summary>
public sealed record ClassReport
{
    /// <summary>The class.</summary>
    public required string Class { get; init; }

    /// <summary>Objects, a count.</summary>
    public long Objects { get; init; }

    /// <summary>Their lengths, bytes.</summary>
    public long ObjectBytes { get; init; }

    /// <summary>What they cost a month.</summary>
    public double CostPerMonth { get; init; }

    /// <summary>Whether the price table has it; where not, it is priced as the table's first class.</summary>
    public bool IsPriced { get; init; }
}

/// <summary>Contents in one state.</summary>
public sealed record StateReport
{
    /// <summary>hot, premigrated, released or recalling.</summary>
    public required string State { get; init; }

    /// <summary>Files, a count.</summary>
    public long Files { get; init; }

    /// <summary>Their lengths, bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>Bytes of them that are hot, one copy.</summary>
    public long HotBytes { get; init; }
}

/// <summary>When a pool is full at the growth that its history shows.</summary>
public sealed record FillForecastReport
{
    /// <summary>Days of history it is from, a count.</summary>
    public int Days { get; init; }

    /// <summary>Growth a day, bytes; negative where it shrinks.</summary>
    public double BytesPerDay { get; init; }

    /// <summary>Growth a day at least, with 95 % confidence, bytes.</summary>
    public double LeastBytesPerDay { get; init; }

    /// <summary>Growth a day at most, with 95 % confidence, bytes.</summary>
    public double MostBytesPerDay { get; init; }

    /// <summary>How well a straight line fits the history, 0 to 1.</summary>
    public double Fit { get; init; }

    /// <summary>none, low, medium or high: by the length of the history and how far the dates lie apart.</summary>
    public required string Confidence { get; init; }

    /// <summary>The likely day; null for never, or more than ten years ahead.</summary>
    public DateTimeOffset? FullAt { get; init; }

    /// <summary>Not before, with 95 % confidence; null for never.</summary>
    public DateTimeOffset? FullFrom { get; init; }

    /// <summary>Not after, with 95 % confidence; null where it may never be.</summary>
    public DateTimeOffset? FullUntil { get; init; }
}

/// <summary>How full a pool was, or how large the tree, by time.</summary>
public sealed record CapacityHistory
{
    /// <summary>The pool; empty for the whole tree.</summary>
    public required string Pool { get; init; }

    /// <summary>hour or day.</summary>
    public required string Level { get; init; }

    /// <summary>The last look of each hour or day, in order of time.</summary>
    public required IReadOnlyList<CapacityRow> Rows { get; init; }

    /// <summary>Where the next page begins, or null after the last.</summary>
    public DateTimeOffset? Next { get; init; }
}

/// <summary>How full a pool was, or how large the tree, at a moment.</summary>
public sealed record CapacityRow
{
    /// <summary>When.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>Size of the pool's file systems, bytes; 0 for the tree.</summary>
    public long CapacityBytes { get; init; }

    /// <summary>Bytes free there; 0 for the tree.</summary>
    public long FreeBytes { get; init; }

    /// <summary>Bytes that contents use on its targets, all copies.</summary>
    public long UsedBytes { get; init; }

    /// <summary>Bytes of contents that are hot, one copy.</summary>
    public long HotBytes { get; init; }

    /// <summary>Of these, bytes that an object holds as well.</summary>
    public long PremigratedBytes { get; init; }

    /// <summary>Of the tree: bytes of contents that are not hot.</summary>
    public long ColdBytes { get; init; }

    /// <summary>Of the tree: bytes of objects.</summary>
    public long ObjectBytes { get; init; }

    /// <summary>Files with anything there, a count.</summary>
    public long Files { get; init; }
}
