namespace DataLayer.Engine.Tiering.Planning;

/// <summary>Why a file cannot, or cannot wholly, be brought to where its rule wants it.</summary>
public enum MoveObstacle
{
    /// <summary>Nothing stands in the way.</summary>
    None = 0,

    /// <summary>No bucket is attached above the file: there is no place for an object.</summary>
    NoAttachment = 1,

    /// <summary>The bucket is attached read-only.</summary>
    ReadOnlyBucket = 2,

    /// <summary>A pin keeps the content hot.</summary>
    Pinned = 3,

    /// <summary>The content is being recalled now.</summary>
    Recalling = 4,

    /// <summary>The rule names a storage class that the price table does not have.</summary>
    UnknownClass = 5,

    /// <summary>The rule names a storage class and the file's store has none: folders have no classes.</summary>
    NoClasses = 6,
}
