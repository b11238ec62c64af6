using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse.Interop;

/// <summary>Device and inode number of an open file.</summary>
internal static unsafe partial class FileIdentity
{
    private const int EmptyPath = 0x1000; // AT_EMPTY_PATH
    private const uint InodeMask = 0x100; // STATX_INO
    private const int StatxBytes = 256;
    private const int InodeAt = 32;
    private const int DeviceAt = 136;

    /// <summary>The identity as text: the device's numbers and the inode's.</summary>
    /// <exception cref="DataLayerException">TargetFailed.</exception>
    internal static string Of(SafeFileHandle file)
    {
        byte* status = stackalloc byte[StatxBytes];
        return Statx(file, string.Empty, EmptyPath, InodeMask, status) == 0
            ? FormattableString.Invariant(
                $"{*(uint*)(status + DeviceAt)}:{*(uint*)(status + DeviceAt + 4)}:{*(ulong*)(status + InodeAt)}")
            : throw new DataLayerException(
                ErrorCode.TargetFailed, $"statx of a backing file failed (errno {Marshal.GetLastPInvokeError()}).");
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(SafeFileHandle file, string path, int flags, uint mask, byte* result);
}
