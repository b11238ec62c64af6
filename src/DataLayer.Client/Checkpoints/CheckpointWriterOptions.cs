using DataLayer.Core.Errors;

namespace DataLayer.Client.Checkpoints;

/// <summary>How a <see cref="CheckpointWriter"/> writes.</summary>
public sealed record CheckpointWriterOptions
{
    /// <summary>
    /// How many checkpoints to keep, a count, from 1 on: of the files that differ only in the last number of their
    /// names, the highest. Null keeps all. Default null.
    /// </summary>
    public int? Keep { get; init; }

    /// <summary>Parts written or read at once, a count, 1 to 64. Default 4.</summary>
    public int Parallelism { get; init; } = 4;

    /// <summary>
    /// Length of a part, bytes, 64 KiB to 1 GiB; so many as are written at once are held in memory. Default 16 MiB.
    /// </summary>
    public int PartBytes { get; init; } = 16 << 20;

    /// <summary>Checks all values; the exception names every one that is out of range.</summary>
    internal void Validate()
    {
        List<string> faults = [];
        if (Keep is < 1)
        {
            faults.Add($"Keep is {Keep}: give 1 or more, or null for all.");
        }

        if (Parallelism is < 1 or > 64)
        {
            faults.Add($"Parallelism is {Parallelism}: give 1 to 64.");
        }

        if (PartBytes is < (64 << 10) or > (1 << 30))
        {
            faults.Add($"PartBytes is {PartBytes}: give 64 KiB to 1 GiB.");
        }

        if (faults.Count > 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, string.Join(' ', faults));
        }
    }
}
