using System.Globalization;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Interop;
using DataLayer.Keeper.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Keeper.Mounts;

/// <summary>An open <c>/dev/fuse</c>: one connection to the kernel. It lives while a descriptor does.</summary>
internal static class FuseDevice
{
    /// <summary>The device.</summary>
    internal const string Path = "/dev/fuse";

    /// <summary>The type in the kernel's table of mounts.</summary>
    internal const string FileSystemType = "fuse.datalayer";

    /// <summary>Opens it.</summary>
    /// <exception cref="DataLayerException">NotFound: no FUSE here. PermissionDenied.</exception>
    internal static SafeFileHandle Open()
    {
        int descriptor = Libc.Open(Path, Libc.OpenReadWrite | Libc.OpenCloseOnExec, 0);
        if (descriptor >= 0)
        {
            return new SafeFileHandle(descriptor, ownsHandle: true);
        }

        int errno = FailedCall.Last;
        throw FailedCall.Fault(errno, $"Opening {Path}", errno switch
        {
            Errno.NoEntry => "Load the kernel's module with 'modprobe fuse'; a container needs '--device /dev/fuse'.",
            Errno.NoDevice or Errno.NoSuchDevice => "Load the kernel's module with 'modprobe fuse'.",
            _ => "Run as root; a container needs '--device /dev/fuse --cap-add SYS_ADMIN'.",
        });
    }

    /// <summary>mount(2) of a connection.</summary>
    /// <exception cref="DataLayerException">PermissionDenied: no CAP_SYS_ADMIN. Others by errno.</exception>
    internal static void Mount(SafeFileHandle device, string source, string mountPoint, MountFlags flags)
    {
        bool added = false;
        try
        {
            device.DangerousAddRef(ref added);
            string data = string.Create(CultureInfo.InvariantCulture,
                $"fd={device.DangerousGetHandle()},rootmode=40000,user_id={DescriptorSocket.OwnUserId}"
                + $",group_id={Libc.GetGroupId()},default_permissions{(flags.AllowOther ? ",allow_other" : "")}");
            if (Libc.Mount(source, mountPoint, FileSystemType, flags.Kernel, data) != 0)
            {
                int errno = FailedCall.Last;
                throw FailedCall.Fault(errno, $"Mounting at '{mountPoint}'", errno switch
                {
                    Errno.NotPermitted => "Mounting needs root (CAP_SYS_ADMIN).",
                    Errno.NoDevice => "The kernel has no FUSE: load it with 'modprobe fuse'.",
                    _ => "Check that the folder exists and can be mounted on.",
                });
            }
        }
        finally
        {
            if (added)
            {
                device.DangerousRelease();
            }
        }
    }

    private static unsafe bool HasRequest(SafeFileHandle device)
    {
        Libc.PollDescriptor poll = new() { Descriptor = (int)device.DangerousGetHandle(), Events = Libc.PollIn };
        return Libc.Poll(&poll, 1, 0) > 0 && (poll.ReturnedEvents & Libc.PollIn) != 0;
    }

    /// <summary>Whether the connection is over: unmounted, a detached mount's last user gone, or aborted.</summary>
    internal static unsafe bool IsOver(SafeFileHandle device)
    {
        bool added = false;
        try
        {
            device.DangerousAddRef(ref added);
            Libc.PollDescriptor poll = new() { Descriptor = (int)device.DangerousGetHandle() };
            return Libc.Poll(&poll, 1, 0) > 0 && (poll.ReturnedEvents & Libc.PollError) != 0;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
        finally
        {
            if (added)
            {
                device.DangerousRelease();
            }
        }
    }

    /// <summary>
    /// Answers everything that waits with ENOTCONN; how many there were. For a mount that no service serves any more:
    /// closing the descriptor alone would give those who wait ECONNABORTED, and only those who come later ENOTCONN.
    /// Bounded, so that users who try again at once do not keep it going.
    /// </summary>
    internal static unsafe int FailWaiting(SafeFileHandle device)
    {
        const int bufferBytes = 2 << 20; // A request may carry 1 MiB to write; a smaller buffer is refused.
        const int headerBytes = 16;
        const int mostRequests = 10_000;
        const int notifyResend = 7;
        const uint forget = 2;
        const uint interrupt = 36;
        const uint batchForget = 42;
        int* reply = stackalloc int[headerBytes / sizeof(int)];

        // What the last service read and did not answer comes again. A kernel before 6.9 refuses, and keeps those.
        (reply[0], reply[1], *(ulong*)(reply + 2)) = (headerBytes, notifyResend, 0);
        _ = Libc.Write(device, reply, headerBytes);
        byte* request = (byte*)NativeMemory.Alloc(bufferBytes);
        int count = 0;
        try
        {
            while (count < mostRequests && HasRequest(device) && Libc.Read(device, request, bufferBytes) > 0)
            {
                uint opcode = *(uint*)(request + 4);
                if (opcode is not (forget or interrupt or batchForget))
                {
                    (reply[0], reply[1], *(ulong*)(reply + 2)) =
                        (headerBytes, -Errno.NotConnected, *(ulong*)(request + 8));
                    _ = Libc.Write(device, reply, headerBytes);
                    count++;
                }
            }
        }
        finally
        {
            NativeMemory.Free(request);
        }

        return count;
    }

    /// <summary>Registers a file for passthrough; its id, or the negative errno.</summary>
    internal static unsafe int OpenBacking(SafeFileHandle device, SafeFileHandle file)
    {
        bool added = false;
        try
        {
            file.DangerousAddRef(ref added);
            Libc.BackingMap map = new() { Descriptor = (int)file.DangerousGetHandle() };
            int id = Libc.Ioctl(device, Libc.BackingOpen, &map);
            return id < 0 ? -FailedCall.Last : id;
        }
        finally
        {
            if (added)
            {
                file.DangerousRelease();
            }
        }
    }

    /// <summary>Forgets a registered file; the errno, or 0.</summary>
    internal static unsafe int CloseBacking(SafeFileHandle device, int backingId)
    {
        uint id = (uint)backingId;
        return Libc.Ioctl(device, Libc.BackingClose, &id) < 0 ? FailedCall.Last : 0;
    }

    /// <summary>
    /// Sets the kernel's readahead of a mount. The answer to INIT can only lower it; this raises it.
    /// </summary>
    /// <exception cref="IOException">No such device, or <c>/sys</c> is read-only here.</exception>
    internal static void SetReadAhead(string deviceNumber, long bytes) => File.WriteAllText(
        $"/sys/class/bdi/{deviceNumber}/read_ahead_kb", (bytes >> 10).ToString(CultureInfo.InvariantCulture));
}
