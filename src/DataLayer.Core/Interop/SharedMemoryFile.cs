using System.Globalization;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Core.Interop;

/// <summary>
/// Memory with a descriptor that another process can map: memfd_create(2), all of it there from the begin, sealed
/// against shrinking and growing, so that whoever mapped it never meets its end.
/// </summary>
public static partial class SharedMemoryFile
{
    private const uint CloseOnExec = 1;
    private const uint AllowSealing = 2;
    private const int AddSeals = 1033;
    private const int GetSeals = 1034;
    private const int SealSeal = 1;
    private const int SealShrink = 2;
    private const int SealGrow = 4;

    /// <summary>Makes shared memory of zeros.</summary>
    /// <param name="name">What /proc shows it as.</param>
    /// <param name="lengthBytes">Its length, bytes, from 1 on.</param>
    /// <exception cref="DataLayerException">NoSpace: the kernel has not so much memory for it.</exception>
    public static SafeFileHandle Create(string name, long lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        int descriptor = CreateMemory(name, CloseOnExec | AllowSealing);
        if (descriptor < 0)
        {
            throw Refused("memfd_create", lengthBytes);
        }

        SafeFileHandle file = new(descriptor, ownsHandle: true);
        try
        {
            // The pages are taken now: later a lack of memory would kill whoever touches them.
            while (Allocate(file, 0, 0, lengthBytes) != 0)
            {
                if (Marshal.GetLastPInvokeError() != Errno.Interrupted)
                {
                    throw Refused("fallocate", lengthBytes);
                }
            }

            return Control(file, AddSeals, SealShrink | SealGrow | SealSeal) == 0
                ? file
                : throw Refused("fcntl", lengthBytes);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whether a file is memory that nobody can make shorter.</summary>
    public static bool IsSealed(SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
        int seals = Control(file, GetSeals, 0);
        return seals >= 0 && (seals & SealShrink) != 0;
    }

    private static DataLayerException Refused(string call, long lengthBytes)
    {
        int errno = Marshal.GetLastPInvokeError();
        return new DataLayerException(ErrorCode.NoSpace, string.Create(CultureInfo.InvariantCulture,
            $"{call} of {lengthBytes} bytes of shared memory failed: {Marshal.GetPInvokeErrorMessage(errno)} (errno "
            + $"{errno}). Take smaller batches or fewer slabs, or give the process more memory."));
    }

    [LibraryImport(
        "libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int CreateMemory(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int Allocate(SafeFileHandle file, int mode, long offset, long length);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(SafeFileHandle file, int command, int argument);
}
