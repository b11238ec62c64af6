using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Feeds.Serving;
using DataLayer.Engine.Files;
using DataLayer.Metadata;

namespace DataLayer.Engine.Feeds;

/// <summary>
/// Datasets: named subtrees with a sample index, kept in the state folder; built, pinned, verified and read by sample.
/// </summary>
/// <remarks>
/// Safe for concurrent use. Changes of one service come one after the other; builds of one dataset exclude each other.
/// Readers take an index and keep it: a build replaces it for those who come later.
/// </remarks>
public sealed class DatasetService
{
    private readonly FileEngine _engine;
    private readonly DatasetStore _store;
    private readonly Lock _lock = new();
    private readonly ConditionalWeakTable<SampleIndex, FeedKeys> _keys = [];
    private readonly HashSet<string> _building = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (string Hash, SampleIndex Index)> _open = new(StringComparer.Ordinal);

    internal DatasetService(FileEngine engine)
    {
        _engine = engine;
        _store = new DatasetStore(
            engine.Context.Options.StateDirectory is { } state ? Path.Combine(state, "datasets") : null);
    }

    /// <summary>The datasets, by name.</summary>
    public IReadOnlyList<DatasetRecord> List() => _store.List();

    /// <summary>One dataset.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public DatasetRecord Get(string name) => Find(name) ?? throw Missing(name);

    /// <summary>One dataset, or null.</summary>
    public DatasetRecord? Find(string name) => _store.Read(name);

    /// <summary>The error of a dataset that is not there.</summary>
    public static DataLayerException Missing(string name) => new(
        ErrorCode.NotFound, $"There is no dataset '{name}': 'datalayer dataset list' names them.");

