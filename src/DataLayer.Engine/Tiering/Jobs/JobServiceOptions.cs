using DataLayer.Core.Errors;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>Bounds of the jobs.</summary>
public sealed record JobServiceOptions
{
    /// <summary>Jobs that run at once, a count, 1 to 64. Default 2: more would compete for the same disks.</summary>
    public int MaxRunning { get; init; } = 2;

    /// <summary>Jobs that may be open (queued, running, paused), a count, 1 to 100,000. Default 1,000.</summary>
    public int MaxOpen { get; init; } = 1000;

    /// <summary>Ended jobs that are kept, a count, 0 to 100,000. Default 1,000.</summary>
    public int KeepEnded { get; init; } = 1000;

    /// <summary>How long ended jobs are kept, 1 min to 10 years. Default 30 days.</summary>
    public TimeSpan KeepEndedFor { get; init; } = TimeSpan.FromDays(30);

    /// <summary>Schedules, a count, 1 to 10,000. Default 1,000.</summary>
    public int MaxSchedules { get; init; } = 1000;

    /// <summary>Throws with everything that is out of range.</summary>
    internal void Validate()
    {
        List<string> faults = [];
        Check(faults, MaxRunning is >= 1 and <= 64, $"MaxRunning is {MaxRunning}: give 1 to 64.");
        Check(faults, MaxOpen is >= 1 and <= 100_000, $"MaxOpen is {MaxOpen}: give 1 to 100,000.");
        Check(faults, KeepEnded is >= 0 and <= 100_000, $"KeepEnded is {KeepEnded}: give 0 to 100,000.");
        Check(
            faults, KeepEndedFor >= TimeSpan.FromMinutes(1) && KeepEndedFor <= TimeSpan.FromDays(3650),
            $"KeepEndedFor is {KeepEndedFor}: give 1 min to 10 years.");
        Check(faults, MaxSchedules is >= 1 and <= 10_000, $"MaxSchedules is {MaxSchedules}: give 1 to 10,000.");
        if (faults.Count > 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, string.Join(' ', faults));
        }
    }

    private static void Check(List<string> faults, bool holds, string fault)
    {
        if (!holds)
        {
            faults.Add(fault);
        }
    }
}
