namespace DataLayer.Protocol.Http;

/// <summary>A tenant, what it holds and what it got.</summary>
public sealed record TenantReport
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>The folder below which all is its.</summary>
    public required string Folder { get; init; }

    /// <summary><c>production</c>, <c>standard</c> or <c>experiment</c>.</summary>
    public required string Class { get; init; }

    /// <summary>Its part within its class.</summary>
    public required int Weight { get; init; }

    /// <summary>What its files may be long together, bytes; 0 for no limit.</summary>
    public long LimitBytes { get; init; }

    /// <summary>What they are long, bytes; what is written and not flushed yet included.</summary>
    public long UsedBytes { get; init; }

    /// <summary>The files, folders and links it may have, a count; 0 for no limit.</summary>
    public long LimitInodes { get; init; }

    /// <summary>Those it has, a count.</summary>
    public long UsedInodes { get; init; }

    /// <summary>Its transfers from object stores and the hot tier in flight, a count.</summary>
    public int Active { get; init; }

    /// <summary>Those that wait for a turn beside other tenants, a count.</summary>
    public int Waiting { get; init; }

    /// <summary>Its transfers since the start, a count.</summary>
    public long Transfers { get; init; }

    /// <summary>What they brought, bytes.</summary>
    public long TransferredBytes { get; init; }

    /// <summary>How long they waited for a turn, all together, seconds.</summary>
    public double WaitedSeconds { get; init; }
}
