using System.Globalization;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Interop;

/// <summary>Turns an errno into a fault that names the call, the path and what to do.</summary>
internal static class LinuxError
{
    /// <summary>The fault of the libc call that just failed on this thread.</summary>
    internal static DataLayerException Last(string call, string path) => Create(Marshal.GetLastPInvokeError(), call,
        path);

    /// <summary>The fault for an errno.</summary>
    /// <param name="errno">A Linux error number.</param>
    /// <param name="call">The call that failed, as in the manual.</param>
    /// <param name="path">The file or folder concerned.</param>
    internal static DataLayerException Create(int errno, string call, string path)
    {
        (ErrorCode code, string remedy) = errno switch
        {
            Errno.NotPermitted or Errno.Denied => (ErrorCode.PermissionDenied, "Give the service's user access to it."),
            Errno.NoEntry => (ErrorCode.NotFound, "Check that its file system is mounted."),
            Errno.Exists => (ErrorCode.AlreadyExists, "Use another name."),
            Errno.NotADirectory => (ErrorCode.NotADirectory, "Name a folder."),
            Errno.IsADirectory => (ErrorCode.IsADirectory, "Name a file."),
            Errno.Invalid => (ErrorCode.InvalidArgument, "The file system refuses this call."),
            Errno.TooManyFilesInSystem or Errno.TooManyFiles =>
                (ErrorCode.Overloaded, "Raise the limit of open files or lower the handle cache."),
            Errno.FileTooLarge => (ErrorCode.FileTooLarge, "The file system has a lower size limit."),
            Errno.NoSpace => (ErrorCode.NoSpace, "Free space or inodes there, or add a target."),
            Errno.ReadOnly => (ErrorCode.TargetFailed, "The file system is read-only: check the kernel log, repair and "
                + "remount it."),
            Errno.NameTooLong => (ErrorCode.NameTooLong, "Use a shorter path."),
            Errno.NotEmpty => (ErrorCode.NotEmpty, "Empty the folder first."),
            Errno.TooManyLinks => (ErrorCode.TooManyLinks, "Name the folder itself, not a link."),
            Errno.NotSupported => (ErrorCode.NotSupported, "The file system lacks this call."),
            Errno.TimedOut => (ErrorCode.TimedOut, "Check the server or device behind the mount."),
            Errno.Stale => (ErrorCode.TargetFailed, "The network mount is stale: remount it."),
            Errno.Quota => (ErrorCode.QuotaExceeded, "Raise the quota or free space."),
            _ => (ErrorCode.TargetFailed, "Check the device and the kernel log."),
        };
        string text = Marshal.GetPInvokeErrorMessage(errno);
        return new DataLayerException(code,
            string.Create(CultureInfo.InvariantCulture,
                $"{call} of '{path}' failed: {text} (errno {errno}). {remedy}"));
    }
}
