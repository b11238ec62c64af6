using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Feeds.Reading;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;

namespace DataLayer.Engine.Feeds;

/// <summary>
/// Finds the samples of a dataset: walks the tree, takes over what the index before knows of files whose content is
/// still the same, and reads the others side by side.
/// </summary>
internal sealed class IndexBuilder
{
    private const int PageFiles = 1000;
    private const int ReadsAtOnce = 16;

    private readonly FileEngine _engine;
    private readonly EngineContext _context;
    private readonly DatasetSpec _spec;
    private readonly List<PathGlob> _include = [];
    private readonly Action<JobProgress> _report;
    private Dictionary<string, string>? _csv;
    private InodeId _labelFile;
    private string _root = string.Empty;
    private long _readFiles;
    private long _doneFiles;
    private long _totalFiles;

    public IndexBuilder(FileEngine engine, DatasetSpec spec, Action<JobProgress> report)
    {
        (_engine, _context, _spec, _report) = (engine, engine.Context, spec, report);
        Check(spec, _include);
    }

    /// <summary>Files that were read, not taken over, a count.</summary>
    public long ReadFiles => Interlocked.Read(ref _readFiles);

    /// <summary>Checks a spec.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: with what to change.</exception>
    public static void Check(DatasetSpec spec) => Check(spec, []);

    /// <summary>Builds.</summary>
    /// <param name="known">The index before and its manifest, of the same spec; or null.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">InvalidArgument: bad input, with file, byte and remedy.</exception>
    public async ValueTask<IndexBuild> BuildAsync(
        (SampleIndex Index, string Manifest)? known, CancellationToken cancellationToken)
    {
        await LoadLabelsAsync(cancellationToken).ConfigureAwait(false);
        List<Found> found = await FindFilesAsync(cancellationToken).ConfigureAwait(false);
        _totalFiles = found.Count;
        if (found.Count == 0)
        {
            throw Refuse($"No file of '{_spec.Path}' belongs to the dataset: look at path and include.");
        }

        Dictionary<string, (ManifestFile File, long Number)> before = LoadManifest(known?.Manifest);
        IndexedFile[] files = new IndexedFile[found.Count];
        RecordShape?[] shapes = new RecordShape?[found.Count];
        ParallelOptions degree = new() { MaxDegreeOfParallelism = ReadsAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, found.Count, degree, async (i, token) =>
        {
            Found file = found[i];
            if (before.TryGetValue(file.Path, out (ManifestFile File, long Number) old) && IsSame(old.File, file))
            {
                (files[i], shapes[i]) = TakeOver(known!.Value.Index, old.File, old.Number);
            }
            else
            {
                (files[i], shapes[i]) = await ReadAsync(file, token).ConfigureAwait(false);
                Interlocked.Increment(ref _readFiles);
            }

            SetLabel(files[i]);
            long done = Interlocked.Increment(ref _doneFiles);
            if (_spec.Kind != DatasetKind.Files || done % PageFiles == 0)
            {
                _report(new JobProgress(done, _totalFiles, 0, 0, 0));
            }
        }).ConfigureAwait(false);
        RecordShape? shape = CheckShapes(files, shapes);
        await SetArrayLabelsAsync(files, cancellationToken).ConfigureAwait(false);
        IndexBuild build = new() { Spec = _spec, Files = files, Record = shape };
        build.Prepare();
        return build.SampleCount > 0
            ? build
            : throw Refuse($"The files of '{_spec.Path}' have no samples: look at path, kind and include.");
    }

