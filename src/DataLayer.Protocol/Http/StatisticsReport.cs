namespace DataLayer.Protocol.Http;

/// <summary>Counters since the service started, and what it holds now: <c>datalayer stats</c>.</summary>
public sealed record StatisticsReport
{
    /// <summary>Time the service has run, seconds.</summary>
    public double UptimeSeconds { get; init; }

    /// <summary>Reads and writes by tier.</summary>
    public required EngineReport Engine { get; init; }

    /// <summary>The memory tier.</summary>
    public required CacheReport Cache { get; init; }

    /// <summary>The targets of the hot tier.</summary>
    public required IReadOnlyList<TargetReport> Targets { get; init; }

    /// <summary>Requests to object stores by dataset and verb.</summary>
    public required IReadOnlyList<OriginReport> Origin { get; init; }

    /// <summary>The mounts.</summary>
    public IReadOnlyList<MountReport> Mounts { get; init; } = [];

    /// <summary>The process.</summary>
    public required ProcessReport Process { get; init; }

    /// <summary>The HTTP side.</summary>
    public required RequestReport Http { get; init; }
}

/// <summary>Reads and writes since start: counts, bytes and nanoseconds.</summary>
public sealed record EngineReport
{
    /// <summary>Reads asked for, a count.</summary>
    public long Reads { get; init; }

    /// <summary>Bytes given to readers.</summary>
    public long ReadBytes { get; init; }

    /// <summary>Reads from memory, a count.</summary>
    public long MemoryHits { get; init; }

    /// <summary>Bytes from memory.</summary>
    public long MemoryHitBytes { get; init; }

    /// <summary>Reads from the hot tier, a count.</summary>
    public long HotReads { get; init; }

    /// <summary>Bytes from the hot tier.</summary>
    public long HotReadBytes { get; init; }

    /// <summary>Reads from the cold tier, a count.</summary>
    public long ColdReads { get; init; }

    /// <summary>Bytes from the cold tier.</summary>
    public long ColdReadBytes { get; init; }

    /// <summary>Bytes fetched from object stores, readahead included.</summary>
    public long OriginBytes { get; init; }

    /// <summary>Bytes written.</summary>
    public long WrittenBytes { get; init; }

    /// <summary>Bytes uploaded to object stores.</summary>
    public long UploadedBytes { get; init; }

    /// <summary>Uploads due, a count.</summary>
    public long PendingUploads { get; init; }

    /// <summary>Bytes read ahead.</summary>
    public long ReadaheadBytes { get; init; }

    /// <summary>Time readers waited for a tier below memory, nanoseconds, summed over readers.</summary>
    public long ReadWaitNanoseconds { get; init; }
}

/// <summary>The memory tier: bytes and counts.</summary>
public sealed record CacheReport
{
    /// <summary>The budget.</summary>
    public long CapacityBytes { get; init; }

    /// <summary>Bytes in use.</summary>
    public long UsedBytes { get; init; }

    /// <summary>Blocks held.</summary>
    public long BlockCount { get; init; }

    /// <summary>Bytes pinned.</summary>
    public long PinnedBytes { get; init; }

    /// <summary>Hits.</summary>
    public long Hits { get; init; }

    /// <summary>Bytes of the hits.</summary>
    public long HitBytes { get; init; }

    /// <summary>Misses.</summary>
    public long Misses { get; init; }

    /// <summary>Blocks admitted.</summary>
    public long Fills { get; init; }

    /// <summary>Blocks the admission control refused.</summary>
    public long FillsRefused { get; init; }

    /// <summary>Blocks evicted.</summary>
    public long Evictions { get; init; }

    /// <summary>Hits in the SSD spill.</summary>
    public long SpillHits { get; init; }

    /// <summary>Bytes in the spill.</summary>
    public long SpillBytes { get; init; }

    /// <summary>Blocks dropped because checksum or identity did not hold.</summary>
    public long BadBlocks { get; init; }
}

/// <summary>Requests to one object store dataset by verb.</summary>
public sealed record OriginReport
{
    /// <summary>The dataset: the attachment's path.</summary>
    public required string Dataset { get; init; }

    /// <summary>The verb: GET, HEAD, LIST, PUT, DELETE, …</summary>
    public required string Verb { get; init; }

    /// <summary>Requests, a count.</summary>
    public long Requests { get; init; }

    /// <summary>Failed requests, a count.</summary>
    public long Failures { get; init; }

    /// <summary>Bytes of the bodies.</summary>
    public long Bytes { get; init; }
}

/// <summary>The service's process.</summary>
public sealed record ProcessReport
{
    /// <summary>Process id.</summary>
    public int ProcessId { get; init; }

    /// <summary>Resident memory, bytes.</summary>
    public long ResidentBytes { get; init; }

    /// <summary>Managed heap, bytes.</summary>
    public long ManagedBytes { get; init; }

    /// <summary>Processor time used, seconds.</summary>
    public double ProcessorSeconds { get; init; }

    /// <summary>Garbage collections of generation 0, 1 and 2, counts.</summary>
    public required IReadOnlyList<int> Collections { get; init; }

    /// <summary>The process's memory budget, bytes.</summary>
    public long MemoryBudgetBytes { get; init; }
}

/// <summary>The HTTP side: counts.</summary>
public sealed record RequestReport
{
    /// <summary>Requests since start.</summary>
    public long Requests { get; init; }

    /// <summary>Requests now.</summary>
    public long Active { get; init; }

    /// <summary>Requests refused because too many were active.</summary>
    public long Refused { get; init; }

    /// <summary>Answers with a status of 500 and above.</summary>
    public long ServerErrors { get; init; }
}
