using DataLayer.Core.Errors;

namespace DataLayer.Server.Cli;

/// <summary>What the program's exit status says. Stable: scripts rely on it. docs/CLI.md lists the same.</summary>
internal static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Success = 0;

    /// <summary>Failed for a reason without a number of its own.</summary>
    public const int Failure = 1;

    /// <summary>The command line or the configuration is wrong; nothing was done.</summary>
    public const int Usage = 2;

    /// <summary>There is no such path, attachment or target.</summary>
    public const int NotFound = 3;

    /// <summary>The name is taken, the folder not empty, or a condition failed.</summary>
    public const int Conflict = 4;

    /// <summary>No space or no quota.</summary>
    public const int NoSpace = 5;

    /// <summary>The service, or the object store behind it, does not answer.</summary>
    public const int Unreachable = 6;

    /// <summary>Not allowed: token or credentials refused, or attached read-only.</summary>
    public const int Denied = 7;

    /// <summary>Stored bytes are damaged, or a check found problems.</summary>
    public const int Damaged = 8;

    /// <summary>A plan has moves (<c>plan --check</c>).</summary>
    public const int MovesPending = 20;

    /// <summary>A plan costs more than its limit (<c>plan --check --max-cost</c>).</summary>
    public const int OverCost = 21;

    /// <summary>Ended by Ctrl-C: 128 + SIGINT, as shells have it.</summary>
    public const int Interrupted = 130;

    /// <summary>The status of a fault.</summary>
    public static int From(DataLayerException fault) =>
        fault.Code switch
        {
            ErrorCode.NotFound => NotFound,
            ErrorCode.AlreadyExists
            or ErrorCode.NotEmpty
            or ErrorCode.WrongState
            or ErrorCode.Stale
            or ErrorCode.NotADirectory
            or ErrorCode.IsADirectory
            or ErrorCode.CrossAttachment => Conflict,
            ErrorCode.NoSpace or ErrorCode.QuotaExceeded => NoSpace,
            ErrorCode.OriginUnavailable or ErrorCode.TimedOut or ErrorCode.ShuttingDown or ErrorCode.Overloaded
            or ErrorCode.Archived => Unreachable,
            ErrorCode.PermissionDenied or ErrorCode.ReadOnly or ErrorCode.NotAuthenticated => Denied,
            ErrorCode.Corrupt => Damaged,
            ErrorCode.InvalidArgument or ErrorCode.NameTooLong or ErrorCode.TooManyLinks => Usage,
            _ => Failure,
        };

    /// <summary>Whether a fault is that the service itself cannot be reached.</summary>
    public static bool IsServiceUnreachable(DataLayerException fault) =>
        fault is { Code: ErrorCode.OriginUnavailable, InnerException: HttpRequestException or IOException };
}
