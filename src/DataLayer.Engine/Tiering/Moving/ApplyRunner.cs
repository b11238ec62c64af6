using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>What a job that applies a plan shall do.</summary>
public sealed record ApplySpec
{
    /// <summary>The stored plan.</summary>
    public required long Plan { get; init; }

    /// <summary>What bounds it.</summary>
    public MoveLimits Limits { get; init; } = new();

    /// <summary>As text for <see cref="JobRecord.Spec"/>.</summary>
    public string ToText() => JsonSerializer.Serialize(this, MoveJson.Default.ApplySpec);
}

/// <summary>
/// Applies stored plans: their moves in order, heaviest first, a few hundred side by side at a time; after each such
/// step the cursor is kept. A step that a crash cut is done again: its rows say how far it was.
/// </summary>
/// <param name="mover">Moves.</param>
/// <param name="plans">The plans.</param>
/// <param name="findStale">Why a plan may not be applied now; empty where it may.</param>
public sealed class ApplyRunner(
    Mover mover, PlanStore plans,
    Func<TieringPlan, CancellationToken, ValueTask<IReadOnlyList<string>>> findStale) : IJobRunner
{
    /// <summary>The kind of these jobs.</summary>
    public const string KindName = "apply";

    private const int StepMoves = 256;

    /// <summary>Files that may be packed together, a count: a pack of 64 MiB holds as many of 16 KiB.</summary>
    private const int StepPacked = 4096;

    /// <inheritdoc/>
    public string Kind => KindName;

    /// <summary>Refuses a plan that no longer tells what would happen.</summary>
    /// <exception cref="DataLayerException">WrongState, with the reasons and what to do.</exception>
    public static void DemandFresh(TieringPlan plan, IReadOnlyList<string> stale)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(stale);
        if (stale.Count > 0)
        {
            throw new DataLayerException(
                ErrorCode.WrongState,
                $"Plan {plan.Id} is stale: {string.Join("; ", stale)}. Make it again (datalayer plan {plan.Path}) and "
                + "apply the new one.");
        }
    }

    /// <inheritdoc/>
    public async Task<JobOutcome> RunAsync(JobRun run, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(run);
        ApplySpec spec = JsonSerializer.Deserialize(run.Job.Spec, MoveJson.Default.ApplySpec)!;
        TieringPlan plan = await plans.GetAsync(spec.Plan, cancellationToken).ConfigureAwait(false);
        if (run.Job.Cursor is null)
        {
            DemandFresh(plan, await findStale(plan, cancellationToken).ConfigureAwait(false));
        }

        MoveJob job = new(mover, run, plan.Totals.Moves, plan.Totals.MovedBytes);
        MoveOrigin origin = new(run.Job.Id, plan.Id, plan.PolicyVersion ?? 0, plan.PolicyHash);
        MoveRun moves = job.Begin(origin, spec.Limits);
        await job.SaveAsync(job.Cursor.Position, job.Cursor.Number, cancellationToken).ConfigureAwait(false);
        await moves.TakeUpAsync(job.Cursor.Number, cancellationToken).ConfigureAwait(false);
        using MoveFile file = plans.OpenMoves(plan, job.Cursor.Position);
        List<PlannedMove> step = new(StepMoves);
        while (ReadStep(file, step))
        {
            if (!await moves.MoveAsync(job.Cursor.Number, step, cancellationToken).ConfigureAwait(false))
            {
                await moves.FinishAsync(cancellationToken).ConfigureAwait(false);
                return job.End(await CountRestAsync(job, step, file, cancellationToken).ConfigureAwait(false));
            }

            await job.SaveAsync(file.Position, job.Cursor.Number + step.Count, cancellationToken)
                .ConfigureAwait(false);
        }

        await moves.FinishAsync(cancellationToken).ConfigureAwait(false);
        return job.End(default);
    }

    /// <inheritdoc/>
    public void Forget(JobRecord job)
    {
        ArgumentNullException.ThrowIfNull(job);
        mover.Forget(job.Id);
    }

    private static bool ReadStep(MoveFile file, List<PlannedMove> step)
    {
        step.Clear();
        while ((step.Count < StepMoves || (step.Count < StepPacked && step[^1].Kinds.HasFlag(MoveKinds.Pack)))
            && file.Read() is { } move)
        {
            step.Add(move);
        }

        return step.Count > 0;
    }

    /// <summary>What a budget left: the moves of the last step without a row, and all after them.</summary>
    private async ValueTask<(long Moves, long Bytes, double Cost)> CountRestAsync(
        MoveJob job, List<PlannedMove> step, MoveFile file, CancellationToken cancellationToken)
    {
        HashSet<long> ended = [];
        foreach (
            MoveEntry entry in await mover.Engine.Context.Tree.ListMovesAsync(
                job.JobId, job.Cursor.Number, Math.Max(1, step.Count), cancellationToken).ConfigureAwait(false))
        {
            _ = entry.State != MoveState.Started && ended.Add(entry.Number);
        }

        (long moves, long bytes, double cost) = (0, 0, 0);
        long number = job.Cursor.Number;
        do
        {
            foreach (PlannedMove move in step)
            {
                if (!ended.Contains(number++))
                {
                    (moves, bytes, cost) = (moves + 1, bytes + move.SizeBytes, cost + move.OnceCost);
                }
            }
        }
        while (ReadStep(file, step));
        return (moves, bytes, cost);
    }
}
