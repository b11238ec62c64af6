using DataLayer.Core.Identity;
using DataLayer.Core.Layout;

namespace DataLayer.Engine.Tiering.Profiles;

/// <summary>One read, as a recorder notes it.</summary>
/// <param name="Inode">The file.</param>
/// <param name="SizeBytes">Its length.</param>
/// <param name="OffsetBytes">The first byte it touched.</param>
/// <param name="LengthBytes">How many bytes it touched, at least 1.</param>
/// <param name="At">When it began.</param>
internal readonly record struct ReadNote(
    InodeId Inode, long SizeBytes, long OffsetBytes, int LengthBytes, DateTimeOffset At)
{
    /// <summary>The first block it touched.</summary>
    public uint FirstBlock => BlockLayout.BlockIndex(OffsetBytes);

    /// <summary>The last one.</summary>
    public uint LastBlock => BlockLayout.BlockIndex(OffsetBytes + LengthBytes - 1);
}
