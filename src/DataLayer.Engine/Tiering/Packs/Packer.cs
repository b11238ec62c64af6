using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Files.Writing;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Packs;

/// <summary>
/// Puts the contents of small cold files into tar objects, many in each, and takes them out again. Safe for concurrent
/// use; one pack is written at a time, and held in memory meanwhile.
/// </summary>
/// <remarks>
/// Life of a pack: written down in the tree (<c>building</c>) → contents read, from the hot tier or their objects → tar
/// stored under a key that was never used → looked at: ETag and length, then all bytes read back and compared → index
/// stored beside it → one change of the tree makes it the place of all members that are still as they were read, and
/// journals the deletion of the objects they had → those go. Before that change a crash leaves a pack nobody refers to,
/// collected at the next start; after it nothing is lost with the old objects. A member leaves by being written,
/// removed, or uploaded by itself (unpacked); the last one takes the pack and its index with it.
/// </remarks>
public sealed class Packer : IAsyncDisposable
{
    private const int ReadersAtOnce = 8;
    private const int CompareBytes = 4 << 20;
    private const int MinMembers = 2;
    private readonly FileEngine _engine;
    private readonly EngineContext _context;
    private readonly SemaphoreSlim _one = new(1, 1);

    /// <summary>Makes it over an engine.</summary>
    /// <param name="engine">The engine; not owned.</param>
    /// <param name="options">Sizes.</param>
    /// <exception cref="DataLayerException">InvalidArgument: bad options.</exception>
    public Packer(FileEngine engine, PackOptions options)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _engine = engine;
        _context = engine.Context;
        Options = options;
    }

    /// <summary>Sizes.</summary>
    public PackOptions Options { get; }

    internal FileEngine Engine => _engine;

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _one.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Packs files: those of one attachment together, in the order of their paths.</summary>
    /// <param name="files">The files.</param>
    /// <param name="again">Whether files that lie in packs go into new ones; else they are left where they are.</param>
    /// <param name="cancellationToken">Gives up; packs that were completed stay.</param>
    /// <returns>Of each file why it lies in no pack, or not in a new one; null where it does.</returns>
    /// <exception cref="DataLayerException">ShuttingDown.</exception>
    internal async ValueTask<IReadOnlyList<string?>> PackAsync(
        IReadOnlyList<PackFile> files, bool again, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            string?[] reasons = new string?[files.Count];
            foreach (IReadOnlyList<int> part in await DivideAsync(files, reasons, again, cancellationToken)
                .ConfigureAwait(false))
            {
                await PackPartAsync(files, part, reasons, cancellationToken).ConfigureAwait(false);
            }

            return reasons;
        }
        finally
        {
            _one.Release();
            _context.JournalSignal?.Invoke();
        }
    }

    /// <summary>Has files uploaded as objects of their own, and waits for that.</summary>
    /// <exception cref="DataLayerException">ReadOnly; or what the store says.</exception>
    internal async ValueTask UnpackAsync(IReadOnlyList<InodeId> inodes, CancellationToken cancellationToken)
    {
        await _context.Tree.UnpackAsync(inodes, cancellationToken).ConfigureAwait(false);
        _context.JournalSignal?.Invoke();
        foreach (InodeId inode in inodes)
        {
            await _engine.Uploads.WaitAsync(inode, retryFailures: false, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Makes the index of a pack again from its tar.</summary>
    /// <exception cref="DataLayerException">NotFound, Stale: the tar is gone or another one; Corrupt.</exception>
    internal async ValueTask IndexAsync(PackRecord pack, CancellationToken cancellationToken)
    {
        IObjectStore store = _context.Attachments.StoreOf(pack.AttachmentId);
        byte[] tar = new byte[pack.SizeBytes];
        ObjectReadResult read = await store.ReadAsync(pack.Key, 0, tar, pack.ETag, cancellationToken)
            .ConfigureAwait(false);
        if (read.BytesRead != tar.Length)
        {
            throw new DataLayerException(ErrorCode.Stale, $"Pack '{pack.Key}' is shorter than it was.");
        }

        await PackIndex.Of(pack.Key, pack.ETag, tar).WriteAsync(store, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sorts files into packs by their paths and lengths.</summary>
    private async ValueTask<List<IReadOnlyList<int>>> DivideAsync(
        IReadOnlyList<PackFile> files, string?[] reasons, bool again, CancellationToken cancellationToken)
    {
        List<PackCandidate> candidates = new(files.Count);
        for (int i = 0; i < files.Count; i++)
        {
            FileContent? now = await _context.Tree.GetContentAsync(files[i].Inode, cancellationToken)
                .ConfigureAwait(false);
            reasons[i] = FindObstacle(files[i], now);
            if (reasons[i] is null && (again || !now!.Object!.IsPacked))
            {
                string path = await _context.Tree.GetPathAsync(files[i].Inode, cancellationToken)
                    .ConfigureAwait(false) ?? string.Empty;
                candidates.Add(new PackCandidate(
                    i, now!.Attributes.AttachmentId, files[i].StorageClass, path, now.Attributes.SizeBytes));
            }
        }

        List<IReadOnlyList<int>> parts = PackCandidate.Divide(candidates, Options.PackBytes);
        for (int i = parts.Count - 1; i >= 0; i--)
        {
            if (parts[i].Count < MinMembers)
            {
                reasons[parts[i][0]] = PackReasons.Alone;
                parts.RemoveAt(i);
            }
        }

        return parts;
    }

    private string? FindObstacle(in PackFile file, FileContent? now)
    {
        if (now is null || now.Attributes.LinkCount == 0 || now.Attributes.Kind != FileKind.Regular)
        {
            return PackReasons.Gone;
        }

        if (now.Attributes.Version != file.Version)
        {
            return PackReasons.Changed;
        }

        if (_context.Attachments.Find(now.Attributes.AttachmentId) is not { Mode: AttachmentMode.ReadWrite })
        {
            return PackReasons.ReadOnly;
        }

        if (now.Object is null || now.Attributes.State == TierState.Hot
            || now.Object.AttachmentId != now.Attributes.AttachmentId)
        {
            return PackReasons.NoObject;
        }

        return now.Attributes.SizeBytes > Options.MaxFileBytes
            ? PackReasons.Large
            : now.Attributes.LinkCount > 1 ? PackReasons.Names : null;
    }

    private async ValueTask PackPartAsync(
        IReadOnlyList<PackFile> files, IReadOnlyList<int> part, string?[] reasons,
        CancellationToken cancellationToken)
    {
        List<PackSource> sources = new(part.Count);
        try
        {
            foreach (int i in part)
            {
                if (await AcquireAsync(files[i], i, reasons, cancellationToken).ConfigureAwait(false) is { } source)
                {
                    sources.Add(source);
                }
            }

            await ReadAsync(sources, reasons, cancellationToken).ConfigureAwait(false);
            List<PackSource> whole = sources.FindAll(static s => s.Bytes is not null);
            if (whole.Count < MinMembers)
            {
                whole.ForEach(s => reasons[s.Index] = PackReasons.Alone);
                return;
            }

            IReadOnlyList<bool> joined = await StoreAsync(
                whole, files[part[0]].StorageClass, cancellationToken).ConfigureAwait(false);
            for (int i = 0; i < whole.Count; i++)
            {
                reasons[whole[i].Index] = joined[i] ? null : PackReasons.Changed;
            }
        }
        catch (DataLayerException error) when (error.Code != ErrorCode.ShuttingDown)
        {
            sources.ForEach(s => reasons[s.Index] ??= error.Message);
        }
        finally
        {
            foreach (PackSource source in sources)
            {
                await _context.ReleaseAsync(source.State).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask<PackSource?> AcquireAsync(
        PackFile file, int index, string?[] reasons, CancellationToken cancellationToken)
    {
        ContentState? state = await _context.AcquireAsync(file.Inode, cancellationToken).ConfigureAwait(false);
        if (state is null)
        {
            reasons[index] = PackReasons.Gone;
            return null;
        }

        // An upload that ended a moment ago may not be known here yet.
        await _context.ReloadAsync(state, cancellationToken).ConfigureAwait(false);
        FileContent known = state.Content;
        reasons[index] = FindObstacle(file, known) ?? (state.IsDirty ? PackReasons.Writing : null);
        if (reasons[index] is null)
        {
            string? name = await FindNameAsync(known, cancellationToken).ConfigureAwait(false);
            if (name is not null)
            {
                return new PackSource(index, state, known, name);
            }

            reasons[index] = PackReasons.Changed;
        }

        await _context.ReleaseAsync(state).ConfigureAwait(false);
        return null;
    }

    /// <summary>The path below the attachment's folder; null where it does not lie there.</summary>
    private async ValueTask<string?> FindNameAsync(FileContent file, CancellationToken cancellationToken)
    {
        InodeId folder = _context.Attachments.Find(file.Attributes.AttachmentId)?.Folder ?? InodeId.None;
        string? path = await _context.Tree.GetPathAsync(file.Attributes.Inode, cancellationToken)
            .ConfigureAwait(false);
        string? above = await _context.Tree.GetPathAsync(folder, cancellationToken).ConfigureAwait(false);
        return path is not null && above is not null && path.StartsWith(above, StringComparison.Ordinal)
            ? path[above.Length..].TrimStart('/')
            : null;
    }

    private async ValueTask ReadAsync(
        List<PackSource> sources, string?[] reasons, CancellationToken cancellationToken)
    {
        ParallelOptions degree = new()
        {
            MaxDegreeOfParallelism = ReadersAtOnce,
            CancellationToken = cancellationToken,
        };
        await Parallel.ForEachAsync(
            sources, degree,
            async (source, token) =>
            {
                try
                {
                    UploadContent content = new(_context, _engine.Runner, source.State);
                    byte[] bytes = new byte[content.LengthBytes];
                    await content.ReadExactlyAsync(0, bytes, token).ConfigureAwait(false);
                    source.Bytes = bytes.Length == source.Known.Attributes.SizeBytes ? bytes : null;
                    reasons[source.Index] = source.Bytes is null ? PackReasons.Changed : null;
                }
                catch (DataLayerException error) when (error.Code != ErrorCode.ShuttingDown)
                {
                    reasons[source.Index] = error.Code == ErrorCode.Stale ? PackReasons.Changed : error.Message;
                }
            }).ConfigureAwait(false);
    }

    private async ValueTask<IReadOnlyList<bool>> StoreAsync(
        List<PackSource> sources, string? storageClass, CancellationToken cancellationToken)
    {
        long attachment = sources[0].Known.Attributes.AttachmentId;
        PackRecord pack = await _context.Tree.BeginPackAsync(attachment, cancellationToken).ConfigureAwait(false);
        try
        {
            _context.Step("pack.begun");
            return await StoreAsync(pack, sources, storageClass, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is DataLayerException or OperationCanceledException)
        {
            // What cannot be given up now is collected at the next start.
            await _context.Tree.AbandonPackAsync(pack.Id, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    private async ValueTask<IReadOnlyList<bool>> StoreAsync(
        PackRecord pack, List<PackSource> sources, string? storageClass, CancellationToken cancellationToken)
    {
        PackImage image = new();
        List<PackMember> members = new(sources.Count);
        List<PackIndexMember> entries = new(sources.Count);
        foreach (PackSource source in sources)
        {
            InodeAttributes file = source.Known.Attributes;
            long modified = Math.Max(0, file.ModifyTimeNanoseconds / 1_000_000_000);
            byte[] header = TarFormat.Header(
                source.Name, source.Bytes!.Length, file.Mode, (file.UserId, file.GroupId), modified);
            long offset = image.Add(header, source.Bytes);
            members.Add(new PackMember(file.Content, file.Version, source.Known.Object!, offset));
            entries.Add(
                new PackIndexMember(
                    source.Name, offset, source.Bytes.Length, PackIndex.Checksum(source.Bytes), modified));
        }

        image.End();
        IObjectStore store = _context.Attachments.StoreOf(pack.AttachmentId);
        ObjectProperties stored = await store.WriteAsync(
            pack.Key, image, new ObjectWriteCondition(IfAbsent: true), cancellationToken).ConfigureAwait(false);
        _context.Step("pack.stored");
        _context.Counters.Add(Counter.UploadedBytes, image.LengthBytes);
        stored = await VerifyAsync(store, pack.Key, stored.ETag, image, cancellationToken).ConfigureAwait(false);
        if (storageClass is not null && storageClass != stored.StorageClass)
        {
            // Of the verified bytes, since an archive cannot be read; whole where the length is.
            stored = await ChangeClassAsync(store, stored, storageClass, cancellationToken).ConfigureAwait(false);
        }

        _context.Step("pack.verified");
        PackIndex index = PackIndex.Make(pack.Key, stored.ETag, stored.SizeBytes, entries);
        await index.WriteAsync(store, cancellationToken).ConfigureAwait(false);
        _context.Step("pack.indexed");
        return await CompleteAsync(pack, stored, members, sources, cancellationToken).ConfigureAwait(false);
    }

    private static async ValueTask<ObjectProperties> ChangeClassAsync(
        IObjectStore store, ObjectProperties stored, string storageClass, CancellationToken cancellationToken)
    {
        try
        {
            ObjectProperties copied = await store.ChangeClassAsync(
                stored.Key, stored.ETag, storageClass, cancellationToken).ConfigureAwait(false);
            return copied.SizeBytes == stored.SizeBytes
                ? copied
                : throw new DataLayerException(ErrorCode.Corrupt, PackReasons.Differs);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.NotSupported)
        {
            return stored; // A folder has no classes; its plans name none but the table's first.
        }
    }

    /// <summary>Compares the tar as it is stored, byte by byte, with the one that was sent.</summary>
    private async ValueTask<ObjectProperties> VerifyAsync(
        IObjectStore store, string key, string etag, PackImage image, CancellationToken cancellationToken)
    {
        ObjectProperties? seen = await store.HeadAsync(key, cancellationToken).ConfigureAwait(false);
        if (seen is not { } found || found.ETag != etag || found.SizeBytes != image.LengthBytes)
        {
            throw new DataLayerException(ErrorCode.Corrupt, PackReasons.Differs);
        }

        byte[] theirs = new byte[Math.Min(CompareBytes, image.LengthBytes)];
        byte[] ours = new byte[theirs.Length];
        for (long offset = 0; offset < image.LengthBytes; offset += theirs.Length)
        {
            int length = (int)Math.Min(theirs.Length, image.LengthBytes - offset);
            _context.Counters.Add(Counter.OriginReads, 1);
            _context.Counters.Add(Counter.OriginBytes, length);
            ObjectReadResult read = await store.ReadAsync(
                key, offset, theirs.AsMemory(0, length), etag, cancellationToken).ConfigureAwait(false);
            image.Copy(offset, ours.AsSpan(0, length));
            if (read.BytesRead != length || !theirs.AsSpan(0, length).SequenceEqual(ours.AsSpan(0, length)))
            {
                throw new DataLayerException(ErrorCode.Corrupt, PackReasons.Differs);
            }
        }

        return found;
    }

    private async ValueTask<IReadOnlyList<bool>> CompleteAsync(
        PackRecord pack, ObjectProperties stored, List<PackMember> members, List<PackSource> sources,
        CancellationToken cancellationToken)
    {
        ObjectReference place = new(
            pack.AttachmentId, pack.Key, stored.ETag, stored.VersionId, stored.SizeBytes,
            StorageClass: stored.StorageClass, StoredTimeNanoseconds: _context.NowNanoseconds());
        IReadOnlyList<bool> joined;
        using (ChangeScope scope = new(_context.Stamps, origin: ChangeScope.Unseen))
        {
            sources.ForEach(s => scope.Inode(s.State.Id.Inode));
            joined = await _context.Tree.CompletePackAsync(pack, place, members, cancellationToken)
                .ConfigureAwait(false);
        }

        _context.Step("pack.committed");
        foreach (PackSource source in sources)
        {
            await _context.ReloadAsync(source.State, CancellationToken.None).ConfigureAwait(false);
        }

        return joined;
    }

    /// <summary>A file on its way into a pack; its state is referenced.</summary>
    private sealed class PackSource(int index, ContentState state, FileContent known, string name)
    {
        public int Index { get; } = index;

        public ContentState State { get; } = state;

        /// <summary>The content that goes into the pack.</summary>
        public FileContent Known { get; } = known;

        public string Name { get; } = name;

        /// <summary>Its bytes, once they were read.</summary>
        public byte[]? Bytes { get; set; }
    }
}
