namespace DataLayer.Core.Tree;

/// <summary>Where a file's current content stands between the tiers. The values are stored.</summary>
public enum TierState
{
    /// <summary>The hot tier holds the only current copy of at least one block; the object, if any, is older.</summary>
    Hot = 1,

    /// <summary>The hot and the cold tier both hold the current content.</summary>
    Premigrated = 2,

    /// <summary>Only the cold tier holds all of the current content; some blocks may be hot as well.</summary>
    Released = 3,

    /// <summary>Released, and a recall of the whole content is under way.</summary>
    Recalling = 4,
}
