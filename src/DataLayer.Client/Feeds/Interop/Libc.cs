using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Client.Feeds.Interop;

/// <summary>
/// The libc calls of this assembly, as the Linux manual declares them. Callers read errno at once. Only the constants
/// tabled here differ between x86-64 and arm64.
/// </summary>
internal static partial class Libc
{
    private const int ProtectRead = 1;
    private const int ProtectWrite = 2;
    private const int MapPrivate = 2;
    private const int MapFixed = 0x10;
    private const int MapAnonymous = 0x20;
    private const int MapNoReserve = 0x4000;
    private const int OpenReadOnly = 0;
    private const int OpenCloseOnExec = 0x80000;

    private static readonly int _openDirect =
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x10000 : 0x4000;

    /// <summary>Opens a file to read past the page cache; null where that is not to be had.</summary>
    internal static SafeFileHandle? TryOpenDirect(string path)
    {
        int descriptor = Open(path, OpenReadOnly | OpenCloseOnExec | _openDirect, 0);
        return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Maps zeros of this process's own; −1 with an errno.</summary>
    internal static nint MapOwn(long lengthBytes) => Map(
        0, (nuint)lengthBytes, ProtectRead | ProtectWrite, MapPrivate | MapAnonymous, -1, 0);

    /// <summary>
    /// Puts zeros that cost no memory in the place of a mapping: what it held is given back, and a late reader of the
    /// addresses reads zeros. The addresses stay taken until they are unmapped.
    /// </summary>
    internal static bool TryEmpty(nint address, long lengthBytes)
    {
        const int flags = MapPrivate | MapAnonymous | MapFixed | MapNoReserve;
        return Map(address, (nuint)lengthBytes, ProtectRead, flags, -1, 0) == address;
    }

    /// <summary>Unmaps.</summary>
    internal static bool TryUnmap(nint address, long lengthBytes) => Unmap(address, (nuint)lengthBytes) == 0;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(
        nint address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);
}
