namespace DataLayer.Core.Objects;

/// <summary>What must hold for a write or delete to happen.</summary>
/// <param name="IfMatch">The object must have this ETag; null for no such condition.</param>
/// <param name="IfAbsent">There must be no object at the key.</param>
public readonly record struct ObjectWriteCondition(string? IfMatch = null, bool IfAbsent = false)
{
    /// <summary>Write whatever is there.</summary>
    public static ObjectWriteCondition None => default;
}
