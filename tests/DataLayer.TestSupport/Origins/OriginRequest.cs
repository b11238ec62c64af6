namespace DataLayer.TestSupport.Origins;

/// <summary>A request as a <see cref="ScriptedS3"/> saw it.</summary>
/// <param name="Ordinal">0 for the first request since the origin began.</param>
/// <param name="Verb">What it asks: GET, HEAD, PUT, DELETE, LIST, or the multipart verbs CREATE, PART, COMPLETE, ABORT.</param>
/// <param name="Bucket">The bucket.</param>
/// <param name="Key">The key; empty for LIST.</param>
/// <param name="Range">The Range header, or null.</param>
public sealed record OriginRequest(int Ordinal, string Verb, string Bucket, string Key, string? Range);

/// <summary>What a <see cref="ScriptedS3"/> does with one request.</summary>
public enum OriginAct
{
    /// <summary>Serves it.</summary>
    Serve,

    /// <summary>Answers with a status and an S3 error code; nothing is applied.</summary>
    Refuse,

    /// <summary>Ends the connection at once; nothing is applied.</summary>
    ResetBefore,

    /// <summary>Applies it, then ends the connection: a lost acknowledgement.</summary>
    ResetAfter,

    /// <summary>Never answers; ends when the client gives up or the origin is disposed.</summary>
    Hang,

    /// <summary>Declares the whole length and ends the connection after half of the body.</summary>
    Truncate,

    /// <summary>Flips one bit of the answer's body, or of the body of an upload before it is stored; the length stays right.</summary>
    Flip,

    /// <summary>Waits, then serves it.</summary>
    Delay,
}

/// <summary>An act with its parameters.</summary>
public readonly record struct OriginScript(OriginAct Act, int Status = 0, string Code = "", TimeSpan Wait = default)
{
    /// <summary>Serve it.</summary>
    public static OriginScript Serve => default;

    /// <summary>503 SlowDown, as an overloaded gateway answers.</summary>
    public static OriginScript SlowDown => new(OriginAct.Refuse, 503, "SlowDown");

    /// <summary>403 AccessDenied.</summary>
    public static OriginScript AccessDenied => new(OriginAct.Refuse, 403, "AccessDenied");

    /// <summary>An act without parameters.</summary>
    public static implicit operator OriginScript(OriginAct act) => new(act);
}
