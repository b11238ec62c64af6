using System.Globalization;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;

namespace DataLayer.Keeper.Interop;

/// <summary>What a libc call of this assembly failed with, and its fault.</summary>
internal static class FailedCall
{
    /// <summary>The errno of the call that just failed on this thread.</summary>
    internal static int Last => Marshal.GetLastPInvokeError();

    /// <summary>The fault of a failed call.</summary>
    internal static DataLayerException Fault(int errno, string call, string remedy)
    {
        ErrorCode code = errno switch
        {
            Errno.NotPermitted or Errno.Denied => ErrorCode.PermissionDenied,
            Errno.NoEntry or Errno.NoSuchDevice or Errno.NoDevice => ErrorCode.NotFound,
            Errno.Busy => ErrorCode.Overloaded,
            Errno.NotADirectory => ErrorCode.NotADirectory,
            Errno.Invalid => ErrorCode.InvalidArgument,
            _ => ErrorCode.TargetFailed,
        };
        return new DataLayerException(code, string.Create(CultureInfo.InvariantCulture,
            $"{call} failed: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}). {remedy}"));
    }
}
