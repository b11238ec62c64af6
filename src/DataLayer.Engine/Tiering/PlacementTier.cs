namespace DataLayer.Engine.Tiering;

/// <summary>Where a rule wants the content of a file.</summary>
public enum PlacementTier
{
    /// <summary>In the hot tier, all of it; the object, if any, stays.</summary>
    Hot = 1,

    /// <summary>
    /// In the cold tier too, verified; the hot copy stays (premigrated) until somebody needs the room.
    /// </summary>
    Cold = 2,

    /// <summary>In the cold tier only: uploaded, verified, then the hot copy is dropped.</summary>
    Release = 3,
}
