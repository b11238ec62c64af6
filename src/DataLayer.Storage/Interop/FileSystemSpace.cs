namespace DataLayer.Storage.Interop;

/// <summary>What statvfs says of a file system.</summary>
/// <param name="CapacityBytes">Its size, bytes.</param>
/// <param name="AvailableBytes">What an unprivileged user may still write, bytes.</param>
/// <param name="InodeCount">How many inodes it can hold, a count; 0 where it does not limit them (btrfs).</param>
/// <param name="AvailableInodes">How many files can still be made, a count; meaningless if <paramref
/// name="InodeCount"/> is 0.</param>
/// <param name="IsReadOnly">Whether it is mounted read-only.</param>
/// <param name="Id">Tells file systems apart; 0 where it is not known.</param>
internal readonly record struct FileSystemSpace(
    long CapacityBytes, long AvailableBytes, long InodeCount, long AvailableInodes, bool IsReadOnly,
    ulong Id = 0);
