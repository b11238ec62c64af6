using DataLayer.Core.Objects;
using DataLayer.Core.Tree;

namespace DataLayer.Metadata;

/// <summary>What is paid for. The values are stored.</summary>
public enum CostItem
{
    /// <summary>Requests that read a body.</summary>
    Get = 1,

    /// <summary>Requests for properties alone.</summary>
    Head = 2,

    /// <summary>Pages of listings.</summary>
    List = 3,

    /// <summary>Uploads of objects and of parts.</summary>
    Put = 4,

    /// <summary>Starts and completions of uploads in parts.</summary>
    Post = 5,

    /// <summary>Deletes, and uploads in parts given up.</summary>
    Delete = 6,

    /// <summary>Copies inside the store.</summary>
    Copy = 7,

    /// <summary>Requests that bring an archived object back.</summary>
    Restore = 8,

    /// <summary>Bytes in the hot tier, all copies; the class is the pool.</summary>
    HotStorage = 16,

    /// <summary>Bytes in the object store.</summary>
    ColdStorage = 17,

    /// <summary>For comparison, nothing anybody pays: all files in the hot tier.</summary>
    AllHot = 32,

    /// <summary>For comparison, nothing anybody pays: all files as objects.</summary>
    AllCold = 33,
}

/// <summary>How finely costs are kept. The values are stored.</summary>
public enum CostLevel
{
    /// <summary>A row an hour.</summary>
    Hour = 1,

    /// <summary>A row a day, of UTC.</summary>
    Day = 2,

    /// <summary>A row a month of the calendar, of UTC.</summary>
    Month = 3,
}

/// <summary>What costs are told apart by.</summary>
/// <param name="Dataset">The path of the attachment; empty for what belongs to none.</param>
/// <param name="Tenant">Who caused it, where that is known; else empty.</param>
/// <param name="Purpose">What it was for; Other for storage.</param>
/// <param name="Item">What is paid for.</param>
/// <param name="Class">The storage class, or the pool; empty for the default.</param>
public readonly record struct CostKey(
    string Dataset, string Tenant, OriginPurpose Purpose, CostItem Item, string Class);

/// <summary>Counts and amounts. Amounts are in billionths of the currency's unit.</summary>
/// <param name="Requests">Requests that went out, retries and hedges included.</param>
/// <param name="Failures">Those among them without a usable answer.</param>
/// <param name="Bytes">Body bytes, in or out as the item says.</param>
/// <param name="GibMonthNanos">Storage: billionths of GiB times months of 30 days.</param>
/// <param name="RequestNanos">What the requests cost.</param>
/// <param name="RetrievalNanos">What reading out of a class costs by the byte.</param>
/// <param name="EgressNanos">What leaving the store costs by the byte.</param>
/// <param name="StorageNanos">What storage costs.</param>
public readonly record struct CostSums(
    long Requests, long Failures, long Bytes, long GibMonthNanos, long RequestNanos, long RetrievalNanos,
    long EgressNanos, long StorageNanos)
{
    /// <summary>All that is paid.</summary>
    public long TotalNanos => RequestNanos + RetrievalNanos + EgressNanos + StorageNanos;

    /// <summary>What requests cause: all but storage.</summary>
    public long OriginNanos => RequestNanos + RetrievalNanos + EgressNanos;

    /// <summary>Whether there is nothing in it.</summary>
    public bool IsEmpty => this == default;

    /// <summary>Both together.</summary>
    public static CostSums operator +(in CostSums left, in CostSums right) => Add(left, right);

    /// <summary>Both together.</summary>
    public static CostSums Add(in CostSums left, in CostSums right) => new(
        left.Requests + right.Requests,
        left.Failures + right.Failures,
        left.Bytes + right.Bytes,
        left.GibMonthNanos + right.GibMonthNanos,
        left.RequestNanos + right.RequestNanos,
        left.RetrievalNanos + right.RetrievalNanos,
        left.EgressNanos + right.EgressNanos,
        left.StorageNanos + right.StorageNanos);
}

/// <summary>What is added at a time: to its hour, day and month, and to its job.</summary>
/// <param name="TimeNanoseconds">When, nanoseconds since 1970 UTC.</param>
/// <param name="Key">What it is of.</param>
/// <param name="JobId">The job that caused it, or 0.</param>
/// <param name="Sums">How much.</param>
public readonly record struct CostAddition(long TimeNanoseconds, CostKey Key, long JobId, CostSums Sums);

