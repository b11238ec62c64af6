using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering.Recurrence;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Heat;

/// <summary>
/// What was read when: by the minute, the hour and the day, for the whole tree, for each attachment and for folders
/// near the root.
/// </summary>
/// <remarks>
/// <para>A file counts for the tree, for its attachment, and for one folder: the one above it at most
/// <see cref="HeatOptions.FolderDepth"/> names deep. History of a folder is the sum over the series of the folders at
/// and below it. The number of series is bounded: a new folder takes the place of the one that was not read for
/// longest, if that is more than a day; else it counts for the nearest folder above that has a series, or for tree and
/// attachment only.</para>
/// <para>Each addition goes to its minute, hour and day in one transaction, so the coarser rows are the sums of the
/// finer ones, as long as both are kept. Time is UTC; an access is of the time of the flush that took it.</para>
/// <para>Owned by <see cref="HeatTable"/>, whose gate guards all that changes; queries take no lock.</para>
/// </remarks>
public sealed class AccessHistory
{
    private const int PageRows = 5000;
    private const int MaxPending = 20_000;
    private const long Day = 86_400_000_000_000;
    private static readonly TimeSpan _usePause = TimeSpan.FromHours(1);
    private static readonly TimeSpan _trimInterval = TimeSpan.FromHours(1);
    private readonly EngineContext _context;
    private readonly HeatOptions _options;
    private readonly Dictionary<(AccessSeriesKind Kind, long Subject), Series> _series = [];
    private readonly Dictionary<long, Series?> _folders = [];
    private readonly List<AccessAddition> _pending = [];
    private readonly Dictionary<long, int> _pendingIndex = [];
    private long _pendingMinute;
    private long _trimmedAt;
    private bool _isLoaded;

    internal AccessHistory(EngineContext context)
    {
        _context = context;
        _options = context.Options.Heat;
    }

    /// <summary>What is to be written with the next batch. Under the table's gate.</summary>
    internal IReadOnlyList<AccessAddition> Pending => _pending;

    /// <summary>All series: what they are of and when that was read last.</summary>
    public async ValueTask<IReadOnlyList<AccessSeries>> ListSeriesAsync(CancellationToken cancellationToken) =>
        await _context.Tree.ListAccessSeriesAsync(cancellationToken).ConfigureAwait(false);

    /// <summary>
    /// What was read at and below a folder from a time on and before another, by minute, hour or day (of UTC), in order
    /// of time; spans in which nothing was read are left out. What was counted since the last flush is not in it.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// NotFound; NotADirectory; InvalidArgument: the folder lies deeper than folders have series.
    /// </exception>
    public async ValueTask<IReadOnlyList<AccessBucket>> QueryAsync(
        string path, HistoryLevel level, DateTimeOffset from, DateTimeOffset until, CancellationToken cancellationToken)
    {
        InodeAttributes folder = await _context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        if (folder.Kind != FileKind.Directory)
        {
            throw new DataLayerException(
                ErrorCode.NotADirectory, $"'{path}' is no folder; history is kept by folder, heat by file.");
        }

        SortedDictionary<long, AccessBucket> sums = [];
        foreach (long id in await SeriesBelowAsync(path, folder.Inode, cancellationToken).ConfigureAwait(false))
        {
            await AddSeriesAsync(sums, id, level, ToNanoseconds(from), ToNanoseconds(until), cancellationToken)
                .ConfigureAwait(false);
        }

        return [.. sums.Values];
    }

