namespace DataLayer.Engine.Tiering.Planning;

/// <summary>What a move does to a file's content, in this order. The values are stored.</summary>
[Flags]
public enum MoveKinds
{
    /// <summary>Nothing: the file is as its rule wants it.</summary>
    None = 0,

    /// <summary>The current content is uploaded and verified.</summary>
    Upload = 1,

    /// <summary>The object gets another storage class.</summary>
    Reclass = 2,

    /// <summary>The hot copy is dropped, after the object was verified.</summary>
    Release = 4,

    /// <summary>What is missing of the hot copy is read back from the object.</summary>
    Recall = 8,

    /// <summary>The number of hot copies changes.</summary>
    Copies = 16,

    /// <summary>The object's bytes go into a pack with other small files, and the object goes.</summary>
    Pack = 32,

    /// <summary>The content leaves its pack and has an object of its own again.</summary>
    Unpack = 64,
}
