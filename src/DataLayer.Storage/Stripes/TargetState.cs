namespace DataLayer.Storage.Stripes;

/// <summary>What a target can do now.</summary>
internal enum TargetState
{
    /// <summary>Reads and writes.</summary>
    Ok,

    /// <summary>Gets no new content; what it has is read, written and moved away.</summary>
    Draining,

    /// <summary>A write or flush failed: reads only, until a probe succeeds after the fence time.</summary>
    Fenced,

    /// <summary>The folder or its identity is gone (a missing mount, a foreign disk): nothing, until it is
    /// back.</summary>
    Missing,
}
