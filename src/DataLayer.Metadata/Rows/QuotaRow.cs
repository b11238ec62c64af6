namespace DataLayer.Metadata.Rows;

/// <summary>
/// One row of <c>quotas</c>: a folder's limits, and what counts in them, kept by every change of the tree.
/// </summary>
internal sealed class QuotaRow
{
    /// <summary>The folder's inode.</summary>
    public required long Folder { get; init; }

    /// <summary>The next folder above that has a quota, which all of this counts in too; 0 for none.</summary>
    public long Parent { get; set; }

    /// <summary>Bytes allowed; 0 is no limit.</summary>
    public long LimitBytes { get; set; }

    /// <summary>Inodes allowed, a count; 0 is no limit.</summary>
    public long LimitInodes { get; set; }

    /// <summary>The lengths of all that is below, bytes.</summary>
    public long UsedBytes { get; set; }

    /// <summary>All that is below, the folder itself not counted.</summary>
    public long UsedInodes { get; set; }

    /// <summary>
    /// Whether the folder is gone or has no quota any more, and the row stays only until its last open file goes.
    /// </summary>
    public bool IsGone => LimitBytes == 0 && LimitInodes == 0;

    /// <summary>The row's checksum.</summary>
    public uint ComputeCrc()
    {
        RowChecksum sum = default;
        sum.Add(Folder);
        sum.Add(Parent);
        sum.Add(LimitBytes);
        sum.Add(LimitInodes);
        sum.Add(UsedBytes);
        sum.Add(UsedInodes);
        return sum.Value;
    }
}
