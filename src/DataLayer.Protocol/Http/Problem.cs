using System.Text.Json.Serialization;

namespace DataLayer.Protocol.Http;

/// <summary>The body of every error answer (RFC 9457, <c>application/problem+json</c>).</summary>
public sealed record Problem
{
    /// <summary>A URI that names the kind of problem: <c>urn:datalayer:error:CODE</c>.</summary>
    public required string Type { get; init; }

    /// <summary>The kind of problem in words.</summary>
    public required string Title { get; init; }

    /// <summary>The HTTP status.</summary>
    public required int Status { get; init; }

    /// <summary>What went wrong this time, with the value concerned.</summary>
    public required string Detail { get; init; }

    /// <summary>The code (<see cref="ErrorCodeText"/>).</summary>
    public required string Code { get; init; }

    /// <summary>What to do about it.</summary>
    public required string Remedy { get; init; }

    /// <summary>The request's path, or null.</summary>
    public string? Instance { get; init; }

    /// <summary>All that is wrong with a document that was sent, each with its place; absent for other
    /// problems.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<PolicyFault>? Errors { get; init; }
}
