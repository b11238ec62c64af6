namespace DataLayer.Core.Errors;

/// <summary>
/// The error numbers of Linux that the product tells apart (asm-generic/errno.h; the same on x86-64 and arm64). The one
/// table of them.
/// </summary>
public static class Errno
{
    /// <summary>EPERM: operation not permitted.</summary>
    public const int NotPermitted = 1;

    /// <summary>ENOENT: no such file or folder.</summary>
    public const int NoEntry = 2;

    /// <summary>EINTR: a signal came first.</summary>
    public const int Interrupted = 4;

    /// <summary>EIO: input or output error.</summary>
    public const int Io = 5;

    /// <summary>ENXIO: no such device or address.</summary>
    public const int NoSuchDevice = 6;

    /// <summary>E2BIG: the list is too long.</summary>
    public const int TooBig = 7;

    /// <summary>EBADF: bad file descriptor.</summary>
    public const int BadDescriptor = 9;

    /// <summary>EAGAIN: try again.</summary>
    public const int TryAgain = 11;

    /// <summary>ENOMEM: out of memory.</summary>
    public const int NoMemory = 12;

    /// <summary>EACCES: permission denied.</summary>
    public const int Denied = 13;

    /// <summary>EBUSY: device or resource busy.</summary>
    public const int Busy = 16;

    /// <summary>EEXIST: it exists.</summary>
    public const int Exists = 17;

    /// <summary>EXDEV: not on the same mount.</summary>
    public const int CrossDevice = 18;

    /// <summary>ENODEV: no such device.</summary>
    public const int NoDevice = 19;

    /// <summary>ENOTDIR: not a folder.</summary>
    public const int NotADirectory = 20;

    /// <summary>EISDIR: a folder.</summary>
    public const int IsADirectory = 21;

    /// <summary>EINVAL: invalid argument.</summary>
    public const int Invalid = 22;

    /// <summary>ENFILE: too many open files in the system.</summary>
    public const int TooManyFilesInSystem = 23;

    /// <summary>EMFILE: too many open files in the process.</summary>
    public const int TooManyFiles = 24;

    /// <summary>ENOTTY: this file knows no such control.</summary>
    public const int NotATerminal = 25;

    /// <summary>EFBIG: file too large.</summary>
    public const int FileTooLarge = 27;

    /// <summary>ENOSPC: no space left.</summary>
    public const int NoSpace = 28;

    /// <summary>EROFS: read-only file system.</summary>
    public const int ReadOnly = 30;

    /// <summary>EPIPE: nobody reads.</summary>
    public const int BrokenPipe = 32;

    /// <summary>ERANGE: the result does not fit.</summary>
    public const int Range = 34;

    /// <summary>ENAMETOOLONG: name too long.</summary>
    public const int NameTooLong = 36;

    /// <summary>EMLINK: the file has as many names as it can.</summary>
    public const int TooManyNames = 31;

    /// <summary>ENOSYS: no such call.</summary>
    public const int NotImplemented = 38;

    /// <summary>ENOTEMPTY: folder not empty.</summary>
    public const int NotEmpty = 39;

    /// <summary>ELOOP: too many symbolic links.</summary>
    public const int TooManyLinks = 40;

    /// <summary>ENODATA: no such extended attribute.</summary>
    public const int NoData = 61;

    /// <summary>EILSEQ: not the text it should be.</summary>
    public const int BadSequence = 84;

    /// <summary>EOPNOTSUPP: operation not supported.</summary>
    public const int NotSupported = 95;

    /// <summary>ECONNABORTED: the connection was given up.</summary>
    public const int ConnectionAborted = 103;

    /// <summary>ECONNRESET: the other end closed.</summary>
    public const int ConnectionReset = 104;

    /// <summary>ENOTCONN: nobody serves.</summary>
    public const int NotConnected = 107;

    /// <summary>ETIMEDOUT: timed out.</summary>
    public const int TimedOut = 110;

    /// <summary>ESTALE: stale handle.</summary>
    public const int Stale = 116;

    /// <summary>EDQUOT: quota exceeded.</summary>
    public const int Quota = 122;
}
