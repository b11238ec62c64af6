using DataLayer.Core.Identity;

namespace DataLayer.Storage.Stripes;

/// <content>Free bytes that are held for shares.</content>
public sealed partial class HotTier
{
    /// <summary>
    /// Holds free bytes of the default pool for shares, spread over its targets by their size: contents of others find
    /// the room that is left. What a share's contents take from now on is taken off what is held for it. Replaces what
    /// was held before.
    /// </summary>
    /// <param name="shares">Which content is whose; null with no holds.</param>
    /// <param name="holds">What is held.</param>
    public void SetHolds(ShareMap? shares, IReadOnlyList<SpaceHold> holds)
    {
        ArgumentNullException.ThrowIfNull(holds);
        long capacity = 0;
        foreach (ITarget? target in _targets.ByNumber)
        {
            capacity += IsOfDefaultPool(target) ? target!.GetSpace().CapacityBytes : 0;
        }

        _segments.Shares = holds.Count > 0 ? shares : null;
        foreach (ITarget? target in _targets.ByNumber)
        {
            if (IsOfDefaultPool(target))
            {
                double part = capacity > 0 ? target!.GetSpace().CapacityBytes / (double)capacity : 0;
                List<SpaceHold> parts = new(holds.Count);
                foreach (SpaceHold hold in holds)
                {
                    parts.Add(hold with { Bytes = (long)Math.Ceiling(hold.Bytes * part) });
                }

                target!.SetHolds(shares, parts);
            }
        }
    }

    private bool IsOfDefaultPool(ITarget? target) =>
        target is not null && target.Pool == DefaultPool && target.State == TargetState.Ok;
}
