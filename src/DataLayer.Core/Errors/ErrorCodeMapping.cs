namespace DataLayer.Core.Errors;

/// <summary>The one table from <see cref="ErrorCode"/> to the errno of Linux and to HTTP status codes.</summary>
public static class ErrorCodeMapping
{
    /// <summary>The errno a POSIX caller gets (<see cref="Errno"/>).</summary>
    public static int ToErrno(ErrorCode code) => code switch
    {
        ErrorCode.NotFound => Errno.NoEntry,
        ErrorCode.TargetFailed => Errno.Io,
        ErrorCode.Corrupt => Errno.Io,
        ErrorCode.Internal => Errno.Io,
        ErrorCode.OriginUnavailable => Errno.Io,
        ErrorCode.Overloaded => Errno.TryAgain,
        ErrorCode.Archived => Errno.TryAgain,
        ErrorCode.PermissionDenied => Errno.Denied,
        ErrorCode.NotAuthenticated => Errno.Denied,
        ErrorCode.AlreadyExists => Errno.Exists,
        ErrorCode.CrossAttachment => Errno.CrossDevice,
        ErrorCode.NotADirectory => Errno.NotADirectory,
        ErrorCode.IsADirectory => Errno.IsADirectory,
        ErrorCode.InvalidArgument => Errno.Invalid,
        ErrorCode.WrongState => Errno.Invalid,
        ErrorCode.FileTooLarge => Errno.FileTooLarge,
        ErrorCode.NoSpace => Errno.NoSpace,
        ErrorCode.ReadOnly => Errno.ReadOnly,
        ErrorCode.NameTooLong => Errno.NameTooLong,
        ErrorCode.NotEmpty => Errno.NotEmpty,
        ErrorCode.TooManyLinks => Errno.TooManyLinks,
        ErrorCode.NotSupported => Errno.NotSupported,
        ErrorCode.ShuttingDown => Errno.NotConnected,
        ErrorCode.TimedOut => Errno.TimedOut,
        ErrorCode.Stale => Errno.Stale,
        ErrorCode.QuotaExceeded => Errno.Quota,
        _ => Errno.Io,
    };

    /// <summary>The HTTP status the data and admin APIs answer with (RFC 9110; 507 is RFC 4918).</summary>
    public static int ToHttpStatus(ErrorCode code) => code switch
    {
        ErrorCode.NotFound => 404,
        ErrorCode.AlreadyExists => 409,
        ErrorCode.WrongState => 409,
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
        ErrorCode.Archived => 503,
        ErrorCode.ShuttingDown => 503,
        ErrorCode.TimedOut => 504,
        ErrorCode.NoSpace => 507,
        ErrorCode.QuotaExceeded => 507,
        _ => 500,
    };
}
