namespace DataLayer.Core.Errors;

/// <summary>The one table from <see cref="ErrorCode"/> to the errno of Linux and to HTTP status codes.</summary>
public static class ErrorCodeMapping
{
    /// <summary>The errno a POSIX caller gets (asm-generic/errno.h; the same on x86-64 and arm64).</summary>
    public static int ToErrno(ErrorCode code) => code switch
    {
        ErrorCode.NotFound => 2,            // ENOENT
        ErrorCode.TargetFailed => 5,        // EIO
        ErrorCode.Corrupt => 5,             // EIO
        ErrorCode.Internal => 5,            // EIO
        ErrorCode.OriginUnavailable => 5,   // EIO
        ErrorCode.Overloaded => 11,         // EAGAIN
        ErrorCode.PermissionDenied => 13,   // EACCES
        ErrorCode.NotAuthenticated => 13,   // EACCES
        ErrorCode.AlreadyExists => 17,      // EEXIST
        ErrorCode.CrossAttachment => 18,    // EXDEV
        ErrorCode.NotADirectory => 20,      // ENOTDIR
        ErrorCode.IsADirectory => 21,       // EISDIR
        ErrorCode.InvalidArgument => 22,    // EINVAL
        ErrorCode.FileTooLarge => 27,       // EFBIG
        ErrorCode.NoSpace => 28,            // ENOSPC
        ErrorCode.ReadOnly => 30,           // EROFS
        ErrorCode.NameTooLong => 36,        // ENAMETOOLONG
        ErrorCode.NotEmpty => 39,           // ENOTEMPTY
        ErrorCode.TooManyLinks => 40,       // ELOOP
        ErrorCode.NotSupported => 95,       // EOPNOTSUPP
        ErrorCode.ShuttingDown => 107,      // ENOTCONN
        ErrorCode.TimedOut => 110,          // ETIMEDOUT
        ErrorCode.Stale => 116,             // ESTALE
        ErrorCode.QuotaExceeded => 122,     // EDQUOT
        _ => 5,
    };

    /// <summary>The HTTP status the data and admin APIs answer with (RFC 9110; 507 is RFC 4918).</summary>
    public static int ToHttpStatus(ErrorCode code) => code switch
    {
        ErrorCode.NotFound => 404,
        ErrorCode.AlreadyExists => 409,
        ErrorCode.NotADirectory => 409,
        ErrorCode.IsADirectory => 409,
        ErrorCode.NotEmpty => 409,
        ErrorCode.CrossAttachment => 409,
        ErrorCode.InvalidArgument => 400,
        ErrorCode.NameTooLong => 400,
        ErrorCode.TooManyLinks => 400,
        ErrorCode.NotAuthenticated => 401,
        ErrorCode.PermissionDenied => 403,
        ErrorCode.ReadOnly => 403,
        ErrorCode.Stale => 412,
        ErrorCode.FileTooLarge => 413,
        ErrorCode.NotSupported => 501,
        ErrorCode.OriginUnavailable => 502,
        ErrorCode.Overloaded => 503,
        ErrorCode.ShuttingDown => 503,
        ErrorCode.TimedOut => 504,
        ErrorCode.NoSpace => 507,
        ErrorCode.QuotaExceeded => 507,
        _ => 500,
    };
}
