using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Integrity;
using DataLayer.Storage.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Storage.Stripes;

/// <summary>
/// One open backing file with its side file: verified reads, crash-safe writes, flush (docs/FORMATS/stripes.md tells
/// the states).
/// </summary>
/// <remarks>
/// Reads take no lock: they copy the chunks' entries, read, and compare checksums. A mismatch may be a write in
/// progress, so it is tried again under the write lock, where it is final. Writes, flushes and repairs of one column
/// file take turns under the write lock (the kernel's inode lock does the same below); it is held over system calls and
/// never over an await. The backing file may be shared with clones (ColumnFile.Sharing.cs). Lock order: <c>_write</c>,
/// then the side file's state lock. Life: opened by <see
/// cref="ColumnFileCache"/>, used under a lease, flushed before it is closed. With crash marks it refuses everything
/// but recovery.
/// </remarks>
internal sealed partial class ColumnFile : IDisposable
{
    private const int ChunkBytes = ChunkEntry.ChunkBytes;

    /// <summary>Bytes read and then checksummed in one go: small enough that the checksum finds them in the
    /// second-level cache.</summary>
    private const int StepBytes = 512 << 10;

    private const int StepChunks = StepBytes / ChunkBytes;
    private readonly Lock _write = new();
    private readonly ScratchPool _scratch;
    private readonly string _path;
    private SafeFileHandle? _file;
    private SideFile? _side;
    private bool _isRecovering;
    private bool _needsRecovery;
    private bool _isDeleted;
    private bool _isReadOnly;
    private bool _isNameDurable = true;
    private bool _isUnborn;
    private bool _leftoversResolved;
    private ColumnLoss? _loss;

    internal ColumnFile(
        ColumnId id, string path, ScratchPool scratch, ColumnLoss? loss, Action<string>? step = null)
    {
        _step = step;
        Id = id;
        _path = path;
        _scratch = scratch;
        _loss = loss;
    }

    internal ColumnId Id { get; }

    /// <summary>Whether there were writes since the last flush.</summary>
    internal bool IsDirty => _side is { IsUnflushed: true };

    /// <summary>What a failed flush may have lost and was not written again, or null. Outlives the open file.</summary>
    internal ColumnLoss? Loss => _loss;

    /// <summary>Memory held for entries, in pages of 4 KiB.</summary>
    internal int PageCount => _side?.PageCount ?? 0;

    /// <summary>The length of the backing file, bytes.</summary>
    internal long PhysicalLength => RandomAccess.GetLength(File);

    private SafeFileHandle File => _file ?? throw new InvalidOperationException("The column file is not open.");

    private SideFile Side => _side ?? throw new InvalidOperationException("The column file is not open.");

    /// <summary>Opens both files, or makes them; does nothing when they are open.</summary>
    /// <param name="create">Make missing files. Only one of the two missing is damage, never made.</param>
    /// <exception cref="DataLayerException">NotFound if both are missing, Corrupt if one is.</exception>
    internal void EnsureOpen(bool create)
    {
        if (Volatile.Read(ref _side) is not null && !_isDeleted)
        {
            return;
        }

        lock (_write)
        {
            if (_isDeleted)
            {
                throw new DataLayerException(ErrorCode.NotFound, $"'{_path}' was deleted.");
            }

            if (_side is null)
            {
                OpenLocked(create);
            }
        }
    }

    /// <summary>The backing file once more, for somebody who only reads it and checks nothing.</summary>
    /// <exception cref="DataLayerException">NotFound; UncleanColumnException where it needs recovery first.</exception>
    internal SafeFileHandle OpenForReading()
    {
        ThrowIfUnusable();
        return DurableFile.Open(_path, write: false);
    }