    /// <summary>Makes a dataset, still without an index (<see cref="BuildAsync"/>).</summary>
    /// <exception cref="DataLayerException">
    /// AlreadyExists: there is one of that name with another spec. InvalidArgument; NotFound: no such path.
    /// </exception>
    public async ValueTask<DatasetRecord> CreateAsync(
        string name, DatasetSpec spec, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spec);
        _store.Check(name);
        IndexBuilder.Check(spec);
        await _engine.StatAsync(spec.Path, followLast: true, cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            DatasetRecord? known = _store.Read(name);
            if (known is not null && known.Spec != spec)
            {
                throw new DataLayerException(
                    ErrorCode.AlreadyExists,
                    $"There is a dataset '{name}' made of something else: delete it first, or take another name.");
            }

            if (known is null)
            {
                known = new DatasetRecord { Name = name, Spec = spec, CreatedAt = _engine.Context.Time.GetUtcNow() };
                _store.Save(known);
            }

            return known;
        }
    }

    /// <summary>Builds the index of a dataset, or brings it up to date; only files that changed are read.</summary>
    /// <exception cref="DataLayerException">
    /// WrongState: it is pinned, or being built. InvalidArgument: bad input, with file, byte and remedy.
    /// </exception>
    public async ValueTask<DatasetRecord> BuildAsync(
        string name, Action<JobProgress> report, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(report);
        DatasetRecord known = Begin(name);
        try
        {
            (SampleIndex, string)? before = TryOpen(known) is { } index ? (index, _store.ManifestOf(known)) : null;
            IndexBuilder builder = new(_engine, known.Spec, report);
            IndexBuild build = await builder.BuildAsync(before, cancellationToken).ConfigureAwait(false);
            return Keep(known, build, builder.ReadFiles);
        }
        catch (DataLayerException e) when (e.Code is not (ErrorCode.ShuttingDown or ErrorCode.NotFound))
        {
            Change(name, r => r with { Fault = e.Message });
            throw;
        }
        finally
        {
            lock (_lock)
            {
                _building.Remove(name);
            }
        }
    }

    /// <summary>The index of a dataset, mapped.</summary>
    /// <exception cref="DataLayerException">NotFound; WrongState: it has none yet; Corrupt.</exception>
    public SampleIndex Open(string name)
    {
        DatasetRecord record = Get(name);
        if (record.Hash is null)
        {
            throw new DataLayerException(
                ErrorCode.WrongState,
                $"Dataset '{name}' has no index yet"
                    + (record.Fault is null ? ": wait for its job." : $", the last build failed: {record.Fault}"));
        }

        if (_open.TryGetValue(name, out (string Hash, SampleIndex Index) open) && open.Hash == record.Hash)
        {
            return open.Index;
        }

        SampleIndex index = SampleIndex.Open(_store.IndexOf(record));
        _open[name] = (record.Hash, index);
        return index;
    }

    /// <summary>
    /// Freezes a dataset: its index is not built again, tiering keeps the hot copies of its files, and samples whose
    /// file is not what the index is of are not read.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound; WrongState: it has no index, or is being built.</exception>
    public DatasetRecord Pin(string name)
    {
        lock (_lock)
        {
            CheckNotBuilding(name);
            SampleIndex index = Open(name);
            DatasetRecord record = Get(name);
            record = record with { PinnedAt = record.PinnedAt ?? _engine.Context.Time.GetUtcNow() };
            _engine.Context.DatasetPins.Set(name, index.GetSortedInodes());
            _store.Save(record);
            return record;
        }
    }

    /// <summary>Lets a dataset go with its files again.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public DatasetRecord Unpin(string name)
    {
        DatasetRecord record = Change(name, static r => r with { PinnedAt = null });
        lock (_lock)
        {
            _engine.Context.DatasetPins.Remove(name);
        }

        return record;
    }

    /// <summary>Forgets a dataset; its files stay as they are.</summary>
    /// <exception cref="DataLayerException">NotFound; WrongState: it is pinned, or being built.</exception>
    public void Delete(string name)
    {
        lock (_lock)
        {
            CheckNotBuilding(name);
            if (Get(name).PinnedAt is not null)
            {
                throw new DataLayerException(
                    ErrorCode.WrongState, $"Dataset '{name}' is pinned: unpin it before you delete it.");
            }

            _store.Remove(name);
            _open.TryRemove(name, out _);
        }
    }

    /// <summary>
    /// Looks whether every file of a dataset is still what the index is of, in the tree and, where an object holds it,
    /// in its bucket.
    /// </summary>
    /// <param name="name">The dataset.</param>
    /// <param name="askOrigin">Whether to ask the buckets: a request a file.</param>
    /// <param name="progress">Told as it goes; or null.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">NotFound; WrongState: it has no index; Corrupt.</exception>
    public ValueTask<DatasetVerification> VerifyAsync(
        string name, bool askOrigin, IProgress<DatasetVerification>? progress, CancellationToken cancellationToken)
    {
        SampleIndex index = Open(name);
        return new DatasetVerifier(_engine, index, askOrigin, progress)
            .RunAsync(_store.ManifestOf(Get(name)), cancellationToken);
    }

    /// <summary>Reads a sample whole. It is of the content that the index is of, or the read fails.</summary>
    /// <returns>How many bytes it has.</returns>
    /// <param name="place">The sample, as the index has it.</param>
    /// <param name="destination">Room for all of it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="DataLayerException">
    /// Stale: the file is another than the one indexed, or gone; what it was may not be mixed with what it is.
    /// </exception>
    public async ValueTask<int> ReadSampleAsync(
        SamplePlace place, Memory<byte> destination, CancellationToken cancellationToken)
    {
        OpenFile file;
        try
        {
            file = await _engine.OpenFileAsync(place.Inode, write: false, cancellationToken).ConfigureAwait(false);
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
        {
            throw Changed(place, "is gone");
        }

        await using (file.ConfigureAwait(false))
        {
            int length = (int)Math.Min(destination.Length, place.LengthBytes);
            for (int done = 0; done < length;)
            {
                int count = IsOf(file.Attributes, place)
                    ? await file.ReadAsync(place.OffsetBytes + done, destination[done..length], cancellationToken)
                        .ConfigureAwait(false)
                    : 0;
                done += count > 0 ? count : throw Changed(place, "was changed");
            }

            // Also after the last byte: a write in place during the read may have mixed old and new.
            return IsOf(file.Attributes, place) ? length : throw Changed(place, "was changed");
        }
    }

    /// <summary>The keys of all samples of an index that is current.</summary>
    /// <exception cref="DataLayerException">Stale: another index is by now; Corrupt; NotFound.</exception>
    internal FeedKeys ReadKeys(string name, SampleIndex index)
    {
        if (_keys.TryGetValue(index, out FeedKeys? known))
        {
            return known;
        }

        DatasetRecord record = Get(name);
        FeedKeys keys = new(index, _store.ManifestOf(record));
        if (record.Hash != Convert.ToHexStringLower(index.Hash))
        {
            throw new DataLayerException(
                ErrorCode.Stale, $"The index of dataset '{name}' was built anew a moment ago: try again.");
        }

        _keys.AddOrUpdate(index, keys);
        return keys;
    }

    /// <summary>Takes up the pins; a service does at its start.</summary>
    public void Load()
    {
        foreach (DatasetRecord record in _store.List())
        {
            if (record.PinnedAt is not null)
            {
                _engine.Context.DatasetPins.Set(
                    record.Name, TryOpen(record)?.GetSortedInodes() ?? ListInodes(_store.ManifestOf(record)));
            }
        }
    }

    internal static bool IsOf(InodeAttributes file, in SamplePlace place) =>
        file.Generation == place.Generation && file.Version == place.Version;

    internal static DataLayerException Changed(in SamplePlace place, string how) => new(
        ErrorCode.Stale,
        $"The file of sample {place.Number} (inode {place.Inode}) {how} since the index was built: 'datalayer dataset "
            + "verify' names all such files; put them back, or unpin and refresh the dataset.");

    private static long[] ListInodes(string manifest)
    {
        List<long> inodes = [];
        foreach (ManifestFile file in ManifestStore.Read(manifest))
        {
            inodes.Add(file.Inode);
        }

        inodes.Sort();
        return [.. inodes];
    }

    private SampleIndex? TryOpen(DatasetRecord record)
    {
        if (record.Hash is null)
        {
            return null;
        }

        try
        {
            return Open(record.Name);
        }
        catch (DataLayerException e) when (e.Code is ErrorCode.Corrupt or ErrorCode.NotFound)
        {
            return null; // It is built from the beginning.
        }
    }

    private DatasetRecord Begin(string name)
    {
        lock (_lock)
        {
            DatasetRecord record = Get(name);
            if (record.PinnedAt is not null)
            {
                throw new DataLayerException(
                    ErrorCode.WrongState, $"Dataset '{name}' is pinned: unpin it before you refresh it.");
            }

            CheckNotBuilding(name);
            _building.Add(name);
            return record;
        }
    }

    private void CheckNotBuilding(string name)
    {
        if (_building.Contains(name))
        {
            throw new DataLayerException(
                ErrorCode.WrongState, $"The index of dataset '{name}' is being built: wait for its job, or cancel it.");
        }
    }

    private DatasetRecord Keep(DatasetRecord known, IndexBuild build, long readFiles)
    {
        DatasetRecord record = known with { Number = known.Number + 1 };
        (byte[] hash, long indexBytes, long validation) = IndexWriter.Write(_store.IndexOf(record), build);
        record = record with
        {
            BuiltAt = _engine.Context.Time.GetUtcNow(),
            Hash = Convert.ToHexStringLower(hash),
            Samples = build.SampleCount,
            ValidationSamples = validation,
            Files = build.Files.Count,
            SampleBytes = build.SampleBytes,
            IndexBytes = indexBytes,
            ManifestBytes = ManifestStore.Write(_store.ManifestOf(record), build.Files),
            ReadFiles = readFiles,
            Classes = build.Classes,
            RecordBytes = build.Record?.RecordBytes,
            ElementType = build.Record?.ElementType,
            Shape = build.Record?.Shape,
            Fault = null,
        };
        lock (_lock)
        {
            _store.Save(record);
            _open.TryRemove(record.Name, out _);
            _store.Clean(record);
        }

        return record;
    }

    private DatasetRecord Change(string name, Func<DatasetRecord, DatasetRecord> change)
    {
        lock (_lock)
        {
            DatasetRecord record = change(Get(name));
            _store.Save(record);
            return record;
        }
    }
}
