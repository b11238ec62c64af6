using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>
/// Carries out the jobs of one kind. A job may run several times: after a pause, a restart or a crash it is started
/// again with the cursor it saved last, so each step has to be safe to repeat.
/// </summary>
public interface IJobRunner
{
    /// <summary>The kind of jobs it is for.</summary>
    string Kind { get; }

    /// <summary>
    /// Runs a job until it is done. The token ends it at its next step (pause, cancellation, stop of the service); it
    /// then throws <see cref="OperationCanceledException"/>.
    /// </summary>
    Task<JobOutcome> RunAsync(JobRun run, CancellationToken cancellationToken);

    /// <summary>A job was forgotten: what its spec refers to may go. Quick; does not throw.</summary>
    void Forget(JobRecord job);
}

/// <summary>How a run ended.</summary>
/// <param name="Result">What came out, JSON; or null.</param>
/// <param name="Failure">Why the job counts as failed, though it ran to its end; null where it does not.</param>
/// <param name="IsExhausted">Whether a budget ended it before it was through; <paramref name="Failure"/> says
/// which.</param>
public sealed record JobOutcome(string? Result, string? Failure, bool IsExhausted = false);
