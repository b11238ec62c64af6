using System.Globalization;
using System.Runtime.InteropServices;
using DataLayer.Core.Errors;

namespace DataLayer.Keeper.Interop;

/// <summary>The errnos this assembly tells apart, and the fault of a call without a remedy of its own.</summary>
internal static class Errno
{
    internal const int NotPermitted = 1;
    internal const int NoEntry = 2;
    internal const int Interrupted = 4;
    internal const int NoSuchDevice = 6;
    internal const int BadDescriptor = 9;
    internal const int Again = 11;
    internal const int Denied = 13;
    internal const int Busy = 16;
    internal const int NoDevice = 19;
    internal const int NotADirectory = 20;
    internal const int Invalid = 22;
    internal const int BrokenPipe = 32;
    internal const int ConnectionReset = 104;
    internal const int NotConnected = 107;

    /// <summary>The errno of the call that just failed on this thread.</summary>
    internal static int Last => Marshal.GetLastPInvokeError();

    /// <summary>The fault of a failed call.</summary>
    internal static DataLayerException Fault(int errno, string call, string remedy)
    {
        ErrorCode code = errno switch
        {
            NotPermitted or Denied => ErrorCode.PermissionDenied,
            NoEntry or NoSuchDevice or NoDevice => ErrorCode.NotFound,
            Busy => ErrorCode.Overloaded,
            NotADirectory => ErrorCode.NotADirectory,
            Invalid => ErrorCode.InvalidArgument,
            _ => ErrorCode.TargetFailed,
        };
        return new DataLayerException(code, string.Create(CultureInfo.InvariantCulture,
            $"{call} failed: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}). {remedy}"));
    }
}
