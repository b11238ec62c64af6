using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Cache.Interop;

/// <summary>
/// Anonymous memory straight from the kernel: zeroed, page aligned, and resident only where it was touched. Released
/// when the handle is disposed; nobody may touch it afterwards.
/// </summary>
internal sealed unsafe partial class NativeMapping : SafeHandleZeroOrMinusOneIsInvalid
{
    private const int ProtRead = 1;
    private const int ProtWrite = 2;
    private const int MapPrivate = 2;
    private const int MapAnonymous = 0x20;
    private const int MapNoReserve = 0x4000;
    private const int AdviseDontNeed = 4;
    private readonly nint _mapped;
    private readonly nuint _mappedBytes;

    /// <summary>Maps <paramref name="bytes"/> bytes; large ones are aligned to huge pages and ask for them.</summary>
    /// <exception cref="DataLayerException">The kernel refuses (<see cref="ErrorCode.Overloaded"/>).</exception>
    public NativeMapping(long bytes)
        : base(ownsHandle: true)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytes);
        Bytes = bytes;
        bool huge = bytes >= 16L * HugePages.PageBytes;
        _mappedBytes = (nuint)(bytes + (huge ? HugePages.PageBytes : 0));
        _mapped = Map(0, _mappedBytes, ProtRead | ProtWrite, MapPrivate | MapAnonymous | MapNoReserve, -1, 0);
        if (_mapped == -1)
        {
            throw new DataLayerException(ErrorCode.Overloaded,
                $"The kernel refused {bytes} bytes (errno {Marshal.GetLastPInvokeError()}). Lower CapacityBytes.");
        }

        nint aligned = huge ? (nint)((_mapped + HugePages.PageBytes - 1) & ~(HugePages.PageBytes - 1)) : _mapped;
        SetHandle(aligned);
        if (huge)
        {
            HugePages.Ask(aligned, bytes);
        }
    }

    /// <summary>The first byte.</summary>
    public byte* Pointer => (byte*)handle;

    /// <summary>Usable length, bytes.</summary>
    public long Bytes { get; }

    /// <summary>
    /// Gives the pages of a range back to the kernel; they read as zero afterwards. Offset and length in whole pages.
    /// </summary>
    public void Discard(long offset, long bytes) => _ = Advise(handle + (nint)offset, (nuint)bytes, AdviseDontNeed);

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Unmap(_mapped, _mappedBytes) == 0;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int Advise(nint address, nuint length, int advice);
}
