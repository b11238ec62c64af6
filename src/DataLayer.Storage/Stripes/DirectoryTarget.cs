using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// A target in a folder of any local or network file system: <c>files/HHH/…</c> holds backing files with their side
/// files, <c>segments/</c> the segments (docs/FORMATS/stripes.md).
/// </summary>
/// <remarks>
/// Calls run on pool threads, at most <see cref="DirectoryTargetOptions.ConcurrencyCount"/> at a time; the rest wait
/// their turn, a bounded time. A call the kernel does not return from keeps its place and its buffer: nobody may reuse
/// memory the kernel still writes to.
/// </remarks>
internal sealed partial class DirectoryTarget : ITarget
{
    private readonly TargetGate _gate;
    private readonly ColumnFileCache _columns;
    private readonly SegmentHandles _segments;
    private readonly TargetIdentity _identity;
    private readonly DirectorySite _site;

    /// <summary>Makes a target over a folder; call <see cref="CheckAsync"/> before the first use.</summary>
    internal DirectoryTarget(TargetIdentity identity, string directory, DirectoryTargetOptions options)
    {
        _identity = identity;
        Location = directory;
        _site = new DirectorySite(directory);
        _condition = new TargetCondition(options.Time, options.FenceTime);
        _room = new TargetRoom(directory, options.ReserveBytes, options.Time, () => DurableFile.GetSpace(directory));
        _gate = new TargetGate(
            options.ConcurrencyCount, options.WaitLimit, "calls are under way. Check its device or mount.");
        ScratchPool scratch = new(options.ConcurrencyCount * 4);
        _columns = new ColumnFileCache(directory, options.OpenColumnCount, scratch, options.Step);
        _segments = new SegmentHandles(Path.Combine(directory, "segments"), Math.Max(4, options.OpenColumnCount / 4));
    }

    /// <inheritdoc/>
    public int Number => _identity.Target;

    /// <inheritdoc/>
    public string Pool => _identity.Pool;

    /// <inheritdoc/>
    public string Location { get; }

