using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Metadata.Operations;

namespace DataLayer.Metadata;

/// <content>Checks.</content>
public sealed partial class TreeStore
{
    /// <summary>
    /// Checks the tree against itself: database integrity, checksums of all rows, link counts, dangling dentries,
    /// unreachable inodes, contradicting contents, journal entries without inode. Changes nothing.
    /// </summary>
    /// <returns>The problems, at most 1,000; none when the tree is sound.</returns>
    public async ValueTask<IReadOnlyList<TreeProblem>> CheckAsync(CancellationToken cancellationToken) =>
        (await CheckAsync(repair: false, cancellationToken).ConfigureAwait(false)).Problems;

    /// <summary>
    /// As <see cref="CheckAsync(CancellationToken)"/>; with <paramref name="repair"/> also repairs what the tree itself
    /// knows better, each problem in a transaction of its own, and checks again. Rows that fail their checksum stay.
    /// </summary>
    public async ValueTask<TreeCheckReport> CheckAsync(bool repair, CancellationToken cancellationToken)
    {
        TreeCheckReport report = await CheckOnceAsync(cancellationToken).ConfigureAwait(false);
        long repaired = 0;
        bool again = repair;

        // Repairing one problem may show another (a rescued folder's links), hence a few rounds.
        for (int round = 0; again && report.Problems.Count > 0 && round < 8; round++)
        {
            again = false;
            foreach (TreeProblem problem in report.Problems)
            {
                if (await TryRepairAsync(problem, cancellationToken).ConfigureAwait(false))
                {
                    repaired++;
                    again = true;
                }
            }

            report = await CheckOnceAsync(cancellationToken).ConfigureAwait(false);
        }

        return report with { RepairedCount = repaired };
    }

    // A problem whose rows are damaged themselves stays in the report.
    private async ValueTask<bool> TryRepairAsync(TreeProblem problem, CancellationToken cancellationToken)
    {
        try
        {
            return await ChangeAsync(w => TreeRepair.Run(w, problem), cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.Corrupt)
        {
            return false;
        }
    }

    private async ValueTask<TreeCheckReport> CheckOnceAsync(CancellationToken cancellationToken) =>
        await Task.Run(
            async () => await _reads.RunAsync(TreeCheck.Run, cancellationToken).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false);

    /// <summary>Lets the database grow to so many pages and no further, as a full disk would. For tests.</summary>
    internal ValueTask LimitDatabaseAsync(int pages) => ChangeVoidAsync(
        w =>
        {
            w.Tables.Session.ExecuteScript(
                string.Create(CultureInfo.InvariantCulture, $"PRAGMA max_page_count={pages}"));
            return true;
        },
        CancellationToken.None);
}
