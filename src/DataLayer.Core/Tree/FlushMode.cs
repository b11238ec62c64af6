namespace DataLayer.Core.Tree;

/// <summary>When written content goes to the bucket of a read-write attachment. The values are stored.</summary>
public enum FlushMode
{
    /// <summary>The write is acknowledged when the hot tier holds it; the upload follows from the journal.</summary>
    WriteBack = 1,

    /// <summary>The write is acknowledged when the upload was verified.</summary>
    WriteThrough = 2,
}