    private static void Check(DatasetSpec spec, List<PathGlob> include)
    {
        string? fault = null;
        string pattern = spec.Include is { } text && text.Contains('/', StringComparison.Ordinal)
            ? "/" + text.TrimStart('/')
            : "/**/" + spec.Include;
        if (spec.Include is not null && !PathGlob.TryParse(pattern, include, out fault))
        {
            throw Refuse($"include '{spec.Include}' {fault}.");
        }

        fault = spec switch
        {
            { ValidationShare: not (>= 0 and < 1) } => "validation is no share from 0 to below 1",
            { RecordBytes: not (null or (>= 1 and <= int.MaxValue)) } => "recordBytes is not 1 to 2147483647",
            { RecordBytes: not null, Kind: not DatasetKind.Fixed } => "recordBytes goes with kind fixed",
            { Labels: LabelSource.Member, Kind: not DatasetKind.Tar } => "labels from members go with kind tar",
            { Labels: LabelSource.Field, Kind: not DatasetKind.Lines } => "labels from fields go with kind lines",
            { Labels: LabelSource.Array, Kind: not DatasetKind.Fixed } => "labels from an array go with kind fixed",
            { Labels: LabelSource.Csv or LabelSource.Array, LabelsFrom: null or "" } =>
                "the file of the labels is missing",
            { Labels: LabelSource.Field, LabelsFrom: null or "" } => "the name of the labels' field is missing",
            { SplitSalt.Length: > 200 } => "the salt of the split is longer than 200 characters",
            _ => null,
        };
        if (fault is not null)
        {
            throw Refuse($"The dataset cannot be made: {fault}.");
        }
    }

    private static DataLayerException Refuse(string message) => new(ErrorCode.InvalidArgument, message);

    private static bool IsSame(ManifestFile old, in Found now) =>
        old.Inode == now.Attributes.Inode.Value && old.Generation == now.Attributes.Generation
        && old.Version == now.Attributes.Version && old.Size == now.Attributes.SizeBytes;

    /// <summary>
    /// What content a file has, for the hash: the object's ETag where an object holds it, else what the tree says.
    /// Kept from build to build while the content stays, so an upload or a move between the tiers changes nothing.
    /// </summary>
    private static string IdentityOf(InodeAttributes file, ObjectReference? held) => held switch
    {
        { IsPacked: true } => string.Create(CultureInfo.InvariantCulture, $"pack:{held.ETag}@{held.PackOffsetBytes}"),
        not null => $"etag:{held.ETag}",
        _ => string.Create(
            CultureInfo.InvariantCulture,
            $"local:{file.Inode.Value}-{file.Generation}-{file.Version}-{file.ModifyTimeNanoseconds}"),
    };

    private static ManifestFile Describe(string path, InodeAttributes file, ObjectReference? found, long samples)
    {
        ObjectReference? held = file.State == TierState.Hot ? null : found;
        return new ManifestFile
        {
            Path = path,
            Inode = file.Inode.Value,
            Generation = file.Generation,
            Version = file.Version,
            Size = file.SizeBytes,
            Samples = samples,
            Identity = IdentityOf(file, held),
            Key = held?.Key,
            ETag = held?.ETag,
            VersionId = held?.VersionId,
        };
    }

    private static Dictionary<string, (ManifestFile File, long Number)> LoadManifest(string? path)
    {
        Dictionary<string, (ManifestFile File, long Number)> files = new(StringComparer.Ordinal);
        foreach (ManifestFile file in path is null ? [] : ManifestStore.Read(path))
        {
            files[file.Path] = (file, files.Count);
        }

        return files;
    }

