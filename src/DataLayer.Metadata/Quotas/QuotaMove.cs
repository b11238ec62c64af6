using DataLayer.Core.Identity;

namespace DataLayer.Metadata.Quotas;

/// <summary>What a change of the tree did to one inode, as its quotas see it.</summary>
/// <param name="Content">The inode and the generation it has now.</param>
/// <param name="From">The quota's folder it counted in, or 0.</param>
/// <param name="To">The one it counts in now; 0 also where it is gone.</param>
/// <param name="SizeBytes">Its length now.</param>
/// <param name="IsGone">Whether the inode is gone.</param>
internal readonly record struct QuotaMove(ContentId Content, long From, long To, long SizeBytes, bool IsGone);