    /// <summary>Reads <paramref name="lengthBytes"/> bytes of the column into the view, every chunk verified; holes are
    /// zeros.</summary>
    /// <exception cref="DataLayerException">Corrupt: a chunk matches no checksum. TargetFailed: the device
    /// fails.</exception>
    [SkipLocalsInit]
    internal void Read(long offsetBytes, int lengthBytes, in StripeView view)
    {
        ThrowIfUnusable();
        Span<ChunkEntry> entries = stackalloc ChunkEntry[StepChunks];
        long end = offsetBytes + lengthBytes;
        while (offsetBytes < end)
        {
            long firstChunk = offsetBytes / ChunkBytes;
            long lastChunk = (end - 1) / ChunkBytes;
            int count = (int)Math.Min(lastChunk - firstChunk + 1, StepChunks);
            count = (int)Math.Min(count, SideBook.PageEntryCount - (firstChunk % SideBook.PageEntryCount));
            Span<ChunkEntry> step = entries[..count];
            Side.ReadEntries(firstChunk, step);
            for (int i = 0; i < count;)
            {
                long chunkStart = (firstChunk + i) * ChunkBytes;
                int whole = CountWhole(step[i..], chunkStart, offsetBytes, end);
                if (whole > 0)
                {
                    ReadWhole(firstChunk + i, step.Slice(i, whole), view);
                    i += whole;
                }
                else
                {
                    int from = (int)(Math.Max(offsetBytes, chunkStart) - chunkStart);
                    int to = (int)(Math.Min(end, chunkStart + ChunkBytes) - chunkStart);
                    if (!TryReadPart(firstChunk + i, step[i], from, to, view))
                    {
                        ReadLocked(firstChunk + i, from, to, view);
                    }

                    i++;
                }
            }

            offsetBytes = (firstChunk + count) * ChunkBytes;
        }
    }

    /// <summary>How many entries from the first are full chunks wanted whole.</summary>
    private static int CountWhole(ReadOnlySpan<ChunkEntry> entries, long chunkStart, long offset, long end)
    {
        int count = 0;
        while (count < entries.Length && entries[count].CurrentLength == ChunkBytes
            && chunkStart >= offset && chunkStart + ChunkBytes <= end)
        {
            count++;
            chunkStart += ChunkBytes;
        }

        return count;
    }

    private void ReadWhole(long firstChunk, ReadOnlySpan<ChunkEntry> entries, in StripeView view)
    {
        int length = entries.Length * ChunkBytes;
        int read = Scatter.Read(File, _path, firstChunk * ChunkBytes, length, view);
        for (int i = 0; i < entries.Length; i++)
        {
            long chunk = firstChunk + i;
            Span<byte> bytes = view.Slice(chunk * ChunkBytes, ChunkBytes);
            if (read < (i + 1) * ChunkBytes || Seal(chunk, bytes) != entries[i].CurrentCrc)
            {
                ReadLocked(chunk, 0, ChunkBytes, view);
            }
        }
    }

    /// <summary>Reads bytes [from, to) of one chunk; false if it does not match its entry.</summary>
    private bool TryReadPart(long chunk, ChunkEntry entry, int from, int to, in StripeView view)
    {
        long start = chunk * ChunkBytes;
        Span<byte> wanted = view.Slice(start + from, to - from);
        if (!IsPlausible(chunk, entry))
        {
            return false;
        }

        int length = entry.CurrentLength;
        if (from == 0 && to >= length)
        {
            Span<byte> covered = wanted[..length];
            wanted[length..].Clear();
            return length == 0
                || (DurableFile.Read(File, _path, covered, start) == length
                    && Seal(chunk, covered) == entry.CurrentCrc);
        }

        byte[] scratch = _scratch.Rent();
        try
        {
            Span<byte> covered = scratch.AsSpan(0, length);
            if (length > 0
                && (DurableFile.Read(File, _path, covered, start) != length
                    || Seal(chunk, covered) != entry.CurrentCrc))
            {
                return false;
            }

            int copied = Math.Clamp(length - from, 0, to - from);
            covered.Slice(Math.Min(from, length), copied).CopyTo(wanted);
            wanted[copied..].Clear();
            return true;
        }
        finally
        {
            _scratch.Return(scratch);
        }
    }

    /// <summary>The second try, with no writer about: what fails here is lost.</summary>
    private void ReadLocked(long chunk, int from, int to, in StripeView view)
    {
        lock (_write)
        {
            ThrowIfUnusable();
            ChunkEntry entry = ResolveLocked(chunk);
            if (!TryReadPart(chunk, entry, from, to, view))
            {
                throw CorruptChunk(chunk);
            }
        }
    }

