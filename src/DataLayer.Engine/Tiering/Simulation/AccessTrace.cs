namespace DataLayer.Engine.Tiering.Simulation;

/// <summary>What happens to a file in a trace.</summary>
public enum TraceAction
{
    /// <summary>The file gets a new content of so many bytes; it is made where it is not there.</summary>
    Write = 1,

    /// <summary>So many bytes of it are read.</summary>
    Read = 2,

    /// <summary>It is removed.</summary>
    Delete = 3,
}

/// <summary>One access.</summary>
/// <param name="At">When, from the trace's start; negative for history that is not billed.</param>
/// <param name="Action">What.</param>
/// <param name="File">Which file, by its place in <see cref="AccessTrace.Files"/>.</param>
/// <param name="Bytes">How many bytes; the whole length for a write, 0 for a delete.</param>
public readonly record struct TraceEvent(TimeSpan At, TraceAction Action, int File, long Bytes)
{
    /// <summary>Where in the file a read begins, bytes; 0 where the trace does not say.</summary>
    public long OffsetBytes { get; init; }
}

/// <summary>A file that a trace touches.</summary>
/// <param name="Path">Absolute path.</param>
/// <param name="Dataset">Its dataset, or null.</param>
/// <param name="Tenant">Its tenant, or null.</param>
public sealed record TraceFile(string Path, string? Dataset, string? Tenant);

/// <summary>Accesses to files over days, in the order of time.</summary>
public sealed class AccessTrace
{
    /// <summary>What the trace starts at: gives days their weekday.</summary>
    public required DateTimeOffset Start { get; init; }

    /// <summary>How long it is, from the start.</summary>
    public required TimeSpan Length { get; init; }

    /// <summary>The files.</summary>
    public required IReadOnlyList<TraceFile> Files { get; init; }

    /// <summary>The accesses, in the order of time.</summary>
    public required IReadOnlyList<TraceEvent> Events { get; init; }

    /// <summary>The most bytes that the files ever hold together.</summary>
    public long FindPeakBytes()
    {
        long[] sizes = new long[Files.Count];
        (long now, long peak) = (0, 0);
        foreach (TraceEvent access in Events)
        {
            if (access.Action != TraceAction.Read)
            {
                now += access.Bytes - sizes[access.File];
                sizes[access.File] = access.Bytes;
                peak = Math.Max(peak, now);
            }
        }

        return peak;
    }
}
