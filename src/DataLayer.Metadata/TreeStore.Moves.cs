namespace DataLayer.Metadata;

/// <content>
/// The journal of moves between the tiers. Its rows survive a crash at once and a power cut with the next durable
/// change: what a move itself commits is durable and comes later, so no power cut keeps a move and loses its row.
/// </content>
public sealed partial class TreeStore
{
    /// <summary>Writes a move down before its first step. Where it is known already, it stays as it is.</summary>
    /// <returns>The move as it stands: as given, or as an earlier run left it.</returns>
    public ValueTask<MoveEntry> BeginMoveAsync(MoveEntry move, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(move);
        return ChangeAsync(
            w =>
            {
                if (w.Tables.Moves.Find(move.JobId, move.Number) is { } known)
                {
                    return known;
                }

                MoveEntry begun = move with { StartedTime = w.Now };
                w.Tables.Moves.Add(begun);
                return begun;
            },
            cancellationToken,
            relaxed: true);
    }

    /// <summary>Writes down what came of a move; the move is added where it was not begun.</summary>
    public ValueTask<MoveEntry> EndMoveAsync(MoveEntry move, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(move);
        return ChangeAsync(
            w =>
            {
                MoveEntry ended = move with
                {
                    StartedTime = move.StartedTime == 0 ? w.Now : move.StartedTime,
                    EndedTime = w.Now,
                };
                if (!w.Tables.Moves.End(ended))
                {
                    w.Tables.Moves.Add(ended);
                }

                return ended;
            },
            cancellationToken,
            relaxed: true);
    }

    /// <summary>A job's moves with numbers from <paramref name="from"/> on, by number.</summary>
    public ValueTask<IReadOnlyList<MoveEntry>> ListMovesAsync(
        long job, long from, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<MoveEntry>>(t => t.Moves.ListUp(job, from, limit), cancellationToken);
    }

    /// <summary>
    /// A job's moves of which something was done, with numbers below <paramref name="before"/>, last first.
    /// </summary>
    public ValueTask<IReadOnlyList<MoveEntry>> ListDoneMovesAsync(
        long job, long before, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<MoveEntry>>(
            t => t.Moves.ListDoneDown(job, before, limit), cancellationToken);
    }

    /// <summary>Of how many of a job's moves something was done, and the bytes of their files.</summary>
    public ValueTask<(long Moves, long Bytes)> CountDoneMovesAsync(long job, CancellationToken cancellationToken) =>
        _reads.RunAsync(t => t.Moves.CountDone(job), cancellationToken);

    /// <summary>All moves that were begun and have not ended.</summary>
    public ValueTask<IReadOnlyList<MoveEntry>> ListOpenMovesAsync(CancellationToken cancellationToken) =>
        _reads.RunAsync<IReadOnlyList<MoveEntry>>(static t => t.Moves.ListOpen(), cancellationToken);

    /// <summary>Forgets moves of a job.</summary>
    /// <returns>How many it forgot, at most <paramref name="limit"/>.</returns>
    public ValueTask<int> RemoveMovesAsync(long job, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return ChangeAsync(w => w.Tables.Moves.Remove(job, limit), cancellationToken, relaxed: true);
    }
}
