namespace DataLayer.Storage.Stripes;

/// <summary>What one target is and has.</summary>
/// <param name="Target">Its persistent number.</param>
/// <param name="Pool">Its pool.</param>
/// <param name="Location">Its folder.</param>
/// <param name="State"><c>ok</c>, <c>draining</c>, <c>fenced</c> or <c>missing</c>.</param>
/// <param name="CapacityBytes">Size of its file system, or its part of it where targets share one, bytes.</param>
/// <param name="FreeBytes">What may still be written, the reserve left out, bytes; of a shared file system its
/// part.</param>
/// <param name="UsedBytes">What is used on its file system, or its part of that, bytes.</param>
/// <param name="Fault">Why it is fenced or missing and what to do, or null.</param>
public sealed record TargetStatus(
    int Target, string Pool, string Location, string State, long CapacityBytes, long FreeBytes, long UsedBytes,
        string? Fault);