    /// <summary>
    /// The uses of a folder (or of a file's folder): times of reading without a pause of an hour, as long as hours are
    /// kept. Of a folder deeper than folders have series, those of the one above it.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    internal async ValueTask<IReadOnlyList<DatasetUse>> FindUsesAsync(
        string path, CancellationToken cancellationToken)
    {
        DateTimeOffset now = _context.Time.GetUtcNow();
        while (true)
        {
            try
            {
                IReadOnlyList<AccessBucket> rows = await QueryAsync(
                    path, HistoryLevel.Hour, now - _options.HourRetention, now.AddSeconds(1), cancellationToken)
                        .ConfigureAwait(false);
                return DatasetUse.Find(rows, _usePause, minBytes: 1);
            }
            catch (DataLayerException e)
                when (e.Code is ErrorCode.NotADirectory or ErrorCode.InvalidArgument && path.Length > 1)
            {
                path = path[..Math.Max(1, path.LastIndexOf('/'))];
            }
        }
    }

    /// <summary>Makes sure that all series are known which some files count for. Under the table's gate.</summary>
    internal async ValueTask PrepareAsync(IReadOnlyList<HeatLookup> files, CancellationToken cancellationToken)
    {
        if (!_isLoaded)
        {
            foreach (AccessSeries stored in await _context.Tree.ListAccessSeriesAsync(cancellationToken)
                .ConfigureAwait(false))
            {
                _series[(stored.Kind, stored.Subject)] = new Series(stored);
            }

            _isLoaded = true;
        }

        await NeedAsync(AccessSeriesKind.Tree, 0, "/", cancellationToken).ConfigureAwait(false);
        _folders.Clear(); // Folders may have been moved since the last flush.
        foreach (HeatLookup file in files)
        {
            if (file.Folder != InodeId.None && !_folders.ContainsKey(file.Folder.Value))
            {
                _folders.Add(
                    file.Folder.Value, await FindFolderAsync(file.Folder, cancellationToken).ConfigureAwait(false));
            }
        }

        foreach (Attachment attachment in _context.Attachments.List())
        {
            await NeedAsync(AccessSeriesKind.Attachment, attachment.Id, attachment.Path, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    /// <summary>Adds one file's accesses to its series. Under the table's gate, after it was prepared for.</summary>
    internal void Add(in HeatLookup file, long attachmentId, in AccessSums sums, long now)
    {
        Add(_series[(AccessSeriesKind.Tree, 0)], sums, now);
        if (attachmentId != 0 && _series.TryGetValue((AccessSeriesKind.Attachment, attachmentId), out Series? whole))
        {
            Add(whole, sums, now);
        }

        if (_folders.TryGetValue(file.Folder.Value, out Series? folder) && folder is not null)
        {
            Add(folder, sums, now);
        }
    }

    /// <summary>What was pending is written. Under the table's gate.</summary>
    internal void Saved()
    {
        _pending.Clear();
        _pendingIndex.Clear();
    }

    /// <summary>
    /// Removes what is kept long enough; at most once an hour, unless forced. Under the table's gate.
    /// </summary>
    /// <returns>How many rows went.</returns>
    internal async ValueTask<long> TrimAsync(CancellationToken cancellationToken, bool force = false)
    {
        long now = _context.NowNanoseconds();
        if (!force && now - _trimmedAt < _trimInterval.TotalNanoseconds && now >= _trimmedAt)
        {
            return 0;
        }

        _trimmedAt = now;
        HistoryCutoffs cutoffs = new(
            now - Nanoseconds(_options.MinuteRetention), now - Nanoseconds(_options.HourRetention),
            now - Nanoseconds(_options.DayRetention));
        long removed = 0;
        foreach (AccessSeries series in await ListSeriesAsync(cancellationToken).ConfigureAwait(false))
        {
            removed += await _context.Tree.TrimHistoryAsync(series.Id, cutoffs, cancellationToken)
                .ConfigureAwait(false);
        }

        _isLoaded = false; // Some series may be gone.
        _series.Clear();
        return removed;
    }

    private static long Nanoseconds(TimeSpan span) => span.Ticks * 100;

    private static long ToNanoseconds(DateTimeOffset time)
    {
        long ticks = Math.Clamp(
            time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks, long.MinValue / 200, long.MaxValue / 200);
        return ticks * 100;
    }

    private void Add(Series series, in AccessSums sums, long now)
    {
        long minute = now / 60_000_000_000;
        if (minute != _pendingMinute)
        {
            _pendingIndex.Clear(); // What a failed flush left keeps its own time.
            _pendingMinute = minute;
        }

        series.LastTime = Math.Max(series.LastTime, now);
        if (_pendingIndex.TryGetValue(series.Stored.Id, out int index))
        {
            AccessAddition known = _pending[index];
            _pending[index] = known with { Sums = known.Sums + sums, TimeNanoseconds = now };
        }
        else if (_pending.Count < MaxPending)
        {
            _pendingIndex.Add(series.Stored.Id, _pending.Count);
            _pending.Add(new AccessAddition(series.Stored.Id, now, sums));
        }
    }

    private async ValueTask<Series?> FindFolderAsync(InodeId folder, CancellationToken cancellationToken)
    {
        IReadOnlyList<InodeId> chain = await _context.Tree.ListAncestorsAsync(folder, cancellationToken)
            .ConfigureAwait(false);
        int depth = Math.Min(_options.FolderDepth, chain.Count - 1);
        if (depth < 1)
        {
            return null;
        }

        long wanted = chain[depth].Value;
        if (_series.TryGetValue((AccessSeriesKind.Folder, wanted), out Series? known))
        {
            return known;
        }

        string? path = await _context.Tree.GetPathAsync(chain[depth], cancellationToken).ConfigureAwait(false);
        if (path is null)
        {
            return null;
        }

        if (await NeedAsync(AccessSeriesKind.Folder, wanted, path, cancellationToken).ConfigureAwait(false) is { } made)
        {
            return made;
        }

        for (depth--; depth > 0; depth--)
        {
            if (_series.TryGetValue((AccessSeriesKind.Folder, chain[depth].Value), out Series? above))
            {
                return above;
            }
        }

        return null;
    }

    /// <summary>The series of a subject, made where there is room for it; else null.</summary>
    private async ValueTask<Series?> NeedAsync(
        AccessSeriesKind kind, long subject, string path, CancellationToken cancellationToken)
    {
        if (_series.TryGetValue((kind, subject), out Series? known))
        {
            return known;
        }

        Series? replaced = null;
        long now = _context.NowNanoseconds();
        if (_series.Count >= _options.MaxSeries && kind != AccessSeriesKind.Tree)
        {
            foreach (Series one in _series.Values)
            {
                if (one.Stored.Kind == AccessSeriesKind.Folder && now - one.LastTime > Day
                    && (replaced is null || one.LastTime < replaced.LastTime))
                {
                    replaced = one;
                }
            }

            if (replaced is null)
            {
                return null;
            }
        }

        AccessSeries stored = await _context.Tree.AddAccessSeriesAsync(
            new AccessSeries(0, kind, subject, path, now), replaced?.Stored.Id ?? 0, cancellationToken)
                .ConfigureAwait(false);
        if (replaced is not null)
        {
            _series.Remove((replaced.Stored.Kind, replaced.Stored.Subject));
        }

        Series made = new(stored);
        _series.Add((kind, subject), made);
        return made;
    }

    private async ValueTask<List<long>> SeriesBelowAsync(
        string path, InodeId folder, CancellationToken cancellationToken)
    {
        IReadOnlyList<AccessSeries> all = await ListSeriesAsync(cancellationToken).ConfigureAwait(false);
        long attachment = _context.Attachments.FindByFolder(folder)?.Id ?? 0;
        foreach (AccessSeries one in all)
        {
            if ((folder == InodeId.Root && one.Kind == AccessSeriesKind.Tree)
                || (attachment != 0 && one.Kind == AccessSeriesKind.Attachment && one.Subject == attachment))
            {
                return [one.Id];
            }
        }

        IReadOnlyList<InodeId> chain = await _context.Tree.ListAncestorsAsync(folder, cancellationToken)
            .ConfigureAwait(false);
        if (chain.Count - 1 > _options.FolderDepth)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"'{path}' lies {chain.Count - 1} names deep; history is kept of folders up to {_options.FolderDepth} "
                + "deep (engine.historyDepth). Ask for a folder above it.");
        }

        List<long> below = [];
        string prefix = (await _context.Tree.GetPathAsync(folder, cancellationToken).ConfigureAwait(false) ?? path)
            .TrimEnd('/') + "/";
        foreach (AccessSeries one in all)
        {
            if (one.Kind == AccessSeriesKind.Folder)
            {
                string at = await _context.Tree.GetPathAsync(new InodeId(one.Subject), cancellationToken)
                    .ConfigureAwait(false) ?? one.Path;
                if ((at + "/").StartsWith(prefix, StringComparison.Ordinal))
                {
                    below.Add(one.Id);
                }
            }
        }

        return below;
    }

    private async ValueTask AddSeriesAsync(
        SortedDictionary<long, AccessBucket> sums, long series, HistoryLevel level, long from, long until,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<AccessBucket> page;
        do
        {
            page = await _context.Tree.ListHistoryAsync(series, level, from, until, PageRows, cancellationToken)
                .ConfigureAwait(false);
            foreach (AccessBucket row in page)
            {
                sums[row.StartNanoseconds] = sums.TryGetValue(row.StartNanoseconds, out AccessBucket sum)
                    ? new AccessBucket(
                        row.StartNanoseconds, Math.Min(sum.FirstNanoseconds, row.FirstNanoseconds),
                        Math.Max(sum.LastNanoseconds, row.LastNanoseconds), sum.Sums + row.Sums)
                    : row;
            }

            from = page.Count == 0 ? until : page[^1].StartNanoseconds + 1;
        }
        while (page.Count == PageRows);
    }

    private sealed class Series(AccessSeries stored)
    {
        public AccessSeries Stored { get; } = stored;

        public long LastTime { get; set; } = stored.LastTimeNanoseconds;
    }
}
