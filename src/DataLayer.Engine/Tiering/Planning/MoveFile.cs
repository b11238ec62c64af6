using DataLayer.Core.Errors;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>
/// Reads a plan's moves in their order, from the start or from a place given before. Each record's checksum is checked.
/// Not safe for concurrent use; several readers of one file are.
/// </summary>
public sealed class MoveFile : IDisposable
{
    private const int BufferBytes = 64 << 10;
    private readonly FileStream _file;
    private readonly string _path;
    private byte[] _record = [];

    /// <summary>Opens a plan's moves.</summary>
    /// <param name="path">The file.</param>
    /// <param name="expectedBytes">The length it had when it was written, bytes.</param>
    /// <param name="position">Where to go on; 0 for the start.</param>
    /// <exception cref="DataLayerException">
    /// NotFound; Corrupt: not as it was written; InvalidArgument: no such position.
    /// </exception>
    public MoveFile(string path, long expectedBytes, long position)
        : this(path)
    {
        try
        {
            Span<byte> header = stackalloc byte[MoveSpool.HeaderBytes];
            if (
                _file.Length != expectedBytes
                || _file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) != header.Length
                || !header.SequenceEqual(MoveSpool.Header))
            {
                throw MoveRecord.Damaged(path);
            }

            if (position != 0 && (position < MoveSpool.HeaderBytes || position > expectedBytes))
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument,
                    $"{position} is no place in the moves: give 'next' of the page before.");
            }

            _file.Position = Math.Max(position, MoveSpool.HeaderBytes);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>Opens bare records, a run of the sort.</summary>
    internal MoveFile(string path)
    {
        _path = path;
        try
        {
            _file = new FileStream(
                path,
                new FileStreamOptions
                {
                    Mode = FileMode.Open,
                    Access = FileAccess.Read,
                    Share = FileShare.Read | FileShare.Delete,
                    BufferSize = BufferBytes,
                });
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DataLayerException(
                ErrorCode.NotFound, $"The plan's moves '{path}' are gone: make the plan again.", e);
        }
    }

    /// <summary>Where the next move begins; the file's length at the end.</summary>
    public long Position => _file.Position;

    /// <summary>The next move; null at the end.</summary>
    /// <exception cref="DataLayerException">Corrupt.</exception>
    public PlannedMove? Read() =>
        TryReadRecord(ref _record, out int length) ? MoveRecord.Read(_record.AsSpan(0, length), _path) : null;

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>Reads the next record's bytes, prefix included.</summary>
    internal bool TryReadRecord(ref byte[] record, out int length)
    {
        length = 0;
        if (record.Length < MoveRecord.PrefixBytes)
        {
            record = new byte[512];
        }

        int read = _file.ReadAtLeast(
            record.AsSpan(0, MoveRecord.PrefixBytes), MoveRecord.PrefixBytes, throwOnEndOfStream: false);
        if (read == 0)
        {
            return false;
        }

        int fields = read == MoveRecord.PrefixBytes ? MoveRecord.ReadLength(record) : -1;
        if (fields < 0)
        {
            throw MoveRecord.Damaged(_path);
        }

        length = MoveRecord.PrefixBytes + fields;
        if (record.Length < length)
        {
            Array.Resize(ref record, MoveRecord.MaxBytes);
        }

        return _file.ReadAtLeast(record.AsSpan(MoveRecord.PrefixBytes, fields), fields, throwOnEndOfStream: false)
            == fields
            ? true
            : throw MoveRecord.Damaged(_path);
    }
}
