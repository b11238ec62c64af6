using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Memory;
using DataLayer.Core.Objects;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Objects.Folders;

/// <summary>
/// A bucket that is a folder: one object = one plain file whose path below the folder is the key. The embedded default.
/// </summary>
/// <remarks>
/// <para>A write goes to a file in <c>.datalayer-tmp</c>, is fsynced, gets a modification time that no other write of
/// this process has, and is renamed into place; both folders are fsynced. So a reader sees the old or the new content,
/// and after a crash there is one of them.</para>
/// <para>The ETag is inode, size and modification time (ns). Files that others put there or edit are objects like any
/// other; an edit in place within the resolution of the file system's clock that keeps the size is the one change it
/// does not show.</para>
/// <para>A file we wrote carries the checksums of its blocks (<see cref="FileChecksums"/>); every read checks them.
/// Files of others have none.</para>
/// <para>If-Match and delete are check-then-act: exact against writers of this process (a lock per key), a race of
/// microseconds against others. If-absent is atomic against everybody (renameat2 RENAME_NOREPLACE).</para>
/// <para>Each call does its blocking work on one pool thread. Symbolic links are never followed. Lock order: one key
/// lock at a time.</para>
/// </remarks>
internal sealed class DirectoryObjectStore : IObjectStore
{
    private const int CopyBytes = 1 << 20;
    private const int KeyLockCount = 64;
    private const int ParentRaceLimit = 100;
    private const uint ObjectFileMode = 0x1A4; // rw-r--r--: objects are for every tool to read.
    private const uint FolderMode = 0x1ED; // rwxr-xr-x

    private readonly string _root;
    private readonly RequestMeter _meter;
    private readonly NativeBufferPool _buffers;
    private readonly TimeProvider _time;
    private readonly SafeFileHandle _rootFolder;
    private readonly DirectoryListing _listing;
    private readonly SemaphoreSlim[] _keyLocks = new SemaphoreSlim[KeyLockCount];
    private long _lastModifiedTicks;

    /// <summary>Opens a folder as a bucket and removes what dead writers left in its temp folder.</summary>
    /// <param name="folder">The folder's absolute path. It must exist.</param>
    /// <param name="meter">Counts the requests.</param>
    /// <param name="buffers">Where write buffers (1 MiB each) come from; not owned.</param>
    /// <param name="time">The clock of new files' modification times.</param>
    /// <exception cref="DataLayerException">NotFound: there is no such folder.</exception>
    internal DirectoryObjectStore(string folder, RequestMeter meter, NativeBufferPool buffers, TimeProvider time)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(meter);
        ArgumentNullException.ThrowIfNull(buffers);
        ArgumentNullException.ThrowIfNull(time);
        _root = Path.TrimEndingDirectorySeparator(folder);
        (_meter, _buffers, _time) = (meter, buffers, time);
        _rootFolder = BeneathFile.TryOpenRoot(_root)
            ?? throw new DataLayerException(
                ErrorCode.NotFound, $"There is no folder '{_root}'. Make it, or name another.");
        _listing = new DirectoryListing(_root, Describe);
        for (int i = 0; i < KeyLockCount; i++)
        {
            _keyLocks[i] = new SemaphoreSlim(1, 1);
        }

