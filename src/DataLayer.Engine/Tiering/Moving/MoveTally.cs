using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>Adds up what a run of moves does. Any thread.</summary>
internal sealed class MoveTally(MoveOutcome start, Action<MoveOutcome> changed)
{
    private const int MaxProblems = 100;
    private const int MaxReasons = 50;
    private const string OtherReasons = "other reasons";
    private readonly Lock _lock = new();
    private MoveOutcome _outcome = start;

    /// <summary>What came out so far.</summary>
    public MoveOutcome Outcome
    {
        get
        {
            lock (_lock)
            {
                return _outcome;
            }
        }
    }

    /// <summary>Counts a move that ended.</summary>
    public void Add(MoveEntry move)
    {
        MoveKinds done = (MoveKinds)move.DoneKinds;
        Change(o => WithProblem(
            o with
            {
                Moves = o.Moves + 1,
                Bytes = o.Bytes + move.SizeBytes,
                Moved = o.Moved + One(move.State == MoveState.Done && done != MoveKinds.None),
                Already = o.Already + One(move.State == MoveState.Done && done == MoveKinds.None),
                Skipped = o.Skipped + One(move.State == MoveState.Skipped),
                Failed = o.Failed + One(move.State == MoveState.Failed),
                Uploads = o.Uploads + One(done.HasFlag(MoveKinds.Upload)),
                Reclasses = o.Reclasses + One(done.HasFlag(MoveKinds.Reclass)),
                Releases = o.Releases + One(done.HasFlag(MoveKinds.Release)),
                ReleasedBytes = o.ReleasedBytes + (done.HasFlag(MoveKinds.Release) ? move.FromHotBytes : 0),
                Recalls = o.Recalls + One(done.HasFlag(MoveKinds.Recall)),
                CopyChanges = o.CopyChanges + One(done.HasFlag(MoveKinds.Copies)),
                TransferredBytes = o.TransferredBytes + move.MovedBytes,
                Requests = o.Requests + move.Requests,
                Cost = o.Cost + (move.CostNano / 1e9),
            },
            move));
    }

    /// <summary>Says what the run is at.</summary>
    public void Enter(string? phase) => Change(o => o with { Phase = phase });

    /// <summary>Counts files that begin (1) or cease (-1) to wait for a restore.</summary>
    public void AddRestoring(int count) => Change(o => o with { Restoring = o.Restoring + count });

    private static long One(bool holds) => holds ? 1 : 0;

    private static MoveOutcome WithProblem(MoveOutcome outcome, MoveEntry move)
    {
        if (move.State is not (MoveState.Skipped or MoveState.Failed) || move.Reason is not { } reason)
        {
            return outcome;
        }

        SortedDictionary<string, long> reasons = new(StringComparer.Ordinal);
        foreach ((string known, long count) in outcome.Reasons)
        {
            reasons.Add(known, count);
        }

        string key = reasons.ContainsKey(reason) || reasons.Count < MaxReasons ? reason : OtherReasons;
        reasons[key] = reasons.GetValueOrDefault(key) + 1;
        return outcome with
        {
            Reasons = reasons,
            Problems = outcome.Problems.Count < MaxProblems
                ? [.. outcome.Problems, new MoveProblem(move.Path, reason)]
                : outcome.Problems,
        };
    }

    private void Change(Func<MoveOutcome, MoveOutcome> change)
    {
        MoveOutcome now;
        lock (_lock)
        {
            now = _outcome = change(_outcome);
        }

        changed(now);
    }
}
