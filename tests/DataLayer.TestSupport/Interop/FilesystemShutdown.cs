using System.ComponentModel;
using System.Runtime.InteropServices;

namespace DataLayer.TestSupport.Interop;

/// <summary>The shutdown ioctl of ext4 (FS_IOC_SHUTDOWN, <c>_IOR('X', 125, __u32)</c> in include/uapi/linux/fs.h).</summary>
internal static partial class FilesystemShutdown
{
    private const nuint ShutdownRequest = 0x8004587d;
    private const uint NoLogFlush = 2;
    private const int ReadOnlyDirectory = 0x10000; // O_RDONLY | O_DIRECTORY, x86-64
    private const int ReadOnlyDirectoryArm = 0x4000; // O_RDONLY | O_DIRECTORY, arm64

    /// <summary>Shuts the file system down that holds a folder.</summary>
    internal static void WithoutLogFlush(string folder)
    {
        var isArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;
        var descriptor = Open(folder, isArm ? ReadOnlyDirectoryArm : ReadOnlyDirectory);
        if (descriptor < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), $"open {folder}");
        }

        try
        {
            var flags = NoLogFlush;
            if (Ioctl(descriptor, ShutdownRequest, ref flags) != 0)
            {
                throw new Win32Exception(Marshal.GetLastPInvokeError(), $"shutdown of {folder}");
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(int descriptor, nuint request, ref uint value);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
