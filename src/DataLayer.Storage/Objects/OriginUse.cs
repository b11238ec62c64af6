using DataLayer.Core.Objects;

namespace DataLayer.Storage.Objects;

/// <summary>
/// What requests to object stores are for and who caused them, for the bill. Immutable; equal where all of it is equal.
/// </summary>
/// <param name="Purpose">What they are for.</param>
/// <param name="JobId">The job that makes them, or 0.</param>
/// <param name="Tenant">Who caused them, where that is known; else empty.</param>
/// <param name="StorageClass">The class of the object they are on, where it is known; else empty.</param>
/// <remarks>
/// Ambient, like the scope of a caller: requests are counted where they go out, below decorators that repeat, split and
/// double them, and none of these has to know. Set it in an async method, whose end takes it back; it holds for all
/// that
/// the method calls, also on other threads. It is looked at when a request goes out, never on a hit.
/// </remarks>
public sealed record OriginUse(
    OriginPurpose Purpose, long JobId = 0, string Tenant = "", string StorageClass = "")
{
    private static readonly AsyncLocal<OriginUse?> _current = new();

    /// <summary>Where nobody said.</summary>
    public static OriginUse Unknown { get; } = new(OriginPurpose.Other);

    /// <summary>What the requests of this flow of control are for; null where nobody said.</summary>
    public static OriginUse? Current
    {
        get => _current.Value;
        set => _current.Value = value;
    }

    /// <summary>Whether nobody waits for the requests, so that they may be put off or left out.</summary>
    public bool IsBackground =>
        Purpose is OriginPurpose.Readahead or OriginPurpose.Recall or OriginPurpose.Warm or OriginPurpose.Mover;

    /// <summary>
    /// The use of requests that are made for <paramref name="purpose"/> within <paramref name="ambient"/>: a job, and
    /// whatever said its purpose, stays what it is; a reader's own requests are told apart.
    /// </summary>
    public static OriginUse Within(OriginUse? ambient, OriginPurpose purpose, string? storageClass)
    {
        OriginPurpose own = ambient is null or { JobId: 0, Purpose: OriginPurpose.Foreground or OriginPurpose.Other }
            ? purpose
            : ambient.Purpose;
        return new OriginUse(own, ambient?.JobId ?? 0, ambient?.Tenant ?? string.Empty, storageClass ?? string.Empty);
    }
}

/// <summary>Requests since they were last taken, of one dataset, use and verb.</summary>
/// <param name="Dataset">The dataset.</param>
/// <param name="Use">What they were for.</param>
/// <param name="Verb">What they were.</param>
/// <param name="Requests">How many went out, a count; retries and hedges included.</param>
/// <param name="Failures">How many of them brought no usable answer, a count.</param>
/// <param name="Bytes">Body bytes transferred.</param>
public readonly record struct OriginCount(
    string Dataset, OriginUse Use, RequestVerb Verb, long Requests, long Failures, long Bytes);
