namespace DataLayer.TestSupport.Relay;

/// <summary>What goes wrong with one request that passes a <see cref="LatencyRelay"/>.</summary>
public enum RelayFaultKind
{
    /// <summary>Nothing: it is forwarded and answered.</summary>
    None,

    /// <summary>The connection is reset before anything was forwarded: the request was not applied.</summary>
    ResetBefore,

    /// <summary>Forwarded and applied, then the connection is reset without a byte of the answer: a lost acknowledgement.</summary>
    ResetAfter,

    /// <summary>Not forwarded and never answered; the connection stays open.</summary>
    HangBefore,

    /// <summary>Forwarded and applied, never answered; the connection stays open.</summary>
    HangAfter,

    /// <summary>The head is forwarded with half of the body, then nothing more comes; the connection stays open.</summary>
    HangInBody,

    /// <summary>The head is forwarded with half of the body, then the connection ends.</summary>
    TruncateBody,

    /// <summary>One random bit of the answer's body is flipped; lengths stay right.</summary>
    FlipBody,

    /// <summary>Answered by the relay with <see cref="RelayFault.Status"/> and an S3 error body; not forwarded.</summary>
    Answer,

    /// <summary>Forwarded; the answer's first byte waits for <see cref="RelayFault.Delay"/> on top of the latency.</summary>
    Slow,
}

/// <summary>What goes wrong with one request, with its parameters.</summary>
public readonly record struct RelayFault(RelayFaultKind Kind, int Status = 0, string S3Code = "", TimeSpan Delay = default)
{
    /// <summary>Forward it as it is.</summary>
    public static RelayFault None => default;

    /// <summary>The storm an overloaded gateway answers with.</summary>
    public static RelayFault SlowDown => new(RelayFaultKind.Answer, 503, "SlowDown");

    /// <summary>Credentials refused.</summary>
    public static RelayFault AccessDenied => new(RelayFaultKind.Answer, 403, "AccessDenied");

    /// <summary>A fault without parameters.</summary>
    public static implicit operator RelayFault(RelayFaultKind kind) => new(kind);

    /// <summary>An answer that is late by this much.</summary>
    public static RelayFault SlowBy(TimeSpan delay) => new(RelayFaultKind.Slow, Delay: delay);
}

/// <summary>A request as the relay saw it.</summary>
/// <param name="Ordinal">0 for the first request since the relay began.</param>
/// <param name="Method">The HTTP method.</param>
/// <param name="Target">Path and query.</param>
/// <param name="Head">The request line and headers as they came.</param>
public sealed record RelayRequest(int Ordinal, string Method, string Target, string Head);

/// <summary>How a <see cref="LatencyRelay"/> behaves.</summary>
public sealed record LatencyRelayOptions
{
    /// <summary>The least that is added to the first byte of each answer.</summary>
    public TimeSpan MinimumLatency { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>The most that is added to the first byte of each answer.</summary>
    public TimeSpan MaximumLatency { get; init; } = TimeSpan.FromMilliseconds(60);

    /// <summary>Seed of latencies and of the bits that are flipped.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Where given, the relay speaks TLS to its clients with this certificate (plain to the server).</summary>
    public System.Security.Cryptography.X509Certificates.X509Certificate2? Certificate { get; init; }
}
