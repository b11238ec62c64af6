namespace DataLayer.Csi.Grpc;

/// <summary>The status codes of gRPC, with the numbers that go over the wire.</summary>
internal enum RpcCode
{
    /// <summary>Done.</summary>
    Ok = 0,

    /// <summary>The caller gave up.</summary>
    Cancelled = 1,

    /// <summary>An error of another world.</summary>
    Unknown = 2,

    /// <summary>An argument is missing or wrong, whatever the state of the system.</summary>
    InvalidArgument = 3,

    /// <summary>The time the caller gave is over; the work may still be going on.</summary>
    DeadlineExceeded = 4,

    /// <summary>What was named is not there.</summary>
    NotFound = 5,

    /// <summary>What was to be made is there, with other properties.</summary>
    AlreadyExists = 6,

    /// <summary>The credentials are good and do not allow this.</summary>
    PermissionDenied = 7,

    /// <summary>No space, no quota, or too many calls.</summary>
    ResourceExhausted = 8,

    /// <summary>The system is not in the state the call needs.</summary>
    FailedPrecondition = 9,

    /// <summary>Another call on the same volume is under way; or a token is not valid.</summary>
    Aborted = 10,

    /// <summary>A capacity that cannot be had.</summary>
    OutOfRange = 11,

    /// <summary>There is no such method.</summary>
    Unimplemented = 12,

    /// <summary>A fault of ours, or a message that is none.</summary>
    Internal = 13,

    /// <summary>The service behind us does not answer; try again.</summary>
    Unavailable = 14,

    /// <summary>Stored bytes are lost.</summary>
    DataLoss = 15,

    /// <summary>The credentials are missing or wrong.</summary>
    Unauthenticated = 16,
}
