using System.Text.Json.Serialization;

namespace DataLayer.Protocol.Http;

/// <summary>
/// One line of a long operation's answer (<see cref="ApiRoutes.ProgressMediaType"/>): any number of lines with
/// <see cref="Progress"/>, then exactly one with <see cref="Result"/> or <see cref="Error"/>. An answer that ends
/// without
/// such a line was cut off: the operation's outcome is unknown.
/// </summary>
/// <typeparam name="TProgress">What a progress line carries.</typeparam>
/// <typeparam name="TResult">What the result line carries.</typeparam>
public sealed record ProgressLine<TProgress, TResult>
    where TProgress : class
    where TResult : class
{
    /// <summary>How far the operation is, or null.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TProgress? Progress { get; init; }

    /// <summary>What the operation brought, or null.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TResult? Result { get; init; }

    /// <summary>Why the operation failed, or null.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Problem? Error { get; init; }
}
