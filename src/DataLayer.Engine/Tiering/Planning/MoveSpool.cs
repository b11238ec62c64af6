using System.Buffers;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>
/// Writes a plan's moves into a file, heaviest first, in bounded memory: an external merge sort. Moves gather in a
/// buffer of <see cref="RunBytes"/>; a full one is sorted and written as a run; <see cref="Complete"/> merges the runs.
/// Moves of one weight stay in the order they were added.
/// </summary>
/// <remarks>
/// Life: constructor → <see cref="Add"/> → <see cref="Complete"/>, which makes the file appear under its name →
/// <see cref="Dispose"/>, which removes what was not completed. The file is not synced: a plan lost with the power is
/// made anew, and each record's checksum tells. Not safe for concurrent use. Cost: n log n comparisons, each byte
/// written twice.
/// </remarks>
public sealed class MoveSpool : IDisposable
{
    /// <summary>Bytes sorted at once.</summary>
    public const int RunBytes = 8 << 20;

    internal const int HeaderBytes = 8;
    private const int CopyBytes = 64 << 10;
    private readonly string _path;
    private readonly List<string> _runs = [];
    private readonly List<(double Weight, int Offset, int Length)> _entries = [];
    private readonly ArrayBufferWriter<byte> _buffer = new(RunBytes + MoveRecord.MaxBytes);
    private bool _completed;

    /// <summary>Begins a file of moves.</summary>
    /// <param name="path">Where it will stand; its folder is there. An older file is replaced.</param>
    public MoveSpool(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        _path = path;
    }

    internal static ReadOnlySpan<byte> Header => "DLMOVES1"u8;

    /// <summary>Moves added, a count.</summary>
    public long Count { get; private set; }

    /// <summary>Adds a move.</summary>
    /// <exception cref="IOException">The disk is full or fails.</exception>
    public void Add(PlannedMove move)
    {
        ArgumentNullException.ThrowIfNull(move);
        ObjectDisposedException.ThrowIf(_completed, this);
        int offset = _buffer.WrittenCount;
        int length = MoveRecord.Write(move, _buffer);
        _entries.Add((move.Weight, offset, length));
        Count++;
        if (_buffer.WrittenCount >= RunBytes)
        {
            WriteRun();
        }
    }

    /// <summary>Writes what is left and puts the file in its place.</summary>
    /// <returns>The file's length, bytes.</returns>
    /// <exception cref="IOException">The disk is full or fails.</exception>
    public long Complete()
    {
        ObjectDisposedException.ThrowIf(_completed, this);
        WriteRun();
        string temporary = _path + ".new";
        long length;
        using (FileStream to = Create(temporary))
        {
            to.Write(Header);
            Merge(to);
            to.Flush();
            length = to.Length;
        }

        // Atomic for readers; that it outlives a power cut is not asked for.
        new FileInfo(temporary).MoveTo(_path, overwrite: true);
        DeleteRuns();
        _completed = true;
        return length;
    }

    /// <summary>Removes what was not completed.</summary>
    public void Dispose()
    {
        if (!_completed)
        {
            _completed = true;
            DeleteRuns();
            File.Delete(_path + ".new");
        }
    }

    private static FileStream Create(string path) =>
        new(
            path,
            new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.Write,
                BufferSize = CopyBytes,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });

    private void WriteRun()
    {
        if (_entries.Count == 0)
        {
            return;
        }

        // The offset breaks ties, so the sort is stable.
        _entries.Sort(static (a, b) =>
            a.Weight != b.Weight ? b.Weight.CompareTo(a.Weight) : a.Offset.CompareTo(b.Offset));
        string run = $"{_path}.run{_runs.Count}";
        _runs.Add(run);
        using (FileStream to = Create(run))
        {
            foreach ((_, int offset, int length) in _entries)
            {
                to.Write(_buffer.WrittenSpan.Slice(offset, length));
            }
        }

        _entries.Clear();
        _buffer.ResetWrittenCount();
    }

    private void Merge(FileStream to)
    {
        PriorityQueue<RunReader, (double, int)> heads = new(_runs.Count);
        List<RunReader> readers = new(_runs.Count);
        try
        {
            for (int i = 0; i < _runs.Count; i++)
            {
                RunReader reader = new(_runs[i], i);
                readers.Add(reader);
                Enqueue(heads, reader);
            }

            while (heads.TryDequeue(out RunReader? reader, out _))
            {
                to.Write(reader.Record);
                Enqueue(heads, reader);
            }
        }
        finally
        {
            foreach (RunReader reader in readers)
            {
                reader.Dispose();
            }
        }
    }

    private static void Enqueue(PriorityQueue<RunReader, (double, int)> heads, RunReader reader)
    {
        if (reader.MoveNext())
        {
            heads.Enqueue(reader, (-reader.Weight, reader.Number));
        }
    }

    private void DeleteRuns()
    {
        foreach (string run in _runs)
        {
            File.Delete(run);
        }
    }

    /// <summary>Reads a run record by record.</summary>
    private sealed class RunReader(string path, int number) : IDisposable
    {
        private readonly MoveFile _file = new(path);
        private byte[] _record = [];
        private int _length;

        public int Number { get; } = number;

        public double Weight { get; private set; }

        public ReadOnlySpan<byte> Record => _record.AsSpan(0, _length);

        public bool MoveNext()
        {
            if (!_file.TryReadRecord(ref _record, out _length))
            {
                return false;
            }

            Weight = MoveRecord.Read(Record, path).Weight;
            return true;
        }

        public void Dispose() => _file.Dispose();
    }
}
