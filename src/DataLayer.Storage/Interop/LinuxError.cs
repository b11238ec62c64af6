using System.Globalization;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Interop;

/// <summary>Turns an errno into a fault that names the call, the path and what to do.</summary>
internal static class LinuxError
{
    internal const int NoEntry = 2;
    internal const int Interrupted = 4;
    internal const int Io = 5;
    internal const int Exists = 17;
    internal const int NotADirectory = 20;
    internal const int Invalid = 22;
    internal const int NoSpace = 28;
    internal const int ReadOnly = 30;
    internal const int NotEmpty = 39;
    internal const int NotSupported = 95;
    internal const int Quota = 122;

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
            1 or 13 => (ErrorCode.PermissionDenied, "Give the service's user access to it."),
            NoEntry => (ErrorCode.NotFound, "Check that its file system is mounted."),
            Exists => (ErrorCode.AlreadyExists, "Use another name."),
            NotADirectory => (ErrorCode.NotADirectory, "Name a folder."),
            21 => (ErrorCode.IsADirectory, "Name a file."),
            Invalid => (ErrorCode.InvalidArgument, "The file system refuses this call."),
            23 or 24 => (ErrorCode.Overloaded, "Raise the limit of open files or lower the handle cache."),
            27 => (ErrorCode.FileTooLarge, "The file system has a lower size limit."),
            NoSpace => (ErrorCode.NoSpace, "Free space or inodes there, or add a target."),
            ReadOnly => (ErrorCode.TargetFailed, "The file system is read-only: check the kernel log, repair and "
                + "remount it."),
            36 => (ErrorCode.NameTooLong, "Use a shorter path."),
            NotEmpty => (ErrorCode.NotEmpty, "Empty the folder first."),
            40 => (ErrorCode.TooManyLinks, "Name the folder itself, not a link."),
            NotSupported => (ErrorCode.NotSupported, "The file system lacks this call."),
            110 => (ErrorCode.TimedOut, "Check the server or device behind the mount."),
            116 => (ErrorCode.TargetFailed, "The network mount is stale: remount it."),
            Quota => (ErrorCode.QuotaExceeded, "Raise the quota or free space."),
            _ => (ErrorCode.TargetFailed, "Check the device and the kernel log."),
        };
        string text = Marshal.GetPInvokeErrorMessage(errno);
        return new DataLayerException(code,
            string.Create(CultureInfo.InvariantCulture,
                $"{call} of '{path}' failed: {text} (errno {errno}). {remedy}"));
    }
}
