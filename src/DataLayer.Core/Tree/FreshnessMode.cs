namespace DataLayer.Core.Tree;

/// <summary>When a known object is checked against the bucket again. The values are stored.</summary>
public enum FreshnessMode
{
    /// <summary>Objects never change: what was listed is true until a refresh is asked for.</summary>
    Immutable = 1,

    /// <summary>Checked on access once the last check is older than the attachment's maximum age.</summary>
    MaxAge = 2,

    /// <summary>Checked on each open.</summary>
    Always = 3,
}
