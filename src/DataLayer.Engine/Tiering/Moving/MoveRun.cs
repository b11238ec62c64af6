using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Tiering.Costs;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>
/// One run of moves under its limits. Moves of one call go side by side; calls follow each other. Not for two calls at
/// once.
/// </summary>
public sealed class MoveRun
{
    private static readonly MoveKinds[] _order =
        [
            MoveKinds.Upload, MoveKinds.Unpack, MoveKinds.Pack, MoveKinds.Reclass, MoveKinds.Release,
            MoveKinds.Recall, MoveKinds.Copies,
        ];

    private readonly Mover _mover;
    private readonly MoveOrigin _origin;
    private readonly MoveLimits _limits;
    private readonly MoveTally _tally;
    private readonly MoveBudget _budget;
    private readonly MovePace _pace;
    private readonly TimeProvider _time;
    private readonly TreeStore _tree;
    private readonly List<MoveTask> _restoring = [];

    internal MoveRun(Mover mover, MoveOrigin origin, MoveLimits limits, MoveTally tally)
    {
        _mover = mover;
        _origin = origin;
        _limits = limits;
        _tally = tally;
        _time = mover.Engine.Context.Time;
        _tree = mover.Engine.Context.Tree;
        MoveOutcome before = tally.Outcome;
        _budget = new MoveBudget(limits, before.Currency, before.Requests, before.Cost);
        _pace = new MovePace(limits.BytesPerSecond, _time);
    }

    /// <summary>What came out so far.</summary>
    public MoveOutcome Outcome => _tally.Outcome;

    /// <summary>The budget that ended the run, in words; null where none did.</summary>
    public string? Exhausted => _budget.Exhausted;

    /// <summary>Moves files; a move that an earlier run ended is only counted.</summary>
    /// <param name="firstNumber">The place of the first within the job; each is the next.</param>
    /// <param name="moves">The moves.</param>
    /// <param name="cancellationToken">
    /// Ends it: a step that reads or writes contents is given up, others come to their end.
    /// </param>
    /// <returns>False where a budget is used up; the moves that were not begun have no row then.</returns>
    /// <exception cref="DataLayerException">ShuttingDown; or the journal of moves cannot be written.</exception>
    public Task<bool> MoveAsync(
        long firstNumber, IReadOnlyList<PlannedMove> moves, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(moves);
        List<MoveTask> tasks = new(moves.Count);
        for (int i = 0; i < moves.Count; i++)
        {
            tasks.Add(new MoveTask(firstNumber + i, moves[i]));
        }

        return MoveAsync(tasks, cancellationToken);
    }

    /// <summary>As above; numbers grow.</summary>
    internal Task<bool> MoveAsync(IReadOnlyList<MoveTask> tasks, CancellationToken cancellationToken) =>
        MoveAsync(tasks, isBudgeted: true, cancellationToken);

