using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Attaching;

/// <summary>
/// Lists a bucket prefix into the tree, in parallel: at most one LIST a thousand keys, plus one for each split and
/// each range it made. No HEAD.
/// </summary>
/// <remarks>
/// The first range lists its first page. If there is more, one LIST with a delimiter finds the folders below (going
/// down while there is only one), and the rest is cut at folder boundaries into about as many ranges as workers. Each
/// worker lists its range flat with StartAfter, imports page by page, and stops at its end.
/// </remarks>
internal sealed class BucketLister(
    EngineContext context, Attachment attachment, IObjectStore store, ListingPlan plan,
    IProgress<AttachProgress>? progress)
{
    private const int PageKeys = 1000;
    private const int MaxDescent = 8;
    private readonly string _prefix = attachment.KeyPrefix ?? string.Empty;
    private long _objects;
    private long _bytes;
    private long _requests;
    private long _refused;
    private bool _wasSplit;

    /// <summary>Whether packs, or their indexes, lie among what was listed.</summary>
    public bool SawPacks { get; private set; }

    public AttachProgress Progress(bool done) => new(
        Volatile.Read(ref _objects),
        Volatile.Read(ref _bytes),
        Volatile.Read(ref _requests),
        Volatile.Read(ref _refused),
        done);

    /// <summary>Lists and imports everything that is left of the plan.</summary>
    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        List<KeyRange> ranges = [.. plan.Ranges()];
        if (ranges.Count == 1)
        {
            string? token = await ListPageAsync(ranges[0], null, linked.Token).ConfigureAwait(false);
            if (token is null)
            {
                return;
            }

            ranges.AddRange(await SplitAsync(ranges[0], linked.Token).ConfigureAwait(false));
        }

        ParallelOptions options = new()
        {
            MaxDegreeOfParallelism = context.Options.ListParallelism,
            CancellationToken = linked.Token,
        };
        await Parallel.ForEachAsync(ranges, options, ListRangeAsync).ConfigureAwait(false);
    }

    private async ValueTask ListRangeAsync(KeyRange range, CancellationToken cancellationToken)
    {
        string? token = null;
        do
        {
            token = await ListPageAsync(range, token, cancellationToken).ConfigureAwait(false);
        }
        while (token is not null);
    }

    /// <summary>
    /// Lists and imports one page of a range; null when the range is done, else how the bucket goes on.
    /// </summary>
    private async ValueTask<string?> ListPageAsync(KeyRange range, string? token, CancellationToken cancellationToken)
    {
        // After a split the range may end before the token's place, so a token is only used within one walk of a range.
        ObjectListRequest request = new(_prefix, token is null ? range.After : null, null, token, PageKeys);
        ObjectListPage page = await store.ListAsync(request, cancellationToken).ConfigureAwait(false);
        Interlocked.Increment(ref _requests);
        List<ImportedObject> found = new(page.Objects.Count);
        bool passedEnd = false;
        long bytes = 0;
        foreach (ObjectProperties one in page.Objects)
        {
            if (range.Until is { } until && ListingPlan.Compare(one.Key, until) > 0)
            {
                passedEnd = true;
                break;
            }

            if (PackKeys.IsPackPath(one.Key.AsSpan(_prefix.Length)))
            {
                SawPacks = true;
                continue;
            }

            found.Add(new ImportedObject(
                one.Key[_prefix.Length..], one.Key, one.ETag, one.VersionId, one.SizeBytes,
                UnixTime.ToNanoseconds(one.LastModified), one.StorageClass));
            bytes += one.SizeBytes;
        }

        bool ended = passedEnd || page.ContinuationToken is null
            || (range.Until is not null && page.Objects.Count > 0
                && ListingPlan.Compare(page.Objects[^1].Key, range.Until) == 0);
        string? after = ended ? null : page.Objects[^1].Key;
        ImportResult result;
        using (new ChangeScope(context.Stamps, all: true))
        {
            result = await context.Tree.ImportAsync(
                attachment.Id, found, plan.TextWith(range, after), cancellationToken).ConfigureAwait(false);
        }

        plan.Commit(range, after);
        context.Step("attach.imported");
        Interlocked.Add(ref _objects, found.Count - result.Refused.Count);
        Interlocked.Add(ref _bytes, bytes);
        Interlocked.Add(ref _refused, result.Refused.Count);
        progress?.Report(Progress(done: false));
        return ended ? null : page.ContinuationToken;
    }

    /// <summary>Cuts the rest of a range at folder boundaries; empty where the folders give none.</summary>
    private async ValueTask<List<KeyRange>> SplitAsync(KeyRange range, CancellationToken cancellationToken)
    {
        if (_wasSplit || context.Options.ListParallelism == 1)
        {
            return [];
        }

        _wasSplit = true;
        string prefix = _prefix;
        for (int depth = 0; depth < MaxDescent; depth++)
        {
            ObjectListPage page = await store.ListAsync(
                new ObjectListRequest(prefix, range.After, "/", null, PageKeys), cancellationToken)
                    .ConfigureAwait(false);
            Interlocked.Increment(ref _requests);
            if (page.CommonPrefixes.Count == 1 && page.Objects.Count == 0 && page.ContinuationToken is null)
            {
                prefix = page.CommonPrefixes[0];
                continue;
            }

            List<string> cuts = Cuts(page.CommonPrefixes, range.After);
            return cuts.Count == 0 ? [] : plan.Split(range, cuts);
        }

        return [];
    }

    /// <summary>
    /// Boundaries evenly among the folders: keys after a boundary are those of its folder and of what follows.
    /// </summary>
    private List<string> Cuts(IReadOnlyList<string> folders, string? after)
    {
        List<string> ahead = [];
        foreach (string folder in folders)
        {
            if (after is null || ListingPlan.Compare(folder, after) > 0)
            {
                ahead.Add(folder);
            }
        }

        int count = Math.Min(context.Options.ListParallelism - 1, ahead.Count);
        List<string> cuts = new(count);
        for (int i = 0; i < count; i++)
        {
            cuts.Add(ahead[i * ahead.Count / count]);
        }

        return cuts;
    }
}
