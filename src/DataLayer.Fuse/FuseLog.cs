using DataLayer.Fuse.Interop;
using Microsoft.Extensions.Logging;

namespace DataLayer.Fuse;

/// <summary>The log messages of a mount: none per request that succeeds.</summary>
internal static partial class FuseLog
{
    [LoggerMessage(1, LogLevel.Error, "A thread that reads requests of the mount ended by a fault.")]
    internal static partial void ReaderFailed(ILogger log, Exception error);

    [LoggerMessage(2, LogLevel.Error, "The kernel sent a request of {Bytes} bytes whose header says otherwise.")]
    internal static partial void BadRequest(ILogger log, long bytes);

    [LoggerMessage(3, LogLevel.Error, "Reading a request from the kernel failed with errno {Errno}.")]
    internal static partial void ReadFailed(ILogger log, int errno);

    [LoggerMessage(4, LogLevel.Error, "A request {Opcode} was not answered by its handler.")]
    internal static partial void Unanswered(ILogger log, Opcode opcode);

    [LoggerMessage(5, LogLevel.Warning, "A request {Opcode} of node {Node} failed.")]
    internal static partial void RequestFailed(ILogger log, Opcode opcode, ulong node, Exception error);

    [LoggerMessage(6, LogLevel.Information, "Mount {Mount} serves FUSE 7.{Minor} ({Agreed}).")]
    internal static partial void Negotiated(ILogger log, string mount, uint minor, Capabilities agreed);

    [LoggerMessage(7, LogLevel.Information, "Mount {Mount} was taken over; the kernel sends again what was in flight.")]
    internal static partial void TakenOver(ILogger log, string mount);

    [LoggerMessage(9, LogLevel.Error, "Mount {Mount}: inode {Inode}, idle, could not be closed cleanly.")]
    internal static partial void CloseFailed(ILogger log, string mount, long inode, Exception error);

    [LoggerMessage(10, LogLevel.Warning, "Mount {Mount}: files are read through the service: {Reason}")]
    internal static partial void PassthroughRefused(ILogger log, string mount, string reason);

    [LoggerMessage(
        8, LogLevel.Warning,
        "Mount {Mount} was taken over, but this kernel cannot send again what was in flight (errno {Errno}): "
        + "requests that the former service had read will hang. Linux 6.9 or newer can.")]
    internal static partial void CannotResend(ILogger log, string mount, int errno);
}
