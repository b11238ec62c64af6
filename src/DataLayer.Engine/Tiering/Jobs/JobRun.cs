using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>What a runner has of its job: what to do, where to go on, and where to tell how far it is.</summary>
public sealed class JobRun
{
    private readonly Action<JobProgress, string?> _report;
    private readonly Func<string, JobProgress, CancellationToken, ValueTask> _save;

    internal JobRun(
        JobRecord job, Action<JobProgress, string?> report,
        Func<string, JobProgress, CancellationToken, ValueTask> save)
    {
        Job = job;
        _report = report;
        _save = save;
    }

    /// <summary>The job as it was when the run began.</summary>
    public JobRecord Job { get; }

    /// <summary>Tells how far it is, for those who watch. Cheap.</summary>
    /// <param name="progress">How far.</param>
    /// <param name="detail">What it is at and what came out so far, JSON; null leaves what was said before.</param>
    public void Report(JobProgress progress, string? detail = null) => _report(progress, detail);

    /// <summary>
    /// Keeps where to go on: what came before is not done again. Survives a crash at once, a power cut after the next
    /// durable change.
    /// </summary>
    public ValueTask SaveAsync(string cursor, JobProgress progress, CancellationToken cancellationToken) =>
        _save(cursor, progress, cancellationToken);
}
