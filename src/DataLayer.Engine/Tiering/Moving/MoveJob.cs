using System.Globalization;
using System.Text.Json;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>Where a job of moves goes on.</summary>
/// <param name="Position">Where in the source of moves.</param>
/// <param name="Number">The next move's place within the job.</param>
/// <param name="Outcome">What came out before it.</param>
internal sealed record MoveCursor(long Position, long Number, MoveOutcome Outcome);

/// <summary>
/// What jobs of moves have in common: the cursor, the moves that an earlier run left begun, what is told to those who
/// watch, and the end.
/// </summary>
internal sealed class MoveJob(Mover mover, JobRun run, long totalMoves, long totalBytes)
{
    private static readonly TimeSpan _detailEvery = TimeSpan.FromSeconds(1);
    private readonly TimeProvider _time = mover.Engine.Context.Time;
    private readonly Lock _lock = new();
    private long _detailAt;
    private string? _phase;
    private MoveRun? _moves;

    /// <summary>The job.</summary>
    public long JobId => run.Job.Id;

    /// <summary>Where it goes on.</summary>
    public MoveCursor Cursor { get; private set; } = run.Job.Cursor is { } saved
        ? JsonSerializer.Deserialize(saved, MoveJson.Default.MoveCursor)!
        : new MoveCursor(0, 0, new MoveOutcome());

    /// <summary>Begins the run, or goes on with it.</summary>
    public MoveRun Begin(MoveOrigin origin, MoveLimits limits) =>
        _moves = mover.Begin(origin, limits, Cursor.Outcome, Report);

    /// <summary>Keeps that all moves before a place are dealt with.</summary>
    public async ValueTask SaveAsync(long position, long number, CancellationToken cancellationToken)
    {
        MoveOutcome outcome = _moves!.Outcome;
        Cursor = new MoveCursor(position, number, outcome);
        string text = JsonSerializer.Serialize(Cursor, MoveJson.Default.MoveCursor);
        await run.SaveAsync(text, ProgressOf(outcome), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The end of the job.</summary>
    /// <param name="remaining">What is left where a budget ended it: moves, bytes, cost.</param>
    public JobOutcome End((long Moves, long Bytes, double Cost) remaining)
    {
        MoveOutcome outcome = _moves!.Outcome with
        {
            Exhausted = _moves.Exhausted,
            RemainingMoves = remaining.Moves,
            RemainingBytes = remaining.Bytes,
            RemainingCost = remaining.Cost,
        };
        if (outcome.Exhausted is { } budget)
        {
            string rest = string.Create(
                CultureInfo.InvariantCulture,
                $"{remaining.Moves} moves of {remaining.Bytes} bytes remain, {remaining.Cost:0.####} by the plan. "
                + $"Apply the plan again with a larger budget to go on.");
            return new JobOutcome(outcome.ToText(), $"It used up {budget}: {rest}", IsExhausted: true);
        }

        return new JobOutcome(
            outcome.ToText(),
            outcome.Failed == 0
                ? null
                : $"{outcome.Failed} of {outcome.Moves} moves failed; the result names the reasons.");
    }

    private void Report(MoveOutcome outcome)
    {
        long now = _time.GetTimestamp();
        bool detailed;
        lock (_lock)
        {
            detailed = outcome.Phase != _phase || _time.GetElapsedTime(_detailAt, now) >= _detailEvery;
            (_phase, _detailAt) = detailed ? (outcome.Phase, now) : (_phase, _detailAt);
        }

        run.Report(ProgressOf(outcome), detailed ? outcome.ToText() : null);
    }

    private JobProgress ProgressOf(MoveOutcome outcome) => new(
        outcome.Moves, Math.Max(totalMoves, outcome.Moves), outcome.Bytes, Math.Max(totalBytes, outcome.Bytes),
        outcome.Failed);
}
