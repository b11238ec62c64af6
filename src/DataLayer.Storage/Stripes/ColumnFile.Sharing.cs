using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <content>
/// Bytes that contents share (docs/decisions/0177): the backing files of a content and its clones are one file with
/// several names.
/// </content>
/// <remarks>
/// <para>Invariant: a backing file with more than one name is never changed, except that a chunk is given back the
/// bytes its checksum vouches for. Whoever wants to change one makes it its own first: a copy of the bytes, flushed,
/// takes the column's name by a rename that is durable before the first change.</para>
/// <para>New names are only given under the write lock of a column that has one already, and noted there. So a file
/// that was found to have one name has one until the lock is let go. The checksums in the side files differ, they bind
/// who the chunk is; side files are never shared.</para>
/// </remarks>
internal sealed partial class ColumnFile
{
    private const int CopyBytes = 1 << 20;
    private const int WritebackBytes = 8 << 20;
    private readonly Action<string>? _step;
    private bool _isShared;
    private bool _isOwnNameLoose;

    /// <summary>Whether other contents have the backing file too. It may say so for a while after they
    /// went.</summary>
    internal bool IsShared => Volatile.Read(ref _isShared);

    /// <summary>
    /// Gives another column the bytes of this one: the same backing file under its name, and a side file of its own,
    /// all durable. What lay under its name is deleted.
    /// </summary>
    /// <param name="other">The other column; nobody uses it.</param>
    /// <param name="path">Its backing file, on this target.</param>
    /// <param name="lengthBytes">How long the column is by its content's length.</param>
    /// <returns>False where it cannot be so, and nothing is there: the bytes are to be copied.</returns>
    /// <exception cref="DataLayerException">As a flush; NoSpace. Half of it may be there.</exception>
    internal bool TryShare(in ColumnId other, string path, long lengthBytes)
    {
        lock (_write)
        {
            ThrowIfUnusable();
            ThrowIfLostLocked();
            if (_isReadOnly || _isUnborn || PhysicalLength > lengthBytes)
            {
                // Bytes past the end are what a crash in a truncation left; they must not come back in a clone.
                return false;
            }

            FlushLocked();
            if (Side.HasIntent)
            {
                Side.ClearIntent();
                Side.Flush();
            }

            FlushOwnNameLocked();
            _step?.Invoke("share.flushed");
            _ = DurableFile.Unlink(path);
            _ = DurableFile.Unlink(path + ".sum");
            if (!Side.TryWriteFor(other, path + ".sum"))
            {
                _ = DurableFile.Unlink(path + ".sum");
                return false;
            }

            _step?.Invoke("share.vouched");
            Volatile.Write(ref _isShared, true);
            if (!DurableFile.TryLink(_path, path) || FileStatus.Newest(File, _path).LinkCount < 2)
            {
                // The second: a file system that makes links and does not count them could not be trusted later.
                _ = DurableFile.Unlink(path);
                _ = DurableFile.Unlink(path + ".sum");
                return false;
            }

            _step?.Invoke("share.linked");
            DurableFile.FlushDirectory(Path.GetDirectoryName(path)!);
            _step?.Invoke("share.durable");
            return true;
        }
    }

    /// <summary>What it takes on disk if it is shared, bytes: to be copied before the first change.</summary>
    internal long GetSharedBytes()
    {
        if (!IsShared)
        {
            return 0;
        }

        FileStatus status = FileStatus.Newest(File, _path);
        return status.LinkCount > 1 ? status.AllocatedBytes : 0;
    }

    /// <summary>After both files were opened: whether the backing file has other names, and what a kill left of a
    /// copy of it.</summary>
    private void NoteSharedLocked(SafeFileHandle file, SideFile side)
    {
        _isShared = FileStatus.Newest(file, _path).LinkCount > 1;

        // A kill may have come between the rename of a copy and its flush.
        _isOwnNameLoose = side.IsUnflushed && !_isReadOnly;
        if (!_isReadOnly)
        {
            _ = DurableFile.Unlink(CopyPath);
        }
    }

    /// <summary>Before any change of the backing file: makes it this column's own.</summary>
    /// <exception cref="DataLayerException">NoSpace, TargetFailed: nothing changed.</exception>
    private void OwnLocked()
    {
        if (_isShared || _isOwnNameLoose)
        {
            OwnLocked(PhysicalLength, 0, 0);
        }
    }