    private async ValueTask<List<Found>> FindFilesAsync(CancellationToken cancellationToken)
    {
        InodeAttributes start = await _context.View.ResolveAsync(_spec.Path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        _root = (await _context.Tree.GetPathAsync(start.Inode, cancellationToken).ConfigureAwait(false)
            ?? _spec.Path).TrimEnd('/');
        if (start.Kind == FileKind.Regular)
        {
            FileContent file = await _context.Tree.GetContentAsync(start.Inode, cancellationToken)
                .ConfigureAwait(false)
                ?? throw new DataLayerException(ErrorCode.NotFound, $"'{_spec.Path}' is gone.");
            if (_spec.Labels is LabelSource.Member or LabelSource.Field)
            {
                RefuseEncrypted(file.Attributes, _spec.Path);
            }

            return [new Found(string.Empty, file.Attributes, file.Object)];
        }

        List<Found> files = [];
        string? cursor = null;
        do
        {
            (IReadOnlyList<FileFactRow> page, cursor) = await _context.Tree
                .WalkFactsAsync(start.Inode, cursor, PageFiles, cancellationToken).ConfigureAwait(false);
            foreach (FileFactRow row in page)
            {
                if (row.Attributes.Inode != _labelFile && IsIncluded(row.RelativePath))
                {
                    if (_spec.Labels is LabelSource.Member or LabelSource.Field)
                    {
                        RefuseEncrypted(row.Attributes, row.RelativePath);
                    }

                    files.Add(new Found(row.RelativePath, row.Attributes, row.Object));
                }
            }
        }
        while (cursor is not null);
        return files;
    }

    private bool IsIncluded(string path)
    {
        if (_spec.Include is null)
        {
            return !path.StartsWith('.') && !path.Contains("/.", StringComparison.Ordinal);
        }

        string rooted = "/" + path;
        foreach (PathGlob glob in _include)
        {
            if (glob.IsMatch(rooted))
            {
                return true;
            }
        }

        return false;
    }

    private (IndexedFile File, RecordShape? Shape) TakeOver(SampleIndex index, ManifestFile old, long number)
    {
        (long first, long count) = index.SamplesOf(number);
        bool hasRanges = _spec.Kind is DatasetKind.Tar or DatasetKind.Lines;
        bool hasLabels = _spec.Labels is LabelSource.Member or LabelSource.Field;
        long[]? offsets = hasRanges ? new long[count] : null;
        long[]? lengths = hasRanges ? new long[count] : null;
        string[]? labels = hasLabels ? new string[count] : null;
        for (long i = 0; i < count && (hasRanges || hasLabels); i++)
        {
            SamplePlace place = index[first + i];
            if (hasRanges)
            {
                (offsets![i], lengths![i]) = (place.OffsetBytes, place.LengthBytes);
            }

            if (hasLabels)
            {
                labels![i] = index.Classes[place.Class];
            }
        }

        return (
            new IndexedFile
            {
                File = old,
                Count = count,
                Offsets = offsets,
                Lengths = lengths,
                DataOffset = index.DataOffsetOf(number),
                Labels = labels,
            },
            _spec.Kind == DatasetKind.Fixed ? index.Record : null);
    }

    private async ValueTask<(IndexedFile File, RecordShape? Shape)> ReadAsync(
        Found found, CancellationToken cancellationToken)
    {
        if (_spec.Kind == DatasetKind.Files)
        {
            return (
                new IndexedFile { File = Describe(found.Path, found.Attributes, found.Object, 1), Count = 1 }, null);
        }

        OpenFile open = await _engine.OpenFileAsync(found.Attributes.Inode, write: false, cancellationToken)
            .ConfigureAwait(false);
        await using (open.ConfigureAwait(false))
        {
            FileContent content = open.Content.Content;
            SourceFile source = new(open, PathOf(found.Path));
            (IndexedFile file, RecordShape? shape) = await ReadAsync(
                source, found.Path, content, cancellationToken).ConfigureAwait(false);
            return open.Attributes.Version == content.Attributes.Version
                ? (file, shape)
                : throw new DataLayerException(
                    ErrorCode.Stale,
                    $"'{source.Path}' was written while it was read: refresh the dataset when it rests.");
        }
    }

    private async ValueTask<(IndexedFile File, RecordShape? Shape)> ReadAsync(
        SourceFile source, string path, FileContent content, CancellationToken cancellationToken)
    {
        if (_spec.Kind == DatasetKind.Fixed)
        {
            ArrayHeader header = await ArrayHeader.ReadAsync(source, _spec.RecordBytes, cancellationToken)
                .ConfigureAwait(false);
            return (
                new IndexedFile
                {
                    File = Describe(path, content.Attributes, content.Object, header.Count),
                    Count = header.Count,
                    DataOffset = header.DataOffset,
                },
                header.Record);
        }

        (long[] offsets, long[] lengths, string[]? labels) = _spec.Kind == DatasetKind.Tar
            ? await TarSamples.ReadAsync(source, _spec.Labels == LabelSource.Member, cancellationToken)
                .ConfigureAwait(false)
            : await LineSamples.ReadAsync(
                source, _spec.Labels == LabelSource.Field ? _spec.LabelsFrom : null, cancellationToken)
                .ConfigureAwait(false);
        return (
            new IndexedFile
            {
                File = Describe(path, content.Attributes, content.Object, offsets.Length),
                Count = offsets.Length,
                Offsets = offsets,
                Lengths = lengths,
                Labels = labels,
            },
            null);
    }

    private RecordShape? CheckShapes(IndexedFile[] files, RecordShape?[] shapes)
    {
        RecordShape? first = shapes[0];
        for (int i = 1; i < files.Length; i++)
        {
            if (first is not null && !first.IsSame(shapes[i]!))
            {
                throw Refuse(
                    $"The records of '{PathOf(files[i].File.Path)}' are {shapes[i]}, those of "
                    + $"'{PathOf(files[0].File.Path)}' {first}: a dataset has one kind of record. Choose files with "
                    + "include.");
            }
        }

        return first;
    }

    private async ValueTask LoadLabelsAsync(CancellationToken cancellationToken)
    {
        if (_spec.Labels is LabelSource.Csv or LabelSource.Array)
        {
            InodeAttributes file = await _context.View
                .ResolveAsync(_spec.LabelsFrom!, followLast: true, cancellationToken).ConfigureAwait(false);
            _labelFile = file.Inode;
            RefuseEncrypted(file, _spec.LabelsFrom!);
        }

        if (_spec.Labels == LabelSource.Csv)
        {
            _csv = await ReadLabelFileAsync(LabelFile.ReadCsvAsync, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>An index stands on the disk in clear text: no bytes of an encrypted attachment go into it.</summary>
    private void RefuseEncrypted(InodeAttributes file, string path)
    {
        if (_context.Attachments.KeyOf(file.AttachmentId) != 0)
        {
            throw Refuse(
                $"'{path}' lies in an encrypted attachment, and an index keeps labels in clear text: labels from "
                + "files' bytes cannot be taken there. Take those of folders, or none.");
        }
    }

    private async ValueTask<T> ReadLabelFileAsync<T>(
        Func<SourceFile, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken)
    {
        OpenFile open = await _engine.OpenFileAsync(_spec.LabelsFrom!, write: false, cancellationToken)
            .ConfigureAwait(false);
        await using (open.ConfigureAwait(false))
        {
            return await read(new SourceFile(open, _spec.LabelsFrom!), cancellationToken).ConfigureAwait(false);
        }
    }

    private void SetLabel(IndexedFile file)
    {
        string path = file.File.Path;
        if (_spec.Labels == LabelSource.Folder)
        {
            int end = path.LastIndexOf('/');
            file.Label = end > 0
                ? path[(path.LastIndexOf('/', end - 1) + 1)..end]
                : throw Refuse(
                    $"'{PathOf(path)}' has no label: it lies in no folder below '{_spec.Path}'. Move it into the "
                    + "folder of its label, or leave it out with include.");
        }
        else if (_csv is not null)
        {
            string name = path.Length > 0 ? path : _root[(_root.LastIndexOf('/') + 1)..];
            file.Label = _csv.TryGetValue(name, out string? label)
                ? label
                : throw Refuse(
                    $"'{PathOf(path)}' has no label: '{_spec.LabelsFrom}' has no line for '{name}'. Add it, or leave "
                    + "the file out with include.");
        }
    }

    private async ValueTask SetArrayLabelsAsync(IndexedFile[] files, CancellationToken cancellationToken)
    {
        if (_spec.Labels != LabelSource.Array)
        {
            return;
        }

        string[] labels = await ReadLabelFileAsync(LabelFile.ReadArrayAsync, cancellationToken).ConfigureAwait(false);
        long total = 0;
        foreach (IndexedFile file in files)
        {
            total += file.Count;
        }

        if (total != labels.Length)
        {
            throw Refuse($"'{_spec.LabelsFrom}' has {labels.Length} labels for {total} records: give one for each.");
        }

        long next = 0;
        foreach (IndexedFile file in files)
        {
            file.Labels = labels[(int)next..(int)(next + file.Count)];
            next += file.Count;
        }
    }

    private string PathOf(string path) => path.Length == 0 ? _root : $"{_root}/{path}";

    private readonly record struct Found(string Path, InodeAttributes Attributes, ObjectReference? Object);
}
