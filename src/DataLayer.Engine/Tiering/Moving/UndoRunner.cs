using System.Globalization;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>What a job that undoes another one shall do.</summary>
public sealed record UndoSpec
{
    /// <summary>The job whose moves are undone.</summary>
    public required long Job { get; init; }

    /// <summary>What bounds it.</summary>
    public MoveLimits Limits { get; init; } = new();

    /// <summary>As text for <see cref="JobRecord.Spec"/>.</summary>
    public string ToText() => JsonSerializer.Serialize(this, MoveJson.Default.UndoSpec);
}

/// <summary>
/// Brings the files that a job moved back to where its rows say they were: the last move first. A file that was changed
/// since is left alone; an upload stays, since a written file of a read-write bucket has its object.
/// </summary>
/// <param name="mover">Moves.</param>
public sealed class UndoRunner(Mover mover) : IJobRunner
{
    /// <summary>The kind of these jobs.</summary>
    public const string KindName = "undo";

    private const int StepMoves = 256;

    /// <inheritdoc/>
    public string Kind => KindName;

    /// <summary>Refuses a job that cannot be undone.</summary>
    /// <param name="job">The job.</param>
    /// <param name="window">How long after its end it may be.</param>
    /// <param name="now">The time.</param>
    /// <exception cref="DataLayerException">WrongState, with the reason.</exception>
    public static void DemandUndoable(JobRecord job, TimeSpan window, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(job);
        DateTimeOffset ended = UnixTime.ToTime(job.EndedTime);
        string? why = job.Kind != ApplyRunner.KindName
            ? $"it is a job of kind '{job.Kind}', and only those of kind '{ApplyRunner.KindName}' are undone"
            : !job.HasEnded
                ? "it has not ended: cancel it first, or wait"
                : now - ended > window
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"it ended at {ended.UtcDateTime:yyyy-MM-dd HH:mm}Z, longer ago than tiering.undoWindow")
                    : null;
        if (why is not null)
        {
            throw new DataLayerException(ErrorCode.WrongState, $"Job {job.Id} cannot be undone: {why}.");
        }
    }

    /// <inheritdoc/>
    public async Task<JobOutcome> RunAsync(JobRun run, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(run);
        UndoSpec spec = JsonSerializer.Deserialize(run.Job.Spec, MoveJson.Default.UndoSpec)!;
        TreeStore tree = mover.Engine.Context.Tree;
        (long count, long bytes) = await tree.CountDoneMovesAsync(spec.Job, cancellationToken).ConfigureAwait(false);
        MoveJob job = new(mover, run, count, bytes);
        IReadOnlyList<MoveEntry> page = await ReadAsync(job).ConfigureAwait(false);
        MoveEntry? first = page.Count > 0 ? page[0] : null;
        MoveOrigin origin = new(
            run.Job.Id, first?.PlanId ?? 0, first?.PolicyVersion ?? 0, first?.PolicyHash ?? string.Empty);
        MoveRun moves = job.Begin(origin, spec.Limits);
        await moves.TakeUpAsync(job.Cursor.Number, cancellationToken).ConfigureAwait(false);
        for (; page.Count > 0; page = await ReadAsync(job).ConfigureAwait(false))
        {
            List<MoveTask> step = new(page.Count);
            foreach (MoveEntry done in page)
            {
                step.Add(MoveTask.Inverse(done, job.Cursor.Number + step.Count));
            }

            if (!await moves.MoveAsync(step, cancellationToken).ConfigureAwait(false))
            {
                await moves.FinishAsync(cancellationToken).ConfigureAwait(false);
                MoveOutcome outcome = moves.Outcome;
                return job.End((count - outcome.Moves, bytes - outcome.Bytes, 0));
            }

            // Positions go down; one more, so that 0 is the start and not the last row.
            await job.SaveAsync(page[^1].Number + 1, job.Cursor.Number + step.Count, cancellationToken)
                .ConfigureAwait(false);
        }

        await moves.FinishAsync(cancellationToken).ConfigureAwait(false);
        return job.End(default);

        ValueTask<IReadOnlyList<MoveEntry>> ReadAsync(MoveJob of) => tree.ListDoneMovesAsync(
            spec.Job, of.Cursor.Position == 0 ? long.MaxValue : of.Cursor.Position - 1, StepMoves, cancellationToken);
    }

    /// <inheritdoc/>
    public void Forget(JobRecord job)
    {
        ArgumentNullException.ThrowIfNull(job);
        mover.Forget(job.Id);
    }
}
