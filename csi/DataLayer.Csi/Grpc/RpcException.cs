using DataLayer.Core.Errors;

namespace DataLayer.Csi.Grpc;

/// <summary>Ends a call with a status. The message goes to the caller as it is: it never holds a secret.</summary>
internal sealed class RpcException(RpcCode code, string message, Exception? cause = null) : Exception(message, cause)
{
    /// <summary>The status.</summary>
    public RpcCode Code => code;

    /// <summary>The status that a fault of the service stands for.</summary>
    public static RpcException From(DataLayerException fault)
    {
        ArgumentNullException.ThrowIfNull(fault);
        return new RpcException(CodeOf(fault.Code), fault.Message, fault);
    }

    /// <summary>The one table from our codes to those of gRPC.</summary>
    public static RpcCode CodeOf(ErrorCode code) => code switch
    {
        ErrorCode.NotFound => RpcCode.NotFound,
        ErrorCode.AlreadyExists => RpcCode.AlreadyExists,
        ErrorCode.NotADirectory or ErrorCode.IsADirectory or ErrorCode.InvalidArgument or ErrorCode.NameTooLong
            or ErrorCode.TooManyLinks => RpcCode.InvalidArgument,
        ErrorCode.PermissionDenied => RpcCode.PermissionDenied,
        ErrorCode.NotEmpty or ErrorCode.ReadOnly or ErrorCode.Stale or ErrorCode.CrossAttachment
            => RpcCode.FailedPrecondition,
        ErrorCode.NoSpace or ErrorCode.QuotaExceeded or ErrorCode.Overloaded => RpcCode.ResourceExhausted,
        ErrorCode.FileTooLarge => RpcCode.OutOfRange,
        ErrorCode.Corrupt => RpcCode.DataLoss,
        ErrorCode.OriginUnavailable or ErrorCode.ShuttingDown => RpcCode.Unavailable,
        ErrorCode.TimedOut => RpcCode.DeadlineExceeded,
        ErrorCode.NotSupported => RpcCode.Unimplemented,
        _ => RpcCode.Internal,
    };
}
