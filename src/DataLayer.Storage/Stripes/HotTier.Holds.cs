using DataLayer.Core.Identity;

namespace DataLayer.Storage.Stripes;

/// <content>Free bytes that are held for shares.</content>
public sealed partial class HotTier
{
    /// <summary>
    /// Holds free bytes of pools for shares, spread over each pool's targets by their size: contents of others find the
    /// room that is left. What a share's contents take from now on is taken off what is held for it. Replaces what was
    /// held before.
    /// </summary>
    /// <param name="shares">Which content is whose; null with no holds.</param>
    /// <param name="holds">What is held.</param>
    public void SetHolds(ShareMap? shares, IReadOnlyList<SpaceHold> holds)
    {
        ArgumentNullException.ThrowIfNull(holds);
        Dictionary<string, long> capacities = new(StringComparer.Ordinal);
        foreach (ITarget? target in _targets.ByNumber)
        {
            if (target is { State: TargetState.Ok })
            {
                capacities[target.Pool] =
                    capacities.GetValueOrDefault(target.Pool) + target.GetSpace().CapacityBytes;
            }
        }

        _segments.Shares = holds.Count > 0 ? shares : null;
        foreach (ITarget? target in _targets.ByNumber)
        {
            if (target is { State: TargetState.Ok })
            {
                long capacity = capacities[target.Pool];
                double part = capacity > 0 ? target.GetSpace().CapacityBytes / (double)capacity : 0;
                List<SpaceHold> parts = new(holds.Count);
                foreach (SpaceHold hold in holds)
                {
                    if ((hold.Pool ?? DefaultPool) == target.Pool)
                    {
                        parts.Add(hold with { Bytes = (long)Math.Ceiling(hold.Bytes * part) });
                    }
                }

                target.SetHolds(shares, parts);
            }
        }
    }

    /// <summary>The largest content that a pool keeps as a segment record, bytes; null where there is no such
    /// pool.</summary>
    /// <param name="pool">The pool, or null for the default.</param>
    public int? SegmentLimitOf(string? pool)
    {
        foreach (PoolOptions one in _options.Pools)
        {
            if (one.Name == (pool ?? DefaultPool))
            {
                return one.SegmentLimitBytes;
            }
        }

        return null;
    }
}
