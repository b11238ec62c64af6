using DataLayer.Core.Errors;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Moving;

/// <summary>
/// Moves files between the tiers as plans, undo and automatic tiering want it: through the engine's own uploads,
/// releases and recalls, each verified, each with its row in the journal of moves before it begins. Safe for
/// concurrent use.
/// </summary>
/// <remarks>
/// Life of a move: looked at (a file that is not as the move assumes is skipped with the reason) → priced against the
/// budgets → waits for its window, the rate and readers → row <c>started</c> → upload, class, release, recall, as far
/// as the file needs them → row <c>done</c>, <c>skipped</c> or <c>failed</c>. After a crash a started move is looked
/// at again: what of it was done counts as done, the rest is done now.
/// </remarks>
public sealed class Mover : IAsyncDisposable
{
    private const int ForgetRows = 2000;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private Task _forgetting = Task.CompletedTask;

    /// <summary>Makes it over an engine.</summary>
    /// <param name="engine">The engine; not owned.</param>
    /// <param name="pricing">The prices that moves are billed by.</param>
    /// <param name="packer">Packs files; not owned.</param>
    public Mover(FileEngine engine, TierPricing pricing, Packer packer)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(pricing);
        ArgumentNullException.ThrowIfNull(packer);
        Engine = engine;
        Pricing = pricing;
        Packer = packer;
        Steps = new MoveSteps(engine);
    }

    internal FileEngine Engine { get; }

    internal TierPricing Pricing { get; }

    internal Packer Packer { get; }

    internal MoveSteps Steps { get; }

    /// <summary>Begins a run of moves, or goes on with one.</summary>
    /// <param name="origin">On whose behalf.</param>
    /// <param name="limits">What bounds it; what was spent before counts.</param>
    /// <param name="before">What came out of it before; null for a new run.</param>
    /// <param name="changed">Told of each change of the outcome; null for nobody. Quick; any thread.</param>
    /// <exception cref="DataLayerException">InvalidArgument: bad limits.</exception>
    public MoveRun Begin(
        MoveOrigin origin, MoveLimits limits, MoveOutcome? before = null, Action<MoveOutcome>? changed = null)
    {
        ArgumentNullException.ThrowIfNull(origin);
        ArgumentNullException.ThrowIfNull(limits);
        limits.Validate();
        MoveOutcome start = before ?? new MoveOutcome();
        start = start with
        {
            Plan = origin.PlanId,
            PolicyVersion = origin.PolicyVersion,
            Currency = Pricing.Table.Currency,
            Exhausted = null,
            Phase = null,
            Restoring = 0,
        };
        return new MoveRun(this, origin, limits, new MoveTally(start, changed ?? (static _ => { })));
    }

    /// <summary>
    /// Ends the moves that a crash left begun and whose job does not go on: what of each was done is written down.
    /// </summary>
    /// <param name="goesOn">Whether a job goes on.</param>
    /// <param name="cancellationToken">Gives up; asked again it goes on.</param>
    public async Task SettleAsync(Func<long, bool> goesOn, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(goesOn);
        TreeStore tree = Engine.Context.Tree;
        foreach (MoveEntry open in await tree.ListOpenMovesAsync(cancellationToken).ConfigureAwait(false))
        {
            if (goesOn(open.JobId))
            {
                continue;
            }

            MoveTask task = MoveTask.Of(open);
            if (task.Move.Kinds.HasFlag(MoveKinds.Reclass) && !await TrySettleClassAsync(open, cancellationToken)
                .ConfigureAwait(false))
            {
                continue;
            }

            MoveKinds done = await Engine.Facts.ReadOneAsync(open.Inode, open.Path, cancellationToken)
                .ConfigureAwait(false) is { } now
                ? MoveLook.At(task, now.Facts, Pricing.Table, open).Before
                : MoveKinds.None;
            await tree.EndMoveAsync(
                open with
                {
                    State = MoveState.Failed,
                    Reason = MoveReasons.Interrupted,
                    DoneKinds = open.DoneKinds | (long)done,
                },
                cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        Task forgetting;
        lock (_lock)
        {
            forgetting = _forgetting;
        }

        await forgetting.ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async ValueTask<bool> TrySettleClassAsync(MoveEntry open, CancellationToken cancellationToken)
    {
        try
        {
            await Steps.SettleClassAsync(open.Inode, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (DataLayerException error)
        {
            // The store does not answer: the row stays, which keeps a listing off the file, until the next start.
            EngineLog.BackgroundFailed(Engine.Context.Log, "moves", error);
            return false;
        }
    }

    /// <summary>Has the rows of a job removed that was forgotten, in the background; does not throw.</summary>
    internal void Forget(long jobId)
    {
        lock (_lock)
        {
            _forgetting = ForgetAsync(_forgetting, jobId);
        }
    }

    private async Task ForgetAsync(Task before, long jobId)
    {
        await before.ConfigureAwait(false);
        try
        {
            while (!_stopping.IsCancellationRequested
                && await Engine.Context.Tree.RemoveMovesAsync(jobId, ForgetRows, _stopping.Token)
                    .ConfigureAwait(false) == ForgetRows)
            {
                // A few thousand at a time, so that no writer waits long.
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Rows without a job take room and are read by nobody.
        }
        catch (DataLayerException error)
        {
            EngineLog.BackgroundFailed(Engine.Context.Log, "moves", error);
        }
    }
}
