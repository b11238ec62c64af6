namespace DataLayer.Core.Errors;

/// <summary>
/// A fault that a caller sees. The message names the value that was wrong and the remedy; the code decides errno and
/// HTTP status.
/// </summary>
public sealed class DataLayerException : Exception
{
    /// <summary>Makes a fault with a code and a message that names the value and the remedy.</summary>
    public DataLayerException(ErrorCode code, string message)
        : base(message) => Code = code;

    /// <summary>Makes a fault caused by another.</summary>
    public DataLayerException(ErrorCode code, string message, Exception? innerException)
        : base(message, innerException) => Code = code;

    /// <summary>What went wrong.</summary>
    public ErrorCode Code { get; }

    /// <summary>The inode of the folder whose quota would be exceeded (QuotaExceeded by one of ours), else 0.</summary>
    public long QuotaFolder { get; init; }

    /// <summary>Whether the origin answered that it gets too many requests (S3: 503 SlowDown, 429).</summary>
    public bool IsThrottled { get; init; }

    /// <summary>When trying again may help; null where nobody knows.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