        RemoveAbandoned();
    }

    /// <inheritdoc/>
    public string DisplayName => "file://" + _root;

    /// <inheritdoc/>
    public ValueTask<ObjectProperties?> HeadAsync(string key, CancellationToken cancellationToken)
    {
        string path = DirectoryKey.ToPath(key);
        return RunAsync(RequestVerb.Head, () => (Find(path), 0), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<ObjectReadResult> ReadAsync(
        string key, long offsetBytes, Memory<byte> destination, string? ifMatch, CancellationToken cancellationToken)
    {
        string path = DirectoryKey.ToPath(key);
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        return RunAsync(
            RequestVerb.Get,
            () =>
            {
                ObjectReadResult result = Read(path, offsetBytes, destination.Span, ifMatch);
                return (result, result.BytesRead);
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<ObjectProperties> WriteAsync(
        string key, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken)
    {
        string path = DirectoryKey.ToPath(key);
        ArgumentNullException.ThrowIfNull(content);
        long start = _time.GetTimestamp();
        try
        {
            ObjectProperties written = await WriteCoreAsync(path, content, condition, cancellationToken)
                .ConfigureAwait(false);
            _meter.Record(RequestVerb.Put, RequestOutcome.Answered, content.LengthBytes, _time.GetElapsedTime(start));
            return written;
        }
        catch (DataLayerException e)
        {
            _meter.Record(RequestVerb.Put, RequestMeter.OutcomeOf(e), 0, _time.GetElapsedTime(start));
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask<ObjectProperties> ChangeClassAsync(
        string key, string ifMatch, string storageClass, CancellationToken cancellationToken) =>
        throw new DataLayerException(
            ErrorCode.NotSupported, $"{DisplayName} is a folder, which has no storage classes.");

    /// <inheritdoc/>
    public ValueTask RestoreAsync(string key, int days, string speed, CancellationToken cancellationToken) =>
        throw new DataLayerException(ErrorCode.NotSupported, $"{DisplayName} is a folder, which has no archive.");

    /// <inheritdoc/>
    public async ValueTask<bool> DeleteAsync(
        string key, ObjectWriteCondition condition, CancellationToken cancellationToken)
    {
        string path = DirectoryKey.ToPath(key);
        if (condition.IfAbsent)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "A delete on the condition that nothing is there does nothing.");
        }

        SemaphoreSlim keyLock = LockOf(path);
        await keyLock.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await RunAsync(RequestVerb.Delete, () => (Delete(path, condition.IfMatch), 0), cancellationToken)
                .ConfigureAwait(false);
        }
        finally
        {
            keyLock.Release();
        }
    }

    /// <inheritdoc/>
    public ValueTask<ObjectListPage> ListAsync(ObjectListRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        return RunAsync(RequestVerb.List, () => (_listing.List(request, cancellationToken), 0), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _rootFolder.Dispose();
        return ValueTask.CompletedTask;
    }

    private static string ETagOf(FileStatus status) => string.Create(
        CultureInfo.InvariantCulture,
        $"{status.Inode:x}-{status.SizeBytes:x}-{status.ModifiedSeconds:x}.{status.ModifiedNanoseconds:x}");

    private static ObjectProperties PropertiesOf(string path, FileStatus status) =>
        new(path, status.SizeBytes, ETagOf(status), status.LastModified);

    private static DataLayerException Missing(string path, string store) =>
        new(ErrorCode.NotFound, $"There is no object '{path}' in {store}.");

    private DataLayerException Changed(string path, string? wanted, string? actual) =>
        new(ErrorCode.Stale,
            $"The object '{path}' in {DisplayName} has ETag {actual ?? "(none: it is gone)"}, not {wanted}.");

    private async ValueTask<T> RunAsync<T>(
        RequestVerb verb, Func<(T Result, long Bytes)> work, CancellationToken cancellationToken)
    {
        long start = _time.GetTimestamp();
        try
        {
            (T result, long bytes) = await Task.Run(work, cancellationToken).ConfigureAwait(false);
            _meter.Record(verb, RequestOutcome.Answered, bytes, _time.GetElapsedTime(start));
            return result;
        }
        catch (DataLayerException e)
        {
            _meter.Record(verb, RequestMeter.OutcomeOf(e), 0, _time.GetElapsedTime(start));
            throw;
        }
    }

    private SemaphoreSlim LockOf(string path) =>
        _keyLocks[(uint)string.GetHashCode(path, StringComparison.Ordinal) % KeyLockCount];

    /// <summary>The folder of files being written, held open: who swaps it for a link leads nobody out.</summary>
    private SafeFileHandle OpenTemporaryFolder()
    {
        for (int attempt = 0; attempt < ParentRaceLimit; attempt++)
        {
            if (BeneathFile.TryOpenFolder(_rootFolder, DirectoryKey.TemporaryFolder) is { } found)
            {
                return found;
            }

            DurableFile.MakeDirectory(BeneathFile.PathOf(_rootFolder, DirectoryKey.TemporaryFolder));
        }

        throw new DataLayerException(
            ErrorCode.TargetFailed,
            $"'{DirectoryKey.TemporaryFolder}' in {DisplayName} is no folder, or vanishes as soon as it is made.");
    }

    private void RemoveAbandoned()
    {
        try
        {
            using SafeFileHandle? folder = BeneathFile.TryOpenFolder(_rootFolder, DirectoryKey.TemporaryFolder);
            if (folder is not null)
            {
                TemporaryNames.RemoveAbandoned(BeneathFile.PathOf(folder, "."));
            }
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.PermissionDenied)
        {
            // A link, or not ours to read: nothing of it is ours to remove. Writes say so.
        }
    }

    private ObjectProperties? Describe(string path)
    {
        FileStatus? status = BeneathFile.TryStatBelow(_rootFolder, path);
        return status is { IsRegular: true } found ? PropertiesOf(path, found) : null;
    }

    private ObjectProperties? Find(string path)
    {
        using SafeFileHandle? file = BeneathFile.TryOpenFile(_rootFolder, path);
        return file is not null && FileStatus.Of(file, path) is { IsRegular: true } status ? PropertiesOf(path, status)
            : null;
    }

    private ObjectReadResult Read(string path, long offsetBytes, Span<byte> destination, string? ifMatch)
    {
        using SafeFileHandle file = BeneathFile.TryOpenFile(_rootFolder, path) ?? throw Missing(path, DisplayName);
        FileStatus before = FileStatus.Of(file, path);
        if (!before.IsRegular)
        {
            throw Missing(path, DisplayName);
        }

        string etag = ETagOf(before);
        if (ifMatch is not null && ifMatch != etag)
        {
            throw Changed(path, ifMatch, etag);
        }

        int wanted = (int)Math.Clamp(before.SizeBytes - offsetBytes, 0, destination.Length);
        int count = DurableFile.Read(file, path, destination[..wanted], offsetBytes);
        FileStatus after = FileStatus.Of(file, path);
        if (count < wanted || after != before)
        {
            // Somebody edits the file in place; what was read may be of both versions.
            throw Changed(path, etag, ETagOf(after));
        }

        FileChecksums.Check(file, path, offsetBytes, destination[..count], before);

        return new ObjectReadResult(count, before.SizeBytes, etag);
    }

    private async ValueTask<ObjectProperties> WriteCoreAsync(
        string path, IObjectContent content, ObjectWriteCondition condition, CancellationToken cancellationToken)
    {
        using SafeFileHandle temporaryFolder = OpenTemporaryFolder();
        string temporary = BeneathFile.PathOf(temporaryFolder, TemporaryNames.Next());
        bool renamed = false;
        try
        {
            FileStatus status;
            using (SafeFileHandle file = DurableFile.Open(temporary, write: true, create: true, exclusive: true))
            {
                BlockChecksums checksums = await CopyAsync(file, temporary, content, cancellationToken)
                    .ConfigureAwait(false);
                status = await Task.Run(() => Finish(file, temporary, checksums), cancellationToken)
                    .ConfigureAwait(false);
            }

            SemaphoreSlim keyLock = LockOf(path);
            await keyLock.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await Task.Run(() => Publish(temporary, path, condition), CancellationToken.None).ConfigureAwait(false);
                renamed = true;
            }
            finally
            {
                keyLock.Release();
            }

            return PropertiesOf(path, status);
        }
        finally
        {
            if (!renamed)
            {
                DurableFile.Unlink(temporary);
            }
        }
    }

    private async ValueTask<BlockChecksums> CopyAsync(
        SafeFileHandle file, string temporary, IObjectContent content, CancellationToken cancellationToken)
    {
        BlockChecksums.Builder checksums = new(content.LengthBytes);
        if (content.LengthBytes == 0)
        {
            return checksums.Build();
        }

        int pieceBytes = (int)Math.Min(CopyBytes, content.LengthBytes);
        using BufferLease lease = await _buffers.RentAsync(pieceBytes, cancellationToken).ConfigureAwait(false);
        for (long offset = 0; offset < content.LengthBytes; offset += pieceBytes)
        {
            Memory<byte> piece = lease.Memory[..(int)Math.Min(pieceBytes, content.LengthBytes - offset)];
            await content.ReadExactlyAsync(offset, piece, cancellationToken).ConfigureAwait(false);
            checksums.Append(piece.Span);
            DurableFile.Write(file, temporary, piece.Span, offset);
        }

        return checksums.Build();
    }

    /// <summary>Makes the file's content durable and tells it apart from every other of the same name.</summary>
    private FileStatus Finish(SafeFileHandle file, string temporary, BlockChecksums checksums)
    {
        BeneathFile.SetMode(file, temporary, ObjectFileMode);
        long ticks = NextModifiedTicks();
        BeneathFile.SetModified(
            file, temporary, ticks / TimeSpan.TicksPerSecond, ticks % TimeSpan.TicksPerSecond * 100);
        FileStatus status = FileStatus.Of(file, temporary);
        FileChecksums.Keep(file, temporary, checksums, status);
        DurableFile.Flush(file, temporary);
        return status.SizeBytes == checksums.SizeBytes
            ? status
            : throw new DataLayerException(ErrorCode.TargetFailed,
                $"'{temporary}' has {status.SizeBytes} bytes after {checksums.SizeBytes} were written. "
                + "Check the file system.");
    }

    /// <summary>Now, in ticks since 1970, moved on where this process has given that time to a file before.</summary>
    private long NextModifiedTicks()
    {
        long now = _time.GetUtcNow().Ticks - DateTimeOffset.UnixEpoch.Ticks;
        while (true)
        {
            long last = Volatile.Read(ref _lastModifiedTicks);
            long next = Math.Max(now, last + 1);
            if (Interlocked.CompareExchange(ref _lastModifiedTicks, next, last) == last)
            {
                return next;
            }
        }
    }

    private void Publish(string temporary, string path, ObjectWriteCondition condition)
    {
        if (condition.IfMatch is { } wanted && Find(path)?.ETag is var actual && actual != wanted)
        {
            throw Changed(path, wanted, actual);
        }

        (string folder, string name) = DirectoryKey.Split(path);
        for (int attempt = 0; ; attempt++)
        {
            using SafeFileHandle parent = OpenOrMakeFolder(path, folder);
            string target = BeneathFile.PathOf(parent, name);
            try
            {
                DurableFile.Rename(temporary, target, replace: !condition.IfAbsent);
                DurableFile.FlushDirectory(BeneathFile.PathOf(parent, "."));
                return;
            }
            catch (DataLayerException e) when (e.Code == ErrorCode.NotFound && attempt < ParentRaceLimit)
            {
                // A delete pruned the empty folder in between: make it again.
            }
            catch (DataLayerException e) when (e.Code == ErrorCode.AlreadyExists && Find(path) is not null)
            {
                throw new DataLayerException(
                    ErrorCode.Stale, $"There is an object '{path}' in {DisplayName} already.", e);
            }
            catch (DataLayerException e) when (
                e.Code is ErrorCode.IsADirectory or ErrorCode.NotEmpty or ErrorCode.AlreadyExists)
            {
                throw Conflict(path, path, e);
            }
        }
    }

    private DataLayerException Conflict(string key, string part, Exception? cause) => new(ErrorCode.InvalidArgument,
        $"The key '{key}' cannot be held: in {DisplayName} '{part}' is a "
        + $"{(part == key ? "folder of other keys" : "file")}. "
        + "A directory store cannot hold a key and keys below it; use another key or an S3 store.", cause);

    /// <summary>Opens the folder a key's file goes to; makes what is missing on the way, durably.</summary>
    private SafeFileHandle OpenOrMakeFolder(string key, string folder)
    {
        for (int attempt = 0; attempt < ParentRaceLimit; attempt++)
        {
            if (BeneathFile.TryOpenFolder(_rootFolder, folder.Length == 0 ? "." : folder) is { } existing)
            {
                return existing;
            }

            MakeFolders(key, folder);
        }

        throw new DataLayerException(
            ErrorCode.TargetFailed, $"The folder '{folder}' in {DisplayName} vanishes as soon as it is made.");
    }

    private void MakeFolders(string key, string folder)
    {
        SafeFileHandle parent = BeneathFile.TryOpenFolder(_rootFolder, ".") ?? throw Missing(".", DisplayName);
        try
        {
            int start = 0;
            while (start <= folder.Length)
            {
                int slash = folder.IndexOf('/', start);
                int end = slash < 0 ? folder.Length : slash;
                bool isMade = DurableFile.MakeDirectory(BeneathFile.PathOf(parent, folder[start..end]));

                // By the open folder: the name may be somebody's link by now.
                SafeFileHandle? next = BeneathFile.TryOpenFolder(_rootFolder, folder[..end]);
                if (isMade && next is not null)
                {
                    BeneathFile.SetMode(BeneathFile.PathOf(next, "."), FolderMode);
                    DurableFile.FlushDirectory(BeneathFile.PathOf(parent, "."));
                }

                if (next is null && Find(folder[..end]) is not null)
                {
                    throw Conflict(key, folder[..end], null);
                }

                if (next is null)
                {
                    return; // Pruned in between; the caller tries again.
                }

                parent.Dispose();
                parent = next;
                start = end + 1;
            }
        }
        catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
        {
            // Pruned in between; the caller tries again.
        }
        finally
        {
            parent.Dispose();
        }
    }

    private bool Delete(string path, string? ifMatch)
    {
        if (Find(path) is not { } found)
        {
            return true;
        }

        if (ifMatch is not null && found.ETag != ifMatch)
        {
            return false;
        }

        (string folder, string name) = DirectoryKey.Split(path);
        using SafeFileHandle? parent = BeneathFile.TryOpenFolder(_rootFolder, folder.Length == 0 ? "." : folder);
        if (parent is not null && DurableFile.Unlink(BeneathFile.PathOf(parent, name)))
        {
            DurableFile.FlushDirectory(BeneathFile.PathOf(parent, "."));
            Prune(folder);
        }

        return true;
    }

    /// <summary>Removes folders that became empty, upward: a bucket has none.</summary>
    private void Prune(string folder)
    {
        while (folder.Length > 0)
        {
            (string above, string name) = DirectoryKey.Split(folder);
            using SafeFileHandle? parent = BeneathFile.TryOpenFolder(_rootFolder, above.Length == 0 ? "." : above);
            if (parent is null || !BeneathFile.TryRemoveEmptyFolder(parent, name))
            {
                return;
            }

            folder = above;
        }
    }
}