    private async Task<bool> MoveAsync(
        IReadOnlyList<MoveTask> tasks, bool isBudgeted, CancellationToken cancellationToken)
    {
        if (tasks.Count == 0)
        {
            return true;
        }

        Dictionary<long, MoveEntry> known = await ReadKnownAsync(tasks, cancellationToken).ConfigureAwait(false);
        ParallelOptions degree = new()
        {
            MaxDegreeOfParallelism = _limits.Parallelism,
            CancellationToken = cancellationToken,
        };
        (List<MoveTask> packed, List<MoveTask> others) = Divide(tasks);
        try
        {
            await Parallel.ForEachAsync(
                others, degree,
                (task, token) => TakeAsync(task, known.GetValueOrDefault(task.Number), null, isBudgeted, token))
                .ConfigureAwait(false);
            await PackAsync(packed, known, isBudgeted, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _mover.Engine.Context.JournalSignal?.Invoke();
        }

        return _budget.Exhausted is null;
    }

    private static (List<MoveTask> Packed, List<MoveTask> Others) Divide(IReadOnlyList<MoveTask> tasks)
    {
        List<MoveTask> packed = [];
        List<MoveTask> others = [];
        foreach (MoveTask task in tasks)
        {
            ((task.Move.Kinds & MoveKinds.Pack) != MoveKinds.None ? packed : others).Add(task);
        }

        return (packed, others);
    }

    /// <summary>
    /// Moves files that go into packs: all of them begin, each waits with its row written until the last is as far,
    /// and then they are packed together.
    /// </summary>
    private async ValueTask PackAsync(
        List<MoveTask> tasks, Dictionary<long, MoveEntry> known, bool isBudgeted, CancellationToken cancellationToken)
    {
        if (tasks.Count == 0)
        {
            return;
        }

        ParallelOptions degree = new()
        {
            MaxDegreeOfParallelism = tasks.Count,
            CancellationToken = cancellationToken,
        };
        PackGroup group = new(_mover.Packer, tasks.Count, _limits.Parallelism, cancellationToken);
        await using (group.ConfigureAwait(false))
        {
            await Parallel.ForEachAsync(
                tasks, degree,
                async (task, token) =>
                {
                    using PackGroup.Seat seat = group.Sit();
                    await TakeAsync(task, known.GetValueOrDefault(task.Number), seat, isBudgeted, token)
                        .ConfigureAwait(false);
                }).ConfigureAwait(false);
        }
    }

    private async ValueTask TakeAsync(
        MoveTask task, MoveEntry? row, PackGroup.Seat? seat, bool isBudgeted, CancellationToken cancellationToken)
    {
        if (row is { State: not MoveState.Started })
        {
            _tally.Add(row);
        }
        else if (!isBudgeted || _budget.Exhausted is null)
        {
            await DoAsync(task, row, seat, isBudgeted, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Puts aside the moves that an earlier run left begun, all before a place within the job.</summary>
    internal async ValueTask TakeUpAsync(long before, CancellationToken cancellationToken)
    {
        foreach (MoveEntry open in await _tree.ListOpenMovesAsync(cancellationToken).ConfigureAwait(false))
        {
            if (open.JobId == _origin.JobId && open.Number < before)
            {
                PutAside(MoveTask.Of(open));
            }
        }
    }

    /// <summary>Ends the moves that wait for objects to come out of their archives, as those come.</summary>
    /// <exception cref="DataLayerException">ShuttingDown; or the journal of moves cannot be written.</exception>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        for (bool waits = false; TakeRestoring() is { Count: > 0 } tasks; waits = true)
        {
            if (waits)
            {
                _tally.Enter("waits for objects to come out of their archives");
                await Task.Delay(_mover.Engine.Context.Options.Archive.LookEvery, _time, cancellationToken)
                    .ConfigureAwait(false);
            }

            List<MoveTask> ready = [];
            foreach (MoveTask task in tasks)
            {
                bool restoring;
                try
                {
                    restoring = await _mover.Steps.IsRestoringAsync(task.Move.Inode, cancellationToken)
                        .ConfigureAwait(false);
                }
                catch (DataLayerException error) when (error.Code != ErrorCode.ShuttingDown)
                {
                    restoring = true; // The store does not answer: it is asked again.
                }

                if (restoring)
                {
                    PutAside(task);
                }
                else
                {
                    ready.Add(task);
                }
            }

            ready.Sort(static (a, b) => a.Number.CompareTo(b.Number));
            await MoveAsync(ready, isBudgeted: false, cancellationToken).ConfigureAwait(false);
        }

        _tally.Enter(null);
    }

    private List<MoveTask> TakeRestoring()
    {
        lock (_restoring)
        {
            List<MoveTask> taken = [.. _restoring];
            _restoring.Clear();
            _tally.AddRestoring(-taken.Count);
            return taken;
        }
    }

    private async ValueTask<Dictionary<long, MoveEntry>> ReadKnownAsync(
        IReadOnlyList<MoveTask> tasks, CancellationToken cancellationToken)
    {
        Dictionary<long, MoveEntry> known = [];
        long last = tasks[^1].Number;
        for (long from = tasks[0].Number; from <= last;)
        {
            IReadOnlyList<MoveEntry> page = await _tree.ListMovesAsync(
                _origin.JobId, from, tasks.Count, cancellationToken).ConfigureAwait(false);
            foreach (MoveEntry entry in page)
            {
                known[entry.Number] = entry;
            }

            from = page.Count == tasks.Count ? page[^1].Number + 1 : long.MaxValue;
        }

        return known;
    }

    private async ValueTask DoAsync(
        MoveTask task, MoveEntry? begun, PackGroup.Seat? seat, bool isBudgeted, CancellationToken cancellationToken)
    {
        await WaitForWindowAsync(cancellationToken).ConfigureAwait(false);
        if (await _mover.Engine.Facts.ReadOneAsync(task.Move.Inode, task.Move.Path, cancellationToken)
            .ConfigureAwait(false) is not { } now || now.Content.Attributes.LinkCount == 0)
        {
            await EndAsync(begun ?? task.Describe(_origin), MoveState.Skipped, MoveReasons.Gone).ConfigureAwait(false);
            return;
        }

        MoveLook look = MoveLook.At(task, now.Facts, _mover.Pricing.Table, begun);
        string? reason = look.Reason ?? (look.Needs == MoveKinds.None ? null : FindStoreObstacle(look, now.Facts));
        MoveEntry entry = begun ?? task.ToEntry(_origin, now.Facts, now.Content);
        // What an earlier run did is billed by what the file was when that began.
        FileFacts before = now.Facts with { HotBytes = entry.FromHotBytes, StorageClass = entry.FromClass };
        entry = Bill(entry, look.Before & ~(MoveKinds)entry.DoneKinds, before);
        if (reason is not null || look.Needs == MoveKinds.None)
        {
            MoveState state = reason is null ? MoveState.Done : MoveState.Skipped;
            await EndAsync(entry, state, reason).ConfigureAwait(false);
            return;
        }

        MoveCost estimate = CostOf(look.Needs, task, now.Facts);
        await WaitForSpendAsync(look.Needs, now.Facts, estimate, cancellationToken).ConfigureAwait(false);
        if (!_budget.TryReserve(estimate, isBudgeted))
        {
            return;
        }

        MoveEntry ended = entry;
        try
        {
            await _pace.TakeAsync(BytesOf(look.Needs, now.Facts), cancellationToken).ConfigureAwait(false);
            if ((look.Needs & MoveKinds.Recall) == MoveKinds.None)
            {
                // The pieces of a recall take turns of their own; the rest is a request and a commit.
                using ForegroundYield.Turn turn = await _mover.Engine.Context.Yield
                    .EnterAsync(isLarge: false, cancellationToken).ConfigureAwait(false);
            }

            entry = await _tree.BeginMoveAsync(entry, cancellationToken).ConfigureAwait(false);
            ended = await TakeStepsAsync(task, entry, look.Needs, seat, now.Facts, cancellationToken)
                .ConfigureAwait(false);
        }
        finally
        {
            _budget.Settle(estimate, new MoveCost(ended.Requests, ended.CostNano / 1e9, 0, 0, 0));
        }
    }

    private async ValueTask<MoveEntry> TakeStepsAsync(
        MoveTask task, MoveEntry entry, MoveKinds needs, PackGroup.Seat? seat, FileFacts now,
        CancellationToken cancellationToken)
    {
        try
        {
            foreach (MoveKinds step in _order)
            {
                if ((needs & step) == MoveKinds.None)
                {
                    continue;
                }

                if (await TakeStepAsync(task, step, seat, cancellationToken).ConfigureAwait(false) is { } reason)
                {
                    MoveState state = entry.DoneKinds == 0 ? MoveState.Skipped : MoveState.Failed;
                    return await EndAsync(entry, state, reason).ConfigureAwait(false);
                }

                entry = Bill(entry, step, now);
            }

            return await EndAsync(entry, MoveState.Done, null).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.Archived)
        {
            return await AskRestoreAsync(task, entry, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code != ErrorCode.ShuttingDown)
        {
            return await EndAsync(entry, MoveState.Failed, error.Message).ConfigureAwait(false);
        }
    }

    /// <summary>Asks for the object of a move that met an archive, and puts the move aside until it is there.</summary>
    private async ValueTask<MoveEntry> AskRestoreAsync(
        MoveTask task, MoveEntry entry, CancellationToken cancellationToken)
    {
        try
        {
            await _mover.Steps.AskRestoreAsync(task.Move.Inode, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code != ErrorCode.ShuttingDown)
        {
            return await EndAsync(entry, MoveState.Failed, error.Message).ConfigureAwait(false);
        }

        PutAside(task);
        return entry;
    }

    private void PutAside(MoveTask task)
    {
        lock (_restoring)
        {
            _restoring.Add(task);
        }

        _tally.AddRestoring(1);
    }

    private async ValueTask<string?> TakeStepAsync(
        MoveTask task, MoveKinds step, PackGroup.Seat? seat, CancellationToken cancellationToken)
    {
        if (seat is null)
        {
            return await TakeStepAsync(task, step, cancellationToken).ConfigureAwait(false);
        }

        if (step == MoveKinds.Pack)
        {
            return await seat.JoinAsync(
                new PackFile(task.Move.Inode, task.Move.Version, task.Move.ToClass), cancellationToken)
                .ConfigureAwait(false);
        }

        using (await seat.EnterAsync(cancellationToken).ConfigureAwait(false))
        {
            return await TakeStepAsync(task, step, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<string?> TakeStepAsync(MoveTask task, MoveKinds step, CancellationToken cancellationToken)
    {
        PlannedMove move = task.Move;
        MoveSteps steps = _mover.Steps;
        return step switch
        {
            MoveKinds.Upload => await steps.UploadAsync(move.Inode, move.Version, cancellationToken)
                .ConfigureAwait(false),
            MoveKinds.Reclass => await steps.ReclassAsync(
                move.Inode, move.Version, MoveLook.ClassOf(move.ToClass, _mover.Pricing.Table), cancellationToken)
                .ConfigureAwait(false),
            MoveKinds.Unpack => await steps.UnpackAsync(_mover.Packer, move.Inode, move.Version, cancellationToken)
                .ConfigureAwait(false),
            MoveKinds.Release => await steps.ReleaseAsync(
                move.Inode, move.Version, _limits.Verify, cancellationToken).ConfigureAwait(false),
            MoveKinds.Recall => await steps.RecallAsync(move.Inode, move.Version, task.Blocks, cancellationToken)
                .ConfigureAwait(false),
            MoveKinds.Copies => await steps.ChangeCopiesAsync(
                move.Inode, move.Version, move.CopyCount, cancellationToken).ConfigureAwait(false),
            _ => throw new DataLayerException(ErrorCode.NotSupported, $"A move of kind {step} is not known."),
        };
    }

    private async ValueTask<MoveEntry> EndAsync(MoveEntry entry, MoveState state, string? reason)
    {
        // Also when the job is being cancelled: what was done must be known.
        MoveEntry ended = await _tree.EndMoveAsync(
            entry with { State = state, Reason = reason }, CancellationToken.None).ConfigureAwait(false);
        _tally.Add(ended);
        return ended;
    }

    private async ValueTask WaitForWindowAsync(CancellationToken cancellationToken)
    {
        while (_limits.Window is { } window && window.UntilOpen(_time.GetUtcNow()) is var wait && wait > TimeSpan.Zero)
        {
            DateTimeOffset opens = _time.GetUtcNow() + wait;
            _tally.Enter(string.Create(
                CultureInfo.InvariantCulture,
                $"waits for its window {window.Times} {window.Zone}, which opens at {opens:yyyy-MM-dd HH:mm}Z"));
            await Task.Delay(wait, _time, cancellationToken).ConfigureAwait(false);
            _tally.Enter(null);
        }
    }

    /// <summary>
    /// Waits as long as a budget of the cost meter is spent that covers the file's dataset: throttled, or stopped until
    /// it is raised or its period is over. A release alone goes on: it makes room, for one request that looks.
    /// </summary>
    private async ValueTask WaitForSpendAsync(
        MoveKinds needs, FileFacts now, MoveCost estimate, CancellationToken cancellationToken)
    {
        SpendGate gate = _mover.Engine.Context.Gate;
        if (needs is MoveKinds.Release or MoveKinds.Copies || !gate.IsInForce)
        {
            return;
        }

        string dataset = _mover.Engine.Context.Attachments.Find(now.AttachmentId)?.Path ?? string.Empty;
        long requests = Math.Max(1, (long)Math.Round(estimate.Requests));
        for (bool isStopped = false; ; isStopped = true)
        {
            Task changed = gate.WhenSetAsync();
            try
            {
                await gate.WaitAsync(dataset, requests, cancellationToken).ConfigureAwait(false);
                if (isStopped)
                {
                    _tally.Enter(null);
                }

                return;
            }
            catch (DataLayerException error) when (error.Code == ErrorCode.QuotaExceeded)
            {
                _tally.Enter($"waits: {error.Message}");
            }

            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private string? FindStoreObstacle(in MoveLook look, in FileFacts now)
    {
        if (look.Needs == MoveKinds.Copies)
        {
            return null; // No store has a part in it.
        }

        Attachment? attachment = _mover.Engine.Context.Attachments.Find(now.AttachmentId);
        bool writes = (look.Needs & (MoveKinds.Upload | MoveKinds.Reclass | MoveKinds.Pack | MoveKinds.Unpack))
            != MoveKinds.None;
        return attachment is null
            ? MoveReasons.NoObject
            : writes && attachment.Mode != AttachmentMode.ReadWrite ? MoveReasons.ReadOnly : null;
    }

    /// <summary>Adds steps that were done, and what they cost, to a row.</summary>
    private MoveEntry Bill(MoveEntry entry, MoveKinds done, in FileFacts now)
    {
        if (done == MoveKinds.None)
        {
            return entry;
        }

        MoveCost cost = CostOf(done, MoveTask.Of(entry), now);
        return entry with
        {
            DoneKinds = entry.DoneKinds | (long)done,
            Requests = entry.Requests + (long)Math.Round(cost.Requests),
            CostNano = entry.CostNano + (long)Math.Round(cost.Total * 1e9),
            MovedBytes = entry.MovedBytes + BytesOf(done, now),
        };
    }

    private static long BytesOf(MoveKinds kinds, in FileFacts now)
    {
        long bytes = 0;
        foreach (MoveKinds sends in (ReadOnlySpan<MoveKinds>)[MoveKinds.Upload, MoveKinds.Unpack, MoveKinds.Pack])
        {
            bytes += (kinds & sends) != MoveKinds.None ? now.SizeBytes : 0;
        }

        return (kinds & MoveKinds.Recall) != MoveKinds.None
            ? bytes + now.SizeBytes - ((kinds & MoveKinds.Release) != MoveKinds.None ? 0 : now.HotBytes)
            : bytes;
    }

    private MoveCost CostOf(MoveKinds kinds, MoveTask task, in FileFacts now)
    {
        TierPricing pricing = _mover.Pricing;
        PriceTable table = pricing.Table;
        StorageClassPrice from = table.Find(now.StorageClass) ?? table.DefaultClass;
        StorageClassPrice to = table.Find(task.Move.ToClass) ?? table.DefaultClass;
        MoveCost cost = default;
        if ((kinds & MoveKinds.Upload) != MoveKinds.None)
        {
            from = table.DefaultClass; // Uploads go into the store's own class; another one is a step of its own.
            cost += pricing.Upload(from, now.SizeBytes);
        }

        if ((kinds & MoveKinds.Pack) != MoveKinds.None)
        {
            bool isNew = (kinds & MoveKinds.Upload) != MoveKinds.None;
            cost += pricing.Pack(
                from, to, now.SizeBytes, now.SizeBytes - now.HotBytes, isNew ? _time.GetUtcNow() : now.StoredAt,
                _time.GetUtcNow());
        }

        if ((kinds & MoveKinds.Unpack) != MoveKinds.None)
        {
            cost += pricing.Recall(from, now.SizeBytes - now.HotBytes)
                + pricing.Upload(table.DefaultClass, now.SizeBytes);
        }

        if ((kinds & MoveKinds.Reclass) != MoveKinds.None)
        {
            cost += pricing.Reclass(from, to, now.SizeBytes, now.StoredAt, _time.GetUtcNow())
                + TierPricing.Verify(from);
        }

        if ((kinds & MoveKinds.Release) != MoveKinds.None)
        {
            cost += TierPricing.Verify(to);
        }

        if ((kinds & MoveKinds.Recall) != MoveKinds.None)
        {
            cost += pricing.Recall(from, BytesOf(MoveKinds.Recall | (kinds & MoveKinds.Release), now));
        }

        return cost;
    }
}
