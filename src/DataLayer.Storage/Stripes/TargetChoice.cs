using System.Collections.Immutable;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;

namespace DataLayer.Storage.Stripes;

/// <summary>Which targets a new content goes to: a pure function of the inode and of which targets are well and have
/// room.</summary>
internal static class TargetChoice
{
    /// <summary>Places a striped content; see <see cref="HotTier.PlaceStriped"/>.</summary>
    internal static StripedPlacement Place(
        PoolOptions pool, ReadOnlySpan<ITarget?> targets, ContentId content, long expectedSizeBytes)
    {
        int width = expectedSizeBytes > 0 && expectedSizeBytes <= pool.UnitBytes ? 1 : pool.Width;
        List<int> eligible = [];

        // A column's share shrinks with the width that turns out; ask for the share of the width wished for, then
        // again.
        for (int tries = 0; tries < 2; tries++)
        {
            eligible = FindEligible(pool, targets, (expectedSizeBytes / width) + 1, [], content.Inode);
            if (eligible.Count >= Math.Min(width, pool.Locations.Count) || eligible.Count == 0)
            {
                break;
            }

            width = Math.Min(width, eligible.Count);
        }

        if (eligible.Count < pool.CopyCount)
        {
            throw NoRoom(pool, targets, expectedSizeBytes);
        }

        width = Math.Min(width, eligible.Count);
        int start = (int)(Mix((ulong)content.Inode.Value) % (ulong)eligible.Count);

        // The second copy of a column lies half a round further on: never on the column's own target, and the load of
        // a lost target spreads over others.
        int shift = Math.Max(1, eligible.Count / 2);
        ImmutableArray<int>.Builder numbers = ImmutableArray.CreateBuilder<int>(width * pool.CopyCount);
        for (int copy = 0; copy < pool.CopyCount; copy++)
        {
            for (int column = 0; column < width; column++)
            {
                numbers.Add(eligible[(start + column + (copy * shift)) % eligible.Count]);
            }
        }

        return new StripedPlacement(pool.Name, pool.UnitBytes, width, pool.CopyCount, numbers.MoveToImmutable());
    }

    /// <summary>The numbers of the pool's targets that take so many bytes of an inode.</summary>
    internal static List<int> FindEligible(PoolOptions pool, ReadOnlySpan<ITarget?> targets, long bytes,
        ReadOnlySpan<int> excluded, InodeId inode)
    {
        List<int> eligible = [];
        foreach (ITarget? target in targets)
        {
            if (target is not null && target.Pool == pool.Name && target.State == TargetState.Ok
                && !excluded.Contains(target.Number) && target.HasRoom(bytes, inode))
            {
                eligible.Add(target.Number);
            }
        }

        return eligible;
    }

    /// <summary>The fault that says which target is in which state.</summary>
    internal static DataLayerException NoRoom(PoolOptions pool, ReadOnlySpan<ITarget?> targets, long bytes)
    {
        List<string> states = [];
        bool isFailed = true;
        foreach (ITarget? target in targets)
        {
            if (target is not null && target.Pool == pool.Name)
            {
                isFailed &= target.State is TargetState.Fenced or TargetState.Missing;
                states.Add($"target {target.Number} ({target.Location}) is {target.State} "
                    + $"with {target.GetSpace().FreeBytes} bytes free past its reserve");
            }
        }

        return new DataLayerException(isFailed ? ErrorCode.TargetFailed : ErrorCode.NoSpace,
            $"Pool '{pool.Name}' has no room for {bytes} bytes in {pool.CopyCount} "
                + $"copies: {string.Join(", ", states)}. Free space or add a target.");
    }

    /// <summary>A bijective mixer (the finaliser of MurmurHash3): neighbouring inodes start on unrelated
    /// targets.</summary>
    internal static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 33)) * 0xFF51AFD7ED558CCDUL;
        value = (value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53UL;
        return value ^ (value >> 33);
    }
}
