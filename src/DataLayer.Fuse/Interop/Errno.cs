namespace DataLayer.Fuse.Interop;

/// <summary>
/// The errors the binding itself gives (asm-generic/errno.h). Faults of the engine go through
/// <see cref="Core.Errors.ErrorCodeMapping"/>.
/// </summary>
internal static class Errno
{
    internal const int NotPermitted = 1;
    internal const int NoEntry = 2;
    internal const int Interrupted = 4;
    internal const int Io = 5;
    internal const int NoSuchDevice = 6;
    internal const int TooBig = 7;
    internal const int BadDescriptor = 9;
    internal const int TryAgain = 11;
    internal const int NoMemory = 12;
    internal const int Access = 13;
    internal const int Exists = 17;
    internal const int NoDevice = 19;
    internal const int NotADirectory = 20;
    internal const int IsADirectory = 21;
    internal const int Invalid = 22;
    internal const int NotATerminal = 25;
    internal const int Range = 34;
    internal const int NotImplemented = 38;
    internal const int NoData = 61;
    internal const int BadSequence = 84;
    internal const int NotSupported = 95;
    internal const int ConnectionAborted = 103;
    internal const int NotConnected = 107;
    internal const int Stale = 116;
}