    /// <summary>
    /// The entry of a chunk, after settling what a crash left. Written but not flushed, and the data did not make it to
    /// disk: the chunk is what the last flush made of it. Stopped in the middle of an overwrite of unflushed bytes: it
    /// is what is there. Under the write lock.
    /// </summary>
    private ChunkEntry ResolveLocked(long chunk)
    {
        (long group, long slot) = Math.DivRem(chunk, SideBook.PageEntryCount);
        SidePage page = Side.GetPage(group);
        ChunkEntry entry = page.Entries[slot];
        if (!entry.IsUnflushed || page.IsDirtySlot((int)slot) || entry.IsAbsent)
        {
            return entry;
        }

        byte[] scratch = _scratch.Rent();
        try
        {
            bool wasMarked = entry.IsMarked;
            entry = entry.Unmarked();
            int longest = Math.Max(entry.CurrentLength, entry.DurableLength);
            if (longest > ChunkBytes || entry.DurableLength < 0)
            {
                return entry;
            }

            int read = DurableFile.Read(File, _path, scratch.AsSpan(0, longest), chunk * ChunkBytes);
            ReadOnlySpan<byte> bytes = scratch.AsSpan(0, read);
            if (!Matches(chunk, bytes, entry.CurrentCrc, entry.CurrentLength))
            {
                bool isPrefixGood = Matches(chunk, bytes, entry.DurableCrc, entry.DurableLength);
                if (wasMarked && read == longest && (isPrefixGood || Side.IsIntended(group)))
                {
                    // A kill in the middle of an overwrite: each byte is old or new.
                    entry = entry.WithCurrent(Seal(chunk, bytes[..entry.CurrentLength]), entry.CurrentLength);
                }
                else if (isPrefixGood)
                {
                    entry = entry.Reverted();
                }
            }
        }
        finally
        {
            _scratch.Return(scratch);
        }

        Side.SetEntry(chunk, entry);
        if (!_isReadOnly)
        {
            Side.Prepare(chunk, chunk);
            Side.StoreEntries(chunk, chunk);
        }

        return entry;
    }

    private bool Matches(long chunk, ReadOnlySpan<byte> bytes, uint crc, int length) =>
        (uint)length <= (uint)bytes.Length && (Crc32C.Compute(bytes[..length]) ^ Id.Bind(chunk, length)) == crc;

    /// <summary>Whether the entry can be one: a length in range, and for a hole its own checksum.</summary>
    private bool IsPlausible(long chunk, ChunkEntry entry) =>
        entry.CurrentLength is > 0 and <= ChunkBytes || (entry.CurrentLength == 0 && entry.CurrentCrc == Id.Bind(
            chunk, 0));

    private uint Seal(long chunk, ReadOnlySpan<byte> bytes) => Crc32C.Compute(bytes) ^ Id.Bind(chunk, bytes.Length);

    private DataLayerException CorruptChunk(long chunk) => new(ErrorCode.Corrupt,
        $"Chunk {chunk} (bytes {chunk * ChunkBytes} … {((chunk + 1) * ChunkBytes) - 1}) of '{_path}' fails its "
            + $"checksum. "
        + "Check the disk; a scrub repairs it from another copy or from the cold object.");

    private void ThrowIfUnusable()
    {
        if (_isDeleted)
        {
            throw new DataLayerException(ErrorCode.NotFound, $"'{_path}' was deleted.");
        }

        if (_needsRecovery && !_isRecovering)
        {
            throw new UncleanColumnException(Id);
        }
    }

