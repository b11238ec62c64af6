using DataLayer.Core.Errors;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>The facts of all files at or below a path, as they are now.</summary>
public delegate IAsyncEnumerable<FileFacts> FactReader(string path, CancellationToken cancellationToken);

/// <summary>How far a plan is.</summary>
/// <param name="Files">Files looked at, a count.</param>
/// <param name="Moves">Files that move, a count.</param>
public sealed record PlanProgress(long Files, long Moves);

/// <summary>
/// Makes plans of the tree and keeps them. One at a time: each reads the whole subtree. Safe for concurrent use.
/// </summary>
/// <param name="facts">Reads the tree.</param>
/// <param name="store">Keeps the plans.</param>
/// <param name="pricing">The prices in force.</param>
/// <param name="time">The clock.</param>
public sealed class PlanMaker(FactReader facts, PlanStore store, TierPricing pricing, TimeProvider time) : IDisposable
{
    private const int ReportEvery = 4096;
    private readonly SemaphoreSlim _turn = new(1);

    /// <summary>The prices in force.</summary>
    public TierPricing Pricing { get; } = pricing;

    /// <summary>The plans made.</summary>
    public PlanStore Store { get; } = store;

    /// <summary>Makes a plan.</summary>
    /// <param name="decideAt">The policy at the plan's time.</param>
    /// <param name="options">The plan's frame.</param>
    /// <param name="progress">Told now and then; null for nobody.</param>
    /// <param name="cancellationToken">Gives up; nothing is left.</param>
    /// <exception cref="DataLayerException">
    /// Overloaded: another plan is being made. NotFound: no such path. NoSpace: the state folder is full.
    /// </exception>
    public async ValueTask<TieringPlan> MakeAsync(
        Func<DateTimeOffset, PlacementRule> decideAt, PlanOptions options, IProgress<PlanProgress>? progress,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(decideAt);
        ArgumentNullException.ThrowIfNull(options);
        if (!await _turn.WaitAsync(0, cancellationToken).ConfigureAwait(false))
        {
            throw new DataLayerException(
                ErrorCode.Overloaded, "Another plan is being made: try again when it is done.");
        }

        try
        {
            return await Store.SaveAsync(
                (spool, token) => BuildAsync(decideAt, options, progress, spool, token), cancellationToken)
                .ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw new DataLayerException(
                ErrorCode.NoSpace, $"The plan cannot be written into the state folder: {e.Message}", e);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    private async ValueTask<TieringPlan> BuildAsync(
        Func<DateTimeOffset, PlacementRule> decideAt, PlanOptions options, IProgress<PlanProgress>? progress,
        MoveSpool spool, CancellationToken cancellationToken)
    {
        DateTimeOffset now = time.GetUtcNow();
        PlanBuilder builder = new(decideAt(now), Pricing, options, now, spool);
        long files = 0;
        await foreach (
            FileFacts file in facts(options.Path, cancellationToken)
                .WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            builder.Add(file);
            if (++files % ReportEvery == 0)
            {
                progress?.Report(new PlanProgress(files, spool.Count));
            }
        }

        progress?.Report(new PlanProgress(files, spool.Count));
        return builder.Complete();
    }
}
