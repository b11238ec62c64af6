using System.Globalization;
using DataLayer.Core.Errors;
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

        int errno = Errno.Last;
        throw Errno.Fault(errno, $"Opening {Path}", errno switch
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
                $"fd={device.DangerousGetHandle()},rootmode=40000,user_id={Libc.GetUserId()}"
                + $",group_id={Libc.GetGroupId()},default_permissions{(flags.AllowOther ? ",allow_other" : "")}");
            if (Libc.Mount(source, mountPoint, FileSystemType, flags.Kernel, data) != 0)
            {
                int errno = Errno.Last;
                throw Errno.Fault(errno, $"Mounting at '{mountPoint}'", errno switch
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

    /// <summary>Registers a file for passthrough; its id, or the negative errno.</summary>
    internal static unsafe int OpenBacking(SafeFileHandle device, SafeFileHandle file)
    {
        bool added = false;
        try
        {
            file.DangerousAddRef(ref added);
            Libc.BackingMap map = new() { Descriptor = (int)file.DangerousGetHandle() };
            int id = Libc.Ioctl(device, Libc.BackingOpen, &map);
            return id < 0 ? -Errno.Last : id;
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
        return Libc.Ioctl(device, Libc.BackingClose, &id) < 0 ? Errno.Last : 0;
    }

    /// <summary>
    /// Sets the kernel's readahead of a mount. The answer to INIT can only lower it; this raises it.
    /// </summary>
    /// <exception cref="IOException">No such device, or <c>/sys</c> is read-only here.</exception>
    internal static void SetReadAhead(string deviceNumber, long bytes) => File.WriteAllText(
        $"/sys/class/bdi/{deviceNumber}/read_ahead_kb", (bytes >> 10).ToString(CultureInfo.InvariantCulture));
}
