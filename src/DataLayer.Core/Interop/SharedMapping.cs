using System.Globalization;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Core.Interop;

/// <summary>
/// A file's bytes in this process's memory, shared with whoever else mapped it: mmap(2), unmapped when the handle is
/// disposed. Nobody may touch the memory afterwards; the mapping needs the descriptor no longer.
/// </summary>
public sealed unsafe partial class SharedMapping : SafeHandleZeroOrMinusOneIsInvalid
{
    private const int ProtRead = 1;
    private const int ProtWrite = 2;
    private const int MapShared = 1;
    private const int MapPopulate = 0x8000;

    private SharedMapping(nint address, long lengthBytes)
        : base(ownsHandle: true)
    {
        SetHandle(address);
        LengthBytes = lengthBytes;
    }

    /// <summary>The first byte; page aligned.</summary>
    public byte* Pointer => (byte*)handle;

    /// <summary>Length of the mapping, bytes.</summary>
    public long LengthBytes { get; }

    /// <summary>Maps a file from its begin.</summary>
    /// <param name="file">The file. It stays the caller's.</param>
    /// <param name="lengthBytes">How much of it: not more than it has, or touching the rest kills the process.</param>
    /// <param name="writable">Whether it may be written.</param>
    /// <exception cref="DataLayerException">NoSpace: the kernel refuses.</exception>
    public static SharedMapping Map(SafeFileHandle file, long lengthBytes, bool writable)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        int protection = writable ? ProtRead | ProtWrite : ProtRead;
        nint address = MapFile(0, (nuint)lengthBytes, protection, MapShared | MapPopulate, file, 0);
        int errno = Marshal.GetLastPInvokeError();
        return address != -1
            ? new SharedMapping(address, lengthBytes)
            : throw new DataLayerException(ErrorCode.NoSpace, string.Create(CultureInfo.InvariantCulture,
                $"mmap of {lengthBytes} bytes failed: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}). Take "
                + $"smaller batches or fewer slabs."));
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Unmap(handle, (nuint)LengthBytes) == 0;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint MapFile(
        nint address, nuint length, int protection, int flags, SafeFileHandle file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(nint address, nuint length);
}
