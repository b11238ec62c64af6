namespace DataLayer.Metadata.Quotas;

/// <summary>What a folder's quota allows and what is used of it; of quotas one in the other, the tightest.</summary>
/// <param name="LimitBytes">Bytes allowed; 0 is no limit.</param>
/// <param name="UsedBytes">The lengths of all that is below, with what is written and not flushed yet, bytes.</param>
/// <param name="LimitInodes">Inodes allowed, a count; 0 is no limit.</param>
/// <param name="UsedInodes">Inodes below, a count.</param>
public readonly record struct QuotaSpace(long LimitBytes, long UsedBytes, long LimitInodes, long UsedInodes)
{
    /// <summary>Bytes that may still be written; the largest number without a limit.</summary>
    public long FreeBytes => LimitBytes == 0 ? long.MaxValue : Math.Max(0, LimitBytes - UsedBytes);

    /// <summary>Inodes that may still be made, a count; the largest number without a limit.</summary>
    public long FreeInodes => LimitInodes == 0 ? long.MaxValue : Math.Max(0, LimitInodes - UsedInodes);
}
