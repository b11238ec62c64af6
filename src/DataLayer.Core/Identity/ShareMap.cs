using System.Collections.Concurrent;

namespace DataLayer.Core.Identity;

/// <summary>
/// Which share an inode belongs to, as far as that was found out: shares have numbers from 1 to
/// <see cref="MaxShare"/>, 0 is none. Both local tiers ask it whose bytes a block's are, without a look into the tree.
/// </summary>
/// <remarks>
/// One byte an inode, in pages of 64 neighbours, which inodes made one after the other share: a million files take
/// about 2 MB. Safe for concurrent use; a reader sees an entry of before or after a change. The map of one moment is
/// replaced as a whole when shares begin or end.
/// </remarks>
public sealed class ShareMap
{
    /// <summary>The highest number of a share.</summary>
    public const int MaxShare = 200;

    private const byte Outside = 255;
    private const int PageBits = 6;
    private const int PageMask = (1 << PageBits) - 1;
    private readonly ConcurrentDictionary<long, byte[]> _pages = new();

    /// <summary>The share of an inode; 0 for none, or where that is not known.</summary>
    public int ShareOf(InodeId inode)
    {
        byte found = Find(inode);
        return found == Outside ? 0 : found;
    }

    /// <summary>Whether it was found out which share an inode belongs to.</summary>
    public bool Knows(InodeId inode) => Find(inode) != 0;

    /// <summary>Notes an inode's share.</summary>
    /// <param name="inode">The inode.</param>
    /// <param name="share">0 for none, or up to <see cref="MaxShare"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The share's number.</exception>
    public void Set(InodeId inode, int share)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(share);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(share, MaxShare);
        byte[] page = _pages.GetOrAdd(inode.Value >> PageBits, static _ => new byte[PageMask + 1]);
        Volatile.Write(ref page[inode.Value & PageMask], share == 0 ? Outside : (byte)share);
    }

    private byte Find(InodeId inode) =>
        _pages.TryGetValue(inode.Value >> PageBits, out byte[]? page)
            ? Volatile.Read(ref page[inode.Value & PageMask])
            : (byte)0;
}
