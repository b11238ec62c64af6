namespace DataLayer.Core.Errors;

/// <summary>
/// What went wrong, in the terms a caller can act on. <see cref="ErrorCodeMapping"/> turns a code into errno and HTTP.
/// </summary>
public enum ErrorCode
{
    /// <summary>No such file, folder, attachment or object.</summary>
    NotFound,

    /// <summary>The name is taken.</summary>
    AlreadyExists,

    /// <summary>A component of the path, or the target of a folder operation, is not a folder.</summary>
    NotADirectory,

    /// <summary>The operation wants a file and the path is a folder.</summary>
    IsADirectory,

    /// <summary>The folder still has entries.</summary>
    NotEmpty,

    /// <summary>An argument is malformed or out of range.</summary>
    InvalidArgument,

    /// <summary>A name is longer than 255 bytes, or a path longer than 4,096.</summary>
    NameTooLong,

    /// <summary>More than 40 symbolic links on one path.</summary>
    TooManyLinks,

    /// <summary>The caller may not do this, or the origin refused our credentials.</summary>
    PermissionDenied,

    /// <summary>The tree folder is attached read-only.</summary>
    ReadOnly,

    /// <summary>No space left on the targets.</summary>
    NoSpace,

    /// <summary>A quota is used up.</summary>
    QuotaExceeded,

    /// <summary>The content changed under the caller: a precondition (ETag, generation) no longer holds.</summary>
    Stale,

    /// <summary>Stored bytes fail their checksum or identity and no good copy is left.</summary>
    Corrupt,

    /// <summary>
    /// A target failed to read or write; or a flush failed earlier and the data was not written again.
    /// </summary>
    TargetFailed,

    /// <summary>The origin does not answer, or answers with errors, after all retries.</summary>
    OriginUnavailable,

    /// <summary>
    /// The object lies in an archive: it must be restored, which takes minutes to days, before it can be read.
    /// </summary>
    Archived,

    /// <summary>The origin took longer than the time allowed.</summary>
    TimedOut,

    /// <summary>A bound is reached (queue, memory, requests); try again later.</summary>
    Overloaded,

    /// <summary>Rename or link across attachments that cannot be one transaction.</summary>
    CrossAttachment,

    /// <summary>Not supported here, on purpose.</summary>
    NotSupported,

    /// <summary>A file is larger than the layout allows.</summary>
    FileTooLarge,

    /// <summary>The operation was given up because the service stops.</summary>
    ShuttingDown,

    /// <summary>A fault of ours: a broken invariant. Always worth a report.</summary>
    Internal,

    /// <summary>The service does not know who calls: no token, or one that is unknown or expired.</summary>
    NotAuthenticated,

    /// <summary>
    /// What is asked for is not possible in the state the thing is in (a job that ended cannot pause).
    /// </summary>
    WrongState,
}
