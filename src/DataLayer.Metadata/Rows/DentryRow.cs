using DataLayer.Core.Identity;
using DataLayer.Core.Tree;

namespace DataLayer.Metadata.Rows;

/// <summary>One row of <c>dentries</c>: a name in a folder.</summary>
internal readonly record struct DentryRow(InodeId Parent, byte[] Name, InodeId Inode, FileKind Kind)
{
    /// <summary>The row's checksum.</summary>
    public uint ComputeCrc()
    {
        RowChecksum sum = default;
        sum.Add(Parent.Value);
        sum.Add(Name);
        sum.Add(Inode.Value);
        sum.Add((long)Kind);
        return sum.Value;
    }
}
