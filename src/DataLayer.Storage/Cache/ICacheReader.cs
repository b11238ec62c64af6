namespace DataLayer.Storage.Cache;

/// <summary>
/// Takes bytes where they lie in the cache. They may change while they are looked at: only when the call that brought
/// them says that they stood is anything that was made of them of use, and nothing may be addressed by them.
/// </summary>
public interface ICacheReader
{
    /// <summary>Takes a piece.</summary>
    /// <param name="piece">Its place among the pieces that were asked for.</param>
    /// <param name="bytes">Its bytes, for the time of the call.</param>
    void Take(int piece, ReadOnlySpan<byte> bytes);
}
