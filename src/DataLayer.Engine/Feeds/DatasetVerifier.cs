using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;

namespace DataLayer.Engine.Feeds;

/// <summary>Compares each file of a manifest with what the tree has, and what its bucket has.</summary>
/// <param name="engine">The engine.</param>
/// <param name="index">The index; its samples are counted.</param>
/// <param name="askOrigin">Whether to ask the buckets.</param>
/// <param name="progress">Told after each page; or null.</param>
internal sealed class DatasetVerifier(
    FileEngine engine, SampleIndex index, bool askOrigin, IProgress<DatasetVerification>? progress)
{
    private const int PageFiles = 500;
    private const int LooksAtOnce = 16;
    private const int MaxGaps = 100;

    private readonly List<DatasetGap> _gaps = [];
    private DatasetVerification _found = new();

    public async ValueTask<DatasetVerification> RunAsync(string manifest, CancellationToken cancellationToken)
    {
        List<ManifestFile> page = [];
        foreach (ManifestFile file in ManifestStore.Read(manifest))
        {
            page.Add(file);
            if (page.Count == PageFiles)
            {
                await LookAsync(page, cancellationToken).ConfigureAwait(false);
                page.Clear();
            }
        }

        await LookAsync(page, cancellationToken).ConfigureAwait(false);
        return _found.Files == index.FileCount && _found.Samples == index.Count
            ? _found
            : throw new DataLayerException(
                ErrorCode.Corrupt, $"The manifest has {_found.Files} files, the index {index.FileCount}: refresh it.");
    }

    private async ValueTask LookAsync(List<ManifestFile> page, CancellationToken cancellationToken)
    {
        string?[] reasons = new string?[page.Count];
        ParallelOptions degree = new() { MaxDegreeOfParallelism = LooksAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForAsync(
            0, page.Count, degree,
            async (i, token) => reasons[i] = await FindFaultAsync(page[i], token).ConfigureAwait(false))
            .ConfigureAwait(false);
        for (int i = 0; i < page.Count; i++)
        {
            bool isBad = reasons[i] is not null;
            if (isBad && _gaps.Count < MaxGaps)
            {
                _gaps.Add(new DatasetGap(page[i].Path, page[i].Samples, reasons[i]!));
            }

            _found = _found with
            {
                Files = _found.Files + 1,
                Samples = _found.Samples + page[i].Samples,
                BadFiles = _found.BadFiles + (isBad ? 1 : 0),
                BadSamples = _found.BadSamples + (isBad ? page[i].Samples : 0),
                Gaps = [.. _gaps],
            };
        }

        progress?.Report(_found);
    }

    private async ValueTask<string?> FindFaultAsync(ManifestFile file, CancellationToken cancellationToken)
    {
        FileContent? now = await engine.Context.Tree.GetContentAsync(new InodeId(file.Inode), cancellationToken)
            .ConfigureAwait(false);
        if (now is null || now.Attributes.LinkCount == 0)
        {
            return "It is gone.";
        }

        if (now.Attributes.Generation != file.Generation || now.Attributes.Version != file.Version)
        {
            return string.Create(
                CultureInfo.InvariantCulture,
                $"It was written: it is version {now.Attributes.Version} of generation {now.Attributes.Generation}, "
                    + $"indexed was {file.Version} of {file.Generation}.");
        }

        if (!askOrigin || now.Object is not { } held || now.Attributes.State == TierState.Hot)
        {
            return null;
        }

        ObjectProperties? seen = await engine.Context.Attachments.StoreOf(held.AttachmentId)
            .HeadAsync(held.Key, cancellationToken).ConfigureAwait(false);
        if (seen is not { } found)
        {
            return $"Its object '{held.Key}' is gone from the bucket.";
        }

        return found.ETag == held.ETag || found.CopiedFrom == held.ETag
            ? null
            : $"Its object '{held.Key}' has ETag {found.ETag} now; the tree knows {held.ETag}.";
    }
}