    /// <inheritdoc/>
    public int LoadCount => _gate.LoadCount;

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask ReadAsync(
        ColumnId column, long offsetBytes, int lengthBytes, StripeView view, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        try
        {
            using System.Buffers.MemoryHandle pin = view.Pin();
            using ColumnFileCache.Lease lease = _columns.Rent(column, create: false);
            lease.File.Read(offsetBytes, lengthBytes, view);
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask PrepareWriteAsync(
        ColumnId column, long offsetBytes, int lengthBytes, bool create, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: true, cancellationToken).ConfigureAwait(false);
        try
        {
            if (create)
            {
                _room.Take(SideBook.PageBytes * 2, column.Content.Inode);
                MakeFolder(_columns.FolderOf(column));
            }

            using ColumnFileCache.Lease lease = _columns.Rent(column, create);
            if (create)
            {
                lease.File.Adopt();
            }

            if (lengthBytes > 0)
            {
                TakeRoomToOwn(lease.File, column.Content.Inode);
                lease.File.PrepareWrite(offsetBytes, lengthBytes);
            }
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: true);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask WriteAsync(
        ColumnId column, long offsetBytes, int lengthBytes, StripeView view, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: true, cancellationToken).ConfigureAwait(false);
        try
        {
            using System.Buffers.MemoryHandle pin = view.Pin();
            using ColumnFileCache.Lease lease = _columns.Rent(column, create: false);
            if (offsetBytes + lengthBytes > lease.File.PhysicalLength)
            {
                _room.Take(lengthBytes, column.Content.Inode);
            }

            TakeRoomToOwn(lease.File, column.Content.Inode);
            lease.File.Write(offsetBytes, lengthBytes, view);
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: true);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public ValueTask FlushAsync(ColumnId column, CancellationToken cancellationToken) =>
        RunAsync(column, isWrite: true, static (file, _) => file.Flush(), 0L, cancellationToken);

    /// <inheritdoc/>
    public ValueTask TruncateAsync(ColumnId column, long lengthBytes, CancellationToken cancellationToken) =>
        RunAsync(column, isWrite: true, static (file, length) => file.Truncate(length), lengthBytes, cancellationToken);

    /// <inheritdoc/>
    public ValueTask PunchAsync(ColumnId column, long offsetBytes, long lengthBytes,
        CancellationToken cancellationToken) =>
        RunAsync(column, isWrite: true, static (file, range) => file.Punch(range.offsetBytes, range.lengthBytes),
            (offsetBytes, lengthBytes), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<long> SeekAsync(ColumnId column, long offsetBytes, long endBytes, bool hole,
        CancellationToken cancellationToken) =>
        ComputeAsync(column, static (file, args) => file.Seek(args.offsetBytes, args.endBytes, args.hole),
            (offsetBytes, endBytes, hole), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<bool> DeleteAsync(ColumnId column, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        try
        {
            CheckIdentity();
            if (_columns.TryRentOpen(column, out ColumnFileCache.Lease lease))
            {
                using (lease)
                {
                    bool had = lease.File.Delete();
                    _columns.Forget(lease);
                    FlushNames(column);
                    return had;
                }
            }

            _columns.ForgetLoss(column);
            string path = Path.Combine(_columns.FolderOf(column), column.FileName);
            _ = DurableFile.Unlink(path + ".tmp");
            bool hadFile = DurableFile.Unlink(path);
            hadFile |= DurableFile.Unlink(path + ".sum");
            FlushNames(column);
            return hadFile;
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>
    /// Makes a deletion durable before the journal forgets it; else a power cut brings the files back, and nobody knows
    /// them. Also where there was nothing: an earlier try may have failed here.
    /// </summary>
    private void FlushNames(ColumnId column)
    {
        string folder = _columns.FolderOf(column);
        if (Directory.Exists(folder))
        {
            DurableFile.FlushDirectory(folder);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> ExistsAsync(ColumnId column, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        try
        {
            CheckIdentity();
            string path = Path.Combine(_columns.FolderOf(column), column.FileName);
            return File.Exists(path) || File.Exists(path + ".sum");
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> IsUnbornAsync(ColumnId column, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        try
        {
            CheckIdentity();
            return ColumnFile.IsUnborn(column, Path.Combine(_columns.FolderOf(column), column.FileName));
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public ValueTask<long> GetChunkCountAsync(ColumnId column, CancellationToken cancellationToken) =>
        ComputeAsync(column, static (file, _) => (file.PhysicalLength
            + ChunkEntry.ChunkBytes - 1) / ChunkEntry.ChunkBytes, 0, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<int> ReadChunkAsync(
        ColumnId column, long chunkIndex, Memory<byte> destination, CancellationToken cancellationToken) =>
        ComputeAsync(column, static (file, args) => file.ReadChunk(args.chunkIndex, args.destination),
            (chunkIndex, destination), cancellationToken);

    /// <inheritdoc/>
    public ValueTask RepairChunkAsync(
        ColumnId column, long chunkIndex, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
        RunAsync(column, isWrite: true, static (file, args) => file.Repair(args.chunkIndex, args.bytes),
            (chunkIndex, bytes), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask RenameColumnAsync(ColumnId from, ColumnId to, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: true, cancellationToken).ConfigureAwait(false);
        try
        {
            _columns.Close(from);
            if (_columns.TryRentOpen(to, out ColumnFileCache.Lease replaced))
            {
                using (replaced)
                {
                    replaced.File.Delete();
                    _columns.Forget(replaced);
                }
            }

            string folder = _columns.FolderOf(to);
            string path = Path.Combine(folder, to.FileName);
            _ = DurableFile.Unlink(path);
            _ = DurableFile.Unlink(path + ".sum");
            string source = Path.Combine(_columns.FolderOf(from), from.FileName);
            DurableFile.Rename(source + ".sum", path + ".sum", replace: true);
            DurableFile.Rename(source, path, replace: true);
            DurableFile.FlushDirectory(folder);
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: true);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public ValueTask<List<long>> BeginRecoveryAsync(ColumnId column, CancellationToken cancellationToken) =>
        ComputeAsync(column, static (file, _) => file.BeginRecovery(), 0, cancellationToken);

    /// <inheritdoc/>
    public ValueTask EndRecoveryAsync(ColumnId column, CancellationToken cancellationToken) =>
        RunAsync(column, isWrite: true, static (file, _) => file.EndRecovery(), 0, cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<ColumnId> EnumerateColumnsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        Leave();
        string files = Path.Combine(Location, "files");
        if (!Directory.Exists(files))
        {
            yield break;
        }

        foreach (string folder in Directory.EnumerateDirectories(files))
        {
            ColumnId last = default;
            foreach (string path in Directory.EnumerateFiles(folder))
            {
                cancellationToken.ThrowIfCancellationRequested();
                ReadOnlySpan<char> name = Path.GetFileName(path.AsSpan());
                bool isSide = name.EndsWith(".sum", StringComparison.Ordinal);
                if (ColumnId.TryParse(isSide ? name[..^4] : name, out ColumnId column) && column != last
                    && column.Copy < 8
                    && (!isSide || !File.Exists(path[..^4])))
                {
                    last = column;
                    yield return column;
                }
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask<List<ColumnId>> FindColumnsAsync(ContentId content, CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        try
        {
            CheckIdentity();
            List<ColumnId> found = [];
            string folder = _columns.FolderOf(new ColumnId(content, 0, 0));
            string prefix = new ColumnId(content, 0, 0).FileName[..26];
            foreach (string path in Directory.Exists(folder) ? Directory.EnumerateFiles(folder, prefix + "*") : [])
            {
                ReadOnlySpan<char> name = Path.GetFileName(path.AsSpan());
                name = name.EndsWith(".sum", StringComparison.Ordinal) ? name[..^4] : name;
                if (ColumnId.TryParse(name, out ColumnId column) && !found.Contains(column))
                {
                    found.Add(column);
                }
            }

            return found;
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<List<string>> DeleteStrayFilesAsync(CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        try
        {
            CheckIdentity();
            List<string> deleted = [];
            foreach (string path in Directory.EnumerateFiles(Location, "*", SearchOption.AllDirectories))
            {
                if (!IsOfFormat(Path.GetRelativePath(Location, path)) && DurableFile.Unlink(path))
                {
                    deleted.Add(path);
                }
            }

            return deleted;
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }

    private static bool IsOfFormat(string relative)
    {
        string name = Path.GetFileName(relative);
        string folder = Path.GetDirectoryName(relative) ?? string.Empty;
        return folder.Length == 0 ? name is TargetIdentity.FileName or TargetRoster.FileName
            : folder == "segments" ? name.EndsWith(".seg", StringComparison.Ordinal)
                || name.EndsWith(".dead", StringComparison.Ordinal)
            : !folder.StartsWith("files/", StringComparison.Ordinal)
                || (ColumnId.TryParse(name.EndsWith(".sum", StringComparison.Ordinal) ? name[..^4]
                    : name, out ColumnId column) && column.Copy < 8);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _columns.CloseAll();
        _segments.CloseAll();
        _gate.Dispose();
        return ValueTask.CompletedTask;
    }

    private async ValueTask RunAsync<TArgument>(
        ColumnId column, bool isWrite, Action<ColumnFile, TArgument> action, TArgument argument,
            CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite, cancellationToken).ConfigureAwait(false);
        try
        {
            using ColumnFileCache.Lease lease = _columns.Rent(column, create: false);
            action(lease.File, argument);
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite);
        }
        finally
        {
            Leave();
        }
    }

    private async ValueTask<TResult> ComputeAsync<TArgument, TResult>(
        ColumnId column, Func<ColumnFile, TArgument, TResult> function, TArgument argument,
            CancellationToken cancellationToken)
    {
        await EnterAsync(isWrite: false, cancellationToken).ConfigureAwait(false);
        try
        {
            using ColumnFileCache.Lease lease = _columns.Rent(column, create: false);
            return function(lease.File, argument);
        }
        catch (DataLayerException fault)
        {
            throw Explain(fault, isWrite: false);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>
    /// Checks the state and waits for a turn. The kernel calls that follow may block: they run on a pool thread, by
    /// default a fresh one, so that a caller can start several side by side. <paramref name="isAlone"/> stays on the
    /// caller's if that is one already: for small calls that nothing runs beside, the hand-over is the larger part.
    /// </summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask EnterAsync(bool isWrite, CancellationToken cancellationToken, bool isAlone = false)
    {
        _condition.ThrowUnlessUsable(this, isWrite);
        await _gate.EnterAsync(this, cancellationToken).ConfigureAwait(false);
        if (!isAlone || !Thread.CurrentThread.IsThreadPoolThread)
        {
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        }
    }

    private void Leave() => _gate.Leave();
}
