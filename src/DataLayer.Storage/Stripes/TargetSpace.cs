namespace DataLayer.Storage.Stripes;

/// <summary>What a target has.</summary>
/// <param name="CapacityBytes">Size of the file system, bytes.</param>
/// <param name="FreeBytes">What may still be written, the reserve left out, bytes; 0 when full.</param>
/// <param name="UsedBytes">What our files take on it, bytes.</param>
/// <param name="FileSystemId">Tells file systems apart; 0 where it is not known.</param>
internal readonly record struct TargetSpace(
    long CapacityBytes, long FreeBytes, long UsedBytes, ulong FileSystemId = 0);