    /// <summary>
    /// As the other, where the change is that bytes go: they are not copied. Their entries say so already.
    /// </summary>
    /// <param name="lengthBytes">How long the file is to be.</param>
    /// <param name="holeFrom">Where a hole begins.</param>
    /// <param name="holeTo">Where it ends; it may be empty.</param>
    private void OwnLocked(long lengthBytes, long holeFrom, long holeTo)
    {
        if (_isShared)
        {
            if (IsSharedLocked())
            {
                ReplaceByCopyLocked(lengthBytes, holeFrom, holeTo);
            }

            Volatile.Write(ref _isShared, false);
        }

        FlushOwnNameLocked();
    }

    /// <summary>Whether the file has other names at this moment.</summary>
    private bool IsSharedLocked()
    {
        FileStatus open = FileStatus.Newest(File, _path);
        if (open.LinkCount > 1)
        {
            return true;
        }

        // Its one name must be ours, or the change would reach somebody else's bytes.
        using SafeFileHandle named = DurableFile.Open(_path, write: false);
        return FileStatus.Of(named, _path).Inode == open.Inode ? false : throw new DataLayerException(
            ErrorCode.TargetFailed, $"'{_path}' is another file than the open one. Restart the service.");
    }

    private string CopyPath => _path + ".tmp";

    private void ReplaceByCopyLocked(long lengthBytes, long holeFrom, long holeTo)
    {
        _ = DurableFile.Unlink(CopyPath);
        using SafeFileHandle copy = DurableFile.Open(CopyPath, write: true, create: true, exclusive: true);
        try
        {
            _step?.Invoke("own.begun");
            CopyLocked(copy, 0, Math.Min(lengthBytes, holeFrom));
            CopyLocked(copy, Math.Min(lengthBytes, holeTo), lengthBytes);
            DurableFile.SetLength(copy, CopyPath, lengthBytes);
            _step?.Invoke("own.copied");
            DurableFile.Flush(copy, CopyPath);
            _step?.Invoke("own.flushed");
            _isOwnNameLoose = true;
            Side.MarkUnflushed(); // Tells a process after a kill that the name may be loose.
            DurableFile.Rename(CopyPath, _path, replace: true);
        }
        catch
        {
            _ = DurableFile.Unlink(CopyPath);
            throw;
        }

        // Should this fail, the open file and the named one differ, and no change gets past IsSharedLocked.
        _step?.Invoke("own.renamed");
        DurableFile.Exchange(File, copy, _path);
        _step?.Invoke("own.exchanged");
    }

    /// <summary>
    /// Copies a range as it is: checksums stay and tell what is damaged. A chunk the device cannot read any more
    /// becomes a hole in the copy, which its checksum tells too.
    /// </summary>
    private void CopyLocked(SafeFileHandle copy, long from, long to)
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>((int)Math.Clamp(to - from, 0, CopyBytes));
        long written = from;
        while (from < to)
        {
            (from, long end) = DurableFile.FindData(File, _path, from, to);
            while (from < end)
            {
                int length = (int)Math.Min(end - from, CopyBytes - (from % ChunkBytes));
                CopyStepLocked(copy, from, buffer.AsSpan(0, length));
                from += length;
                if (from - written >= WritebackBytes)
                {
                    DurableFile.StartWriteback(copy, written, from - written);
                    written = from;
                }
            }
        }
    }

    private void CopyStepLocked(SafeFileHandle copy, long offset, Span<byte> buffer)
    {
        try
        {
            int read = DurableFile.Read(File, _path, buffer, offset);
            DurableFile.Write(copy, CopyPath, buffer[..read], offset);
            return;
        }
        catch (DataLayerException fault) when (fault.Code == ErrorCode.TargetFailed && buffer.Length > ChunkBytes)
        {
            // Chunk by chunk then.
        }

        for (int at = 0; at < buffer.Length; at += ChunkBytes)
        {
            Span<byte> chunk = buffer.Slice(at, Math.Min(ChunkBytes, buffer.Length - at));
            int read = 0;
            try
            {
                read = DurableFile.Read(File, _path, chunk, offset + at);
            }
            catch (DataLayerException fault) when (fault.Code == ErrorCode.TargetFailed)
            {
                // Lost; its checksum will say so.
            }

            DurableFile.Write(copy, CopyPath, chunk[..read], offset + at);
        }
    }

    /// <summary>
    /// The rename that made the file our own must be durable before anything is vouched for that only the copy has.
    /// </summary>
    private void FlushOwnNameLocked()
    {
        if (_isOwnNameLoose)
        {
            DurableFile.FlushDirectory(Path.GetDirectoryName(_path)!);
            _isOwnNameLoose = false;
            _step?.Invoke("own.durable");
        }
    }
}
