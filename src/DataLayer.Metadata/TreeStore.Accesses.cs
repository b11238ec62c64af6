using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Metadata.Operations;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata;

/// <content>Heat and access history. What is written here survives the end of the process, not a power cut.</content>
public sealed partial class TreeStore
{
    /// <summary>What is stored of the heat of some inodes, and the folder each lies in, in the order given.</summary>
    public ValueTask<IReadOnlyList<HeatLookup>> LookupHeatAsync(
        IReadOnlyList<InodeId> inodes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(inodes);
        return _reads.RunAsync(
            t =>
            {
                HeatLookup[] found = new HeatLookup[inodes.Count];
                for (int i = 0; i < found.Length; i++)
                {
                    found[i] = new HeatLookup(
                        inodes[i], t.Heat.Find(inodes[i]), t.Dentries.FirstOf(inodes[i])?.Parent ?? InodeId.None);
                }

                return (IReadOnlyList<HeatLookup>)found;
            },
            cancellationToken);
    }

    /// <summary>The folders from the root down to a folder, both included; empty for one that has no name.</summary>
    public ValueTask<IReadOnlyList<InodeId>> ListAncestorsAsync(InodeId folder, CancellationToken cancellationToken) =>
        _reads.RunAsync<IReadOnlyList<InodeId>>(
            t =>
            {
                List<InodeId> chain = [folder];
                while (chain[^1] != InodeId.Root)
                {
                    if (chain.Count > TreeName.MaxPathBytes || t.Dentries.FirstOf(chain[^1]) is not { } name)
                    {
                        return [];
                    }

                    chain.Add(name.Parent);
                }

                chain.Reverse();
                return chain;
            },
            cancellationToken);

    /// <summary>
    /// Writes heat and adds to the history, in one transaction; give a thousand records at a time, so that changes by
    /// users go in between. Records of inodes that are gone, and additions to series that are gone, are passed over.
    /// </summary>
    public async ValueTask SaveAccessesAsync(
        IReadOnlyList<HeatRecord> heat, IReadOnlyList<AccessAddition> additions, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(heat);
        ArgumentNullException.ThrowIfNull(additions);
        await ChangeAsync(
            w =>
            {
                foreach (HeatRecord record in heat)
                {
                    w.Tables.Heat.Save(record);
                }

                foreach (AccessAddition addition in additions)
                {
                    w.Tables.History.Add(addition);
                }

                return true;
            },
            cancellationToken,
            relaxed: true).ConfigureAwait(false);
    }

    /// <summary>All series of the access history, by number.</summary>
    public ValueTask<IReadOnlyList<AccessSeries>> ListAccessSeriesAsync(CancellationToken cancellationToken) =>
        _reads.RunAsync<IReadOnlyList<AccessSeries>>(static t => t.History.ListSeries(), cancellationToken);

    /// <summary>Begins a series; <paramref name="replaced"/> is a series that goes with its history, or 0.</summary>
    /// <returns>The series with its number.</returns>
    public ValueTask<AccessSeries> AddAccessSeriesAsync(
        AccessSeries series, long replaced, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(series);
        return ChangeAsync(
            w =>
            {
                if (replaced != 0)
                {
                    w.Tables.History.RemoveSeries(replaced);
                }

                AccessSeries added = series with { Id = w.Tables.Reserve("access_series", 1) };
                w.Tables.History.AddSeries(added);
                return added;
            },
            cancellationToken,
            relaxed: true);
    }

    /// <summary>Rows of one series from a time on and before another, by time, at most a number of them.</summary>
    public ValueTask<IReadOnlyList<AccessBucket>> ListHistoryAsync(
        long series, HistoryLevel level, long fromNanoseconds, long untilNanoseconds, int limit,
        CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync<IReadOnlyList<AccessBucket>>(
            t => t.History.List(series, level, fromNanoseconds, untilNanoseconds, limit), cancellationToken);
    }

    /// <summary>Removes rows of one series from before the cutoffs, and a series that nothing is left of.</summary>
    /// <returns>How many rows went.</returns>
    public ValueTask<long> TrimHistoryAsync(
        long series, HistoryCutoffs cutoffs, CancellationToken cancellationToken) =>
        ChangeAsync(w => w.Tables.History.Trim(series, cutoffs), cancellationToken, relaxed: true);

    /// <summary>How many rows of history there are.</summary>
    public ValueTask<long> CountHistoryAsync(CancellationToken cancellationToken) =>
        _reads.RunAsync(static t => t.History.Count(), cancellationToken);

    /// <summary>
    /// Files below a folder with their heat, depth first, in pages; cursor null at first, null when done. As
    /// <see cref="WalkFilesAsync"/>, and cheaper: no bitmap is decoded.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound, NotADirectory.</exception>
    public ValueTask<(IReadOnlyList<FileFactRow> Files, string? Cursor)> WalkFactsAsync(
        InodeId folder, string? cursor, int limit, CancellationToken cancellationToken)
    {
        CheckLimit(limit);
        return _reads.RunAsync(t => FactWalk.Run(t, folder, cursor, limit), cancellationToken);
    }
}
