using DataLayer.Core.Identity;

namespace DataLayer.Metadata.Rows;

/// <summary>One row of <c>pack_changes</c>: a member of a pack is not, or not called, what the tar says.</summary>
/// <param name="Pack">The pack's number.</param>
/// <param name="OffsetBytes">Where the member's bytes begin.</param>
/// <param name="Inode">The file whose content it is, or was; none where another tree wrote the change down.</param>
/// <param name="IsGone">Whether the file does not need it any more; else it was renamed.</param>
internal readonly record struct PackChangeRow(long Pack, long OffsetBytes, InodeId Inode, bool IsGone)
{
    /// <summary>The row's checksum.</summary>
    public uint ComputeCrc()
    {
        RowChecksum sum = default;
        sum.Add(Pack);
        sum.Add(OffsetBytes);
        sum.Add(Inode.Value);
        sum.Add(IsGone ? 1L : 0L);
        return sum.Value;
    }
}