/// <summary>One row of costs.</summary>
/// <param name="StartNanoseconds">Where the hour, day or month begins, nanoseconds since 1970 UTC; of a job, its last
/// addition.</param>
/// <param name="JobId">The job; 0 in rows of time.</param>
/// <param name="Key">What it is of.</param>
/// <param name="Sums">How much.</param>
public readonly record struct CostRow(long StartNanoseconds, long JobId, CostKey Key, CostSums Sums);

/// <summary>How full a pool is, or how large the tree, at a moment.</summary>
/// <param name="TimeNanoseconds">When, nanoseconds since 1970 UTC.</param>
/// <param name="Pool">The pool; empty for the whole tree.</param>
/// <param name="CapacityBytes">Size of the pool's file systems; 0 for the tree.</param>
/// <param name="FreeBytes">Bytes free there; 0 for the tree.</param>
/// <param name="UsedBytes">Bytes that contents use on its targets, all copies; of the tree, all pools.</param>
/// <param name="HotBytes">Bytes of contents that are hot, one copy.</param>
/// <param name="PremigratedBytes">Of these, bytes that an object holds as well.</param>
/// <param name="ColdBytes">Of the tree: bytes of contents that are not hot.</param>
/// <param name="ObjectBytes">Of the tree: bytes of objects.</param>
/// <param name="FileCount">Files with anything there; of the tree, all files.</param>
public readonly record struct CapacitySample(
    long TimeNanoseconds, string Pool, long CapacityBytes, long FreeBytes, long UsedBytes, long HotBytes,
    long PremigratedBytes, long ColdBytes, long ObjectBytes, long FileCount);

/// <summary>One flush of the cost meter, written as a whole or not at all.</summary>
public sealed record CostBatch
{
    /// <summary>The currency of the amounts, ISO 4217.</summary>
    public required string Currency { get; init; }

    /// <summary>What is added.</summary>
    public required IReadOnlyList<CostAddition> Additions { get; init; }

    /// <summary>How full pools and tree are; the last of an hour and of a day stay.</summary>
    public IReadOnlyList<CapacitySample> Samples { get; init; } = [];

    /// <summary>Until when storage is billed with this batch, nanoseconds since 1970 UTC; 0 leaves it.</summary>
    public long StorageTimeNanoseconds { get; init; }

    /// <summary>The meter's own state, to be read back at the next start; null leaves it.</summary>
    public string? State { get; init; }
}

/// <summary>How long costs are kept: rows from before go, nanoseconds since 1970 UTC.</summary>
/// <param name="HoursNanoseconds">Rows of hours, of costs and of fills.</param>
/// <param name="DaysNanoseconds">Rows of days, of costs and of fills, and of jobs.</param>
/// <param name="MonthsNanoseconds">Rows of months.</param>
public readonly record struct CostCutoffs(long HoursNanoseconds, long DaysNanoseconds, long MonthsNanoseconds);

/// <summary>Which files are counted together in a look at what is stored.</summary>
/// <param name="AttachmentId">The attachment they belong to; 0 for none.</param>
/// <param name="Pool">The pool of their hot copies; null where they have none.</param>
/// <param name="CopyCount">Copies of each hot byte; 0 without a pool.</param>
/// <param name="State">Where their contents stand between the tiers.</param>
/// <param name="HasObject">Whether an object is held for them, of this content or an older one.</param>
/// <param name="StorageClass">The object's class; null where none is named.</param>
public readonly record struct UsageGroup(
    long AttachmentId, string? Pool, int CopyCount, TierState State, bool HasObject, string? StorageClass);

/// <summary>What such files come to.</summary>
/// <param name="FileCount">Files.</param>
/// <param name="SizeBytes">Their lengths.</param>
/// <param name="FileBilledBytes">Their lengths, none counted below its class's least.</param>
/// <param name="HotBytes">Bytes that are hot, one copy.</param>
/// <param name="ObjectBytes">Lengths of their objects.</param>
/// <param name="ObjectBilledBytes">Lengths of their objects, none counted below its class's least.</param>
public readonly record struct UsageSums(
    long FileCount, long SizeBytes, long FileBilledBytes, long HotBytes, long ObjectBytes, long ObjectBilledBytes);
