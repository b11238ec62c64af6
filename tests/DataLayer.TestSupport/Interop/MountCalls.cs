using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.TestSupport.Interop;

/// <summary>mount(2), umount2(2) and open(2) of the FUSE device.</summary>
internal static partial class MountCalls
{
    private const int ReadWriteCloseOnExec = 0x80002;
    private const nuint NoSetUserIdNoDevices = 6;
    private const nuint ReadOnlyFlag = 1;
    private const int DetachFlag = 2;

    /// <summary>Opens <c>/dev/fuse</c>.</summary>
    internal static SafeFileHandle OpenDevice()
    {
        var descriptor = Open("/dev/fuse", ReadWriteCloseOnExec);
        return descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw new Win32Exception(Marshal.GetLastPInvokeError(), "open /dev/fuse");
    }

    /// <summary>Mounts a FUSE file system; device and set-user-id files are honoured where <paramref name="privileged"/>.</summary>
    internal static void Mount(string source, string target, string type, string data, bool readOnly, bool privileged)
    {
        var flags = (privileged ? 0 : NoSetUserIdNoDevices) | (readOnly ? ReadOnlyFlag : 0);
        if (Mount(source, target, type, flags, data) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), $"mount of {target} ({data})");
        }
    }

    /// <summary>Detaches a mount now; its last user lets it go.</summary>
    internal static void Detach(string target) => _ = Unmount(target, DetachFlag);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Mount(string source, string target, string type, nuint flags, string data);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Unmount(string target, int flags);
}
