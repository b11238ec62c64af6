using DataLayer.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Interop;

/// <summary>What statx says of a file: enough to tell whether it is the same content as before.</summary>
/// <param name="Inode">The inode number.</param>
/// <param name="SizeBytes">The size.</param>
/// <param name="ModifiedSeconds">Modification time, whole seconds since 1970.</param>
/// <param name="ModifiedNanoseconds">The rest of it.</param>
/// <param name="IsRegular">Whether it is a plain file (no folder, link, pipe, device).</param>
internal readonly record struct FileStatus(
    ulong Inode, long SizeBytes, long ModifiedSeconds, uint ModifiedNanoseconds, bool IsRegular)
{
    /// <summary>How many names it has, a count.</summary>
    internal uint LinkCount { get; init; }

    /// <summary>What it takes on disk, bytes.</summary>
    internal long AllocatedBytes { get; init; }

    /// <summary>Modification time at .NET's resolution of 100 ns.</summary>
    internal DateTimeOffset LastModified =>
        DateTimeOffset.FromUnixTimeSeconds(ModifiedSeconds).AddTicks(ModifiedNanoseconds / 100);

    /// <summary>Of an open file.</summary>
    internal static FileStatus Of(SafeFileHandle file, string path)
    {
        FileStatus? status = BeneathFile.TryStat(file, "", BeneathFile.EmptyPath, out int errno);
        return status ?? throw LinuxError.Create(errno, "statx", path);
    }

    /// <summary>Of an open file, also asked of a server that would else answer from a cache.</summary>
    internal static FileStatus Newest(SafeFileHandle file, string path)
    {
        FileStatus? status = BeneathFile.TryStat(
            file, "", BeneathFile.EmptyPath | BeneathFile.ForceSync, out int errno);
        return status ?? throw LinuxError.Create(errno, "statx", path);
    }

    /// <summary>Of a name in an open folder, not following a link; null if there is none.</summary>
    internal static FileStatus? Of(SafeFileHandle folder, string name, string path)
    {
        FileStatus? status = BeneathFile.TryStat(folder, name, BeneathFile.NoFollow, out int errno);
        return status is null && errno is not (Errno.NoEntry or Errno.NotADirectory)
            ? throw LinuxError.Create(errno, "statx", path)
            : status;
    }
}
