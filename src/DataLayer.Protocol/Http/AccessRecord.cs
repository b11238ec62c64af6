namespace DataLayer.Protocol.Http;

/// <summary>One read, as <c>GET /api/v1/accesslog</c> tells it.</summary>
public sealed record AccessRecord
{
    /// <summary>When it began.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>Where it began, bytes.</summary>
    public long OffsetBytes { get; init; }

    /// <summary>How many bytes it asked for.</summary>
    public int LengthBytes { get; init; }

    /// <summary>The file's length, bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>How many reads were missed until then, a count: this reader was too slow for them.</summary>
    public long Missed { get; init; }
}
