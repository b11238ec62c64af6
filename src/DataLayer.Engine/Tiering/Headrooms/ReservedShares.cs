using System.Globalization;
using DataLayer.Core.Identity;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Stripes;

namespace DataLayer.Engine.Tiering.Headrooms;

/// <summary>A share that is reserved at this moment.</summary>
/// <param name="Number">Its number, from 1.</param>
/// <param name="Name">The headroom's name.</param>
/// <param name="Path">The folder whose files it is for.</param>
/// <param name="Until">When it ends.</param>
/// <param name="Pool">The pool that takes what comes of the folder meanwhile; null for the default.</param>
internal sealed record ReservedShare(
    int Number, string Name, string Path, DateTimeOffset Until, string? Pool = null)
{
    private readonly string _below = Path + "/";

    /// <summary>Whether a path lies in the share.</summary>
    public bool Contains(ReadOnlySpan<char> path) => path.SequenceEqual(Path) || path.StartsWith(_below);
}

/// <summary>
/// The shares that are reserved now, and which inode is whose. The tiers ask the map without a look into the tree; so
/// whoever is about to read or write a content has it learned here before.
/// </summary>
/// <remarks>
/// Everything is one immutable picture, replaced as a whole. Where nothing is reserved each call costs a comparison. A
/// file that is moved into or out of a share counts there from the next measurement on
/// (<see cref="HeadroomService"/>).
/// </remarks>
internal sealed class ReservedShares(TreeStore tree, HotTier hot, BlockCache cache)
{
    private Picture? _picture;

    /// <summary>Whether anything is reserved.</summary>
    public bool IsInForce => Volatile.Read(ref _picture) is not null;

    /// <summary>Puts reservations into force instead of those before; none gives all back.</summary>
    /// <param name="shares">The shares.</param>
    /// <param name="map">Their inodes, as far as known.</param>
    /// <param name="holds">Free bytes of the hot tier held for them.</param>
    /// <param name="reserves">Memory reserved for them.</param>
    public void Apply(
        IReadOnlyList<ReservedShare> shares, ShareMap map, IReadOnlyList<SpaceHold> holds,
        IReadOnlyList<ShareReserve> reserves)
    {
        bool any = shares.Count > 0;
        Volatile.Write(ref _picture, any ? new Picture(shares, map) : null);
        hot.SetHolds(any ? map : null, holds);
        cache.SetReserves(any ? map : null, reserves);
    }

    /// <summary>The share a path lies in; null for none.</summary>
    public ReservedShare? Find(ReadOnlySpan<char> path) => Volatile.Read(ref _picture)?.Find(path);

    /// <summary>
    /// The pool that new bytes of an inode go to, which was learned; null for the default. Cheap: a comparison where
    /// nothing is reserved.
    /// </summary>
    public string? PoolOf(InodeId inode)
    {
        if (Volatile.Read(ref _picture) is { HasPools: true } picture)
        {
            int number = picture.Map.ShareOf(inode);
            foreach (ReservedShare share in picture.Shares)
            {
                if (share.Number == number)
                {
                    return share.Pool;
                }
            }
        }

        return null;
    }

    /// <summary>Finds out whose an inode is, if that is not known.</summary>
    public ValueTask LearnAsync(InodeId inode, CancellationToken cancellationToken) =>
        Volatile.Read(ref _picture) is { } picture && !picture.Map.Knows(inode)
            ? LearnSlowAsync(picture, inode, cancellationToken)
            : ValueTask.CompletedTask;

    /// <summary>Notes whose a file is that has no name yet: whose the folder is, which was learned.</summary>
    public void Inherit(InodeId inode, InodeId folder)
    {
        if (Volatile.Read(ref _picture) is { } picture && !picture.Map.Knows(inode))
        {
            picture.Map.Set(inode, picture.Map.ShareOf(folder));
        }
    }

    /// <summary>Why the copies of an inode here stay; null where nothing is reserved for it.</summary>
    public async ValueTask<string?> KeeperOfAsync(InodeId inode, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _picture) is not { } picture)
        {
            return null;
        }

        await LearnAsync(inode, cancellationToken).ConfigureAwait(false);
        int number = picture.Map.ShareOf(inode);
        foreach (ReservedShare share in picture.Shares)
        {
            if (share.Number == number)
            {
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"Headroom '{share.Name}' keeps it here until {share.Until.UtcDateTime:yyyy-MM-dd HH:mm} UTC.");
            }
        }

        return null;
    }

    private async ValueTask LearnSlowAsync(Picture picture, InodeId inode, CancellationToken cancellationToken)
    {
        string? path = await tree.GetPathAsync(inode, cancellationToken).ConfigureAwait(false);
        picture.Map.Set(inode, path is null ? 0 : picture.Find(path)?.Number ?? 0);
    }

    private sealed record Picture(IReadOnlyList<ReservedShare> Shares, ShareMap Map)
    {
        public bool HasPools { get; } = AnyPool(Shares);

        public ReservedShare? Find(ReadOnlySpan<char> path)
        {
            foreach (ReservedShare share in Shares)
            {
                if (share.Contains(path))
                {
                    return share;
                }
            }

            return null;
        }

        private static bool AnyPool(IReadOnlyList<ReservedShare> shares)
        {
            foreach (ReservedShare share in shares)
            {
                if (share.Pool is not null)
                {
                    return true;
                }
            }

            return false;
        }
    }
}