    private void OpenLocked(bool create)
    {
        SafeFileHandle? file = DurableFile.TryOpen(_path, write: true, create: false, exclusive: false,
            out int fileError);
        _isReadOnly = fileError == Errno.ReadOnly;
        if (_isReadOnly)
        {
            // What a read-only target holds can still be read.
            file = DurableFile.TryOpen(_path, write: false, create: false, exclusive: false, out fileError);
        }

        SafeFileHandle? side = DurableFile.TryOpen(_path + ".sum", !_isReadOnly, create: false, exclusive: false,
            out int sideError);
        if (file is null && side is null && create && fileError == Errno.NoEntry
            && sideError == Errno.NoEntry)
        {
            CreateLocked();
            return;
        }

        if (create && !_isReadOnly && IsEmptyHalf(file, side, fileError, sideError))
        {
            file?.Dispose();
            side?.Dispose();
            _ = DurableFile.Unlink(_path);
            _ = DurableFile.Unlink(_path + ".sum");
            CreateLocked();
            return;
        }

        if (!_isReadOnly && file is not null && side is not null && IsEmptyHalf(file, side, fileError, sideError))
        {
            file.Dispose();
            side.Dispose();
            throw new DataLayerException(ErrorCode.Corrupt,
                $"'{_path}.sum' is empty: the column was never made whole. A write or a scrub completes it.");
        }

        if (file is null || side is null)
        {
            file?.Dispose();
            side?.Dispose();
            int error = file is null ? fileError : sideError;
            string missing = file is null ? _path : _path + ".sum";
            throw error == Errno.NoEntry && (file is null) != (side is null)
                ? new DataLayerException(ErrorCode.Corrupt,
                    $"'{missing}' is missing: its other half is there. A scrub rebuilds it from another copy.")
                : LinuxError.Create(error, "open", missing);
        }

        SideFile opened;
        try
        {
            opened = SideFile.Open(Id, side, _path + ".sum");
            NoteSharedLocked(file, opened);
            _isUnborn = !create && opened.IsFresh && RandomAccess.GetLength(file) == 0;
        }
        catch
        {
            file.Dispose();
            side.Dispose();
            throw;
        }

        _needsRecovery = opened.HasIntent;
        _isNameDurable = !opened.IsUnflushed;
        _leftoversResolved = !opened.IsUnflushed;
        Volatile.Write(ref _file, file);

        // Last: who sees it looks at nothing else.
        Volatile.Write(ref _side, opened);
    }

    /// <summary>
    /// Whether a kill came while the column was made: one file, or both without a byte. The side file's head is written
    /// before any data, so nothing was ever stored in such a column.
    /// </summary>
    private static bool IsEmptyHalf(SafeFileHandle? file, SafeFileHandle? side, int fileError, int sideError) =>
        (file is not null || fileError == Errno.NoEntry)
        && (side is not null || sideError == Errno.NoEntry)
        && (file is null || RandomAccess.GetLength(file) == 0)
        && (side is null || RandomAccess.GetLength(side) == 0);

    /// <summary>Whether what lies at <paramref name="path"/> is a column without a byte, never flushed.</summary>
    /// <exception cref="DataLayerException">TargetFailed: the files cannot be looked at.</exception>
    internal static bool IsUnborn(in ColumnId id, string path)
    {
        using SafeFileHandle? file = DurableFile.TryOpen(path, write: false, create: false, exclusive: false,
            out int fileError);
        using SafeFileHandle? side = DurableFile.TryOpen(path + ".sum", write: false, create: false, exclusive: false,
            out int sideError);
        return IsEmptyHalf(file, side, fileError, sideError)
            || (file is not null && side is not null && RandomAccess.GetLength(file) == 0
                && SideFile.Open(id, side, path + ".sum").IsFresh);
    }

    /// <summary>The column's set is known to be complete: it may be written.</summary>
    internal void Adopt()
    {
        lock (_write)
        {
            _isUnborn = false;
        }
    }

    private void CreateLocked()
    {
        SafeFileHandle file = DurableFile.Open(_path, write: true, create: true, exclusive: true);
        SafeFileHandle? side = null;
        SideFile made;
        try
        {
            side = DurableFile.Open(_path + ".sum", write: true, create: true, exclusive: true);
            made = SideFile.Create(Id, side, _path + ".sum");
        }
        catch
        {
            side?.Dispose();
            file.Dispose();
            _ = DurableFile.Unlink(_path);
            _ = DurableFile.Unlink(_path + ".sum");
            throw;
        }

        _isNameDurable = false;
        _isShared = false;
        _isOwnNameLoose = false;
        _isUnborn = false;
        _leftoversResolved = true;
        Volatile.Write(ref _file, file);
        Volatile.Write(ref _side, made);
    }

    /// <summary>Closes both handles. The owner flushed before.</summary>
    public void Dispose()
    {
        _side?.Dispose();
        _file?.Dispose();
    }
}
