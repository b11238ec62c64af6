using System.Runtime.InteropServices;
using System.Text;
using DataLayer.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Interop;

/// <summary>User extended attributes of open files, where the file system has them.</summary>
internal static unsafe partial class ExtendedAttribute
{
    private const int NoAttribute = 61;
    private const int OutOfRange = 34;
    private const int TooLarge = 7;

    /// <summary>Sets an attribute; false where the file system has none, or no room for it.</summary>
    internal static bool TrySet(SafeFileHandle file, string path, string name, string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        fixed (byte* start = bytes)
        {
            if (Set(file, name, start, (nuint)bytes.Length, 0) == 0)
            {
                return true;
            }
        }

        int errno = Marshal.GetLastPInvokeError();
        return errno is Errno.NotSupported or Errno.NoSpace or Errno.Quota or OutOfRange or TooLarge
            ? false
            : throw LinuxError.Create(errno, "fsetxattr", path);
    }

    /// <summary>
    /// Reads an attribute of at most <paramref name="limitBytes"/>; null if there is none, or it is longer.
    /// </summary>
    internal static string? Get(SafeFileHandle file, string path, string name, int limitBytes)
    {
        Span<byte> buffer = stackalloc byte[limitBytes];
        fixed (byte* start = buffer)
        {
            nint count = Get(file, name, start, (nuint)limitBytes);
            if (count >= 0)
            {
                return Encoding.UTF8.GetString(buffer[..(int)count]);
            }
        }

        int errno = Marshal.GetLastPInvokeError();
        return errno is NoAttribute or Errno.NotSupported or OutOfRange
            ? null
            : throw LinuxError.Create(errno, "fgetxattr", path);
    }

    [LibraryImport("libc", EntryPoint = "fsetxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Set(SafeFileHandle file, string name, byte* value, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "fgetxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Get(SafeFileHandle file, string name, byte* value, nuint size);
}
