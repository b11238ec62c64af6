using System.Globalization;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>
/// Keeps plans: the summary as a row of the tree's store, the moves as a file beside it. The row is written after the
/// file and goes before it, so a row always has its file; files without a row are removed at the next start.
/// </summary>
/// <remarks>Bounded by number and bytes: the oldest go first, but never the newest. Safe for concurrent use.</remarks>
/// <param name="tree">The store of the rows.</param>
/// <param name="options">Where the files are, and how many.</param>
public sealed class PlanStore(TreeStore tree, PlanStoreOptions options)
{
    private const string Extension = ".moves";
    private const int PageRows = 200;

    /// <summary>Removes the files of plans that a crash left without a row.</summary>
    /// <exception cref="IOException">The folder cannot be made or read.</exception>
    public async ValueTask CleanAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.Folder);
        foreach (string file in Directory.EnumerateFiles(options.Folder))
        {
            bool isWhole = Path.GetExtension(file) == Extension
                && long.TryParse(
                    Path.GetFileNameWithoutExtension(file), NumberStyles.None, CultureInfo.InvariantCulture,
                    out long id)
                && await tree.GetPlanAsync(id, cancellationToken).ConfigureAwait(false) is not null;
            if (!isWhole)
            {
                File.Delete(file);
            }
        }
    }

    /// <summary>Makes and keeps a plan.</summary>
    /// <param name="make">Adds all moves to the spool and completes it.</param>
    /// <param name="cancellationToken">Gives up; nothing is left.</param>
    /// <returns>The plan with its number.</returns>
    public async ValueTask<TieringPlan> SaveAsync(
        Func<MoveSpool, CancellationToken, ValueTask<TieringPlan>> make, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(make);
        long id = await tree.ReservePlanIdAsync(cancellationToken).ConfigureAwait(false);
        Directory.CreateDirectory(options.Folder);
        string file = FileOf(id);
        using MoveSpool spool = new(file);
        TieringPlan plan = await make(spool, cancellationToken).ConfigureAwait(false) with { Id = id };
        long created = UnixTime.ToNanoseconds(plan.CreatedAt);
        string summary = JsonSerializer.Serialize(plan, PlanJson.Default.TieringPlan);
        try
        {
            await tree.AddPlanAsync(new StoredPlan(id, created, plan.SpoolBytes, summary), cancellationToken)
                .ConfigureAwait(false);
        }
        catch
        {
            File.Delete(file);
            throw;
        }

        await PruneAsync(cancellationToken).ConfigureAwait(false);
        return plan;
    }

    /// <summary>One plan.</summary>
    /// <exception cref="DataLayerException">NotFound; Corrupt.</exception>
    public async ValueTask<TieringPlan> GetAsync(long id, CancellationToken cancellationToken) =>
        Read(
            await tree.GetPlanAsync(id, cancellationToken).ConfigureAwait(false)
            ?? throw new DataLayerException(
                ErrorCode.NotFound, $"There is no plan {id}: 'datalayer plan list' shows those that are kept."));

    /// <summary>Plans with a smaller number, newest first.</summary>
    public async ValueTask<IReadOnlyList<TieringPlan>> ListAsync(
        long before, int limit, CancellationToken cancellationToken)
    {
        List<TieringPlan> plans = [];
        foreach (
            StoredPlan row in await tree.ListPlansAsync(before, limit, cancellationToken).ConfigureAwait(false))
        {
            plans.Add(Read(row));
        }

        return plans;
    }

    /// <summary>Opens a plan's moves, heaviest first.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="position">Where to go on; 0 for the start.</param>
    /// <exception cref="DataLayerException">NotFound, Corrupt, InvalidArgument.</exception>
    public MoveFile OpenMoves(TieringPlan plan, long position = 0)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return new MoveFile(FileOf(plan.Id), plan.SpoolBytes, position);
    }

    /// <summary>Forgets a plan with its moves.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public async ValueTask RemoveAsync(long id, CancellationToken cancellationToken)
    {
        if (!await tree.RemovePlanAsync(id, cancellationToken).ConfigureAwait(false))
        {
            throw new DataLayerException(ErrorCode.NotFound, $"There is no plan {id}.");
        }

        File.Delete(FileOf(id));
    }

    private static TieringPlan Read(StoredPlan row)
    {
        TieringPlan? plan = null;
        try
        {
            plan = JsonSerializer.Deserialize(row.Summary, PlanJson.Default.TieringPlan);
        }
        catch (JsonException)
        {
            // Below: a plan of a program that had others.
        }

        return plan is null
            ? throw new DataLayerException(
                ErrorCode.Corrupt,
                $"Plan {row.Id} was written by another version of this program: make it again.")
            : plan with { Id = row.Id, SpoolBytes = row.SpoolBytes };
    }

    private async ValueTask PruneAsync(CancellationToken cancellationToken)
    {
        long before = long.MaxValue;
        int kept = 0;
        long bytes = 0;
        IReadOnlyList<StoredPlan> page;
        do
        {
            page = await tree.ListPlansAsync(before, PageRows, cancellationToken).ConfigureAwait(false);
            foreach (StoredPlan plan in page)
            {
                before = plan.Id;
                bytes += plan.SpoolBytes;
                bool isOver = kept >= options.MaxPlanCount || (kept > 0 && bytes > options.MaxBytes);
                if (isOver && await tree.RemovePlanAsync(plan.Id, cancellationToken).ConfigureAwait(false))
                {
                    File.Delete(FileOf(plan.Id));
                }
                else
                {
                    kept++;
                }
            }
        }
        while (page.Count == PageRows);
    }

    private string FileOf(long id) =>
        Path.Combine(options.Folder, id.ToString("d8", CultureInfo.InvariantCulture) + Extension);
}
