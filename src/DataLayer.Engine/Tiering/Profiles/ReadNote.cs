using DataLayer.Core.Identity;

namespace DataLayer.Engine.Tiering.Profiles;

/// <summary>One read, as a recorder notes it.</summary>
/// <param name="Inode">The file.</param>
/// <param name="SizeBytes">Its length.</param>
/// <param name="FirstBlock">The first block it touched.</param>
/// <param name="LastBlock">The last one.</param>
/// <param name="At">When it began.</param>
internal readonly record struct ReadNote(
    InodeId Inode, long SizeBytes, uint FirstBlock, uint LastBlock, DateTimeOffset At);
