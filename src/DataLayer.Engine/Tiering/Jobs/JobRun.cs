using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>What a runner has of its job: what to do, where to go on, and where to tell how far it is.</summary>
public sealed class JobRun
{
    private readonly Action<JobProgress> _report;
    private readonly Func<string, JobProgress, CancellationToken, ValueTask> _save;

    internal JobRun(
        JobRecord job, Action<JobProgress> report, Func<string, JobProgress, CancellationToken, ValueTask> save)
    {
        Job = job;
        _report = report;
        _save = save;
    }

    /// <summary>The job as it was when the run began.</summary>
    public JobRecord Job { get; }

    /// <summary>Tells how far it is, for those who watch. Cheap.</summary>
    public void Report(JobProgress progress) => _report(progress);

    /// <summary>
    /// Keeps where to go on: what came before is not done again. Survives a crash at once, a power cut after the next
    /// durable change.
    /// </summary>
    public ValueTask SaveAsync(string cursor, JobProgress progress, CancellationToken cancellationToken) =>
        _save(cursor, progress, cancellationToken);
}
