using System.Buffers.Binary;
using System.Diagnostics;
using DataLayer.Core.Batches;
using DataLayer.Core.Order;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>What all assemblies of a feed share.</summary>
/// <param name="Engine">Reads the files.</param>
/// <param name="Setup">What is assembled.</param>
/// <param name="Files">The open files.</param>
/// <param name="Reads">Bounds the reads in flight.</param>
/// <param name="Stopping">Ends all reads.</param>
internal sealed record AssemblyParts(
    FileEngine Engine, FeedSetup Setup, FeedFiles Files, SemaphoreSlim Reads, CancellationToken Stopping)
{
    private int _gathering;

    /// <summary>A batch begins to copy; returns how many do now.</summary>
    public int BeginGather() => Interlocked.Increment(ref _gathering);

    /// <summary>A batch has copied what memory holds.</summary>
    public void EndGather() => Interlocked.Decrement(ref _gathering);
}

/// <summary>
/// Makes one batch in a slab. In order: <see cref="Plan"/> (which samples, how long is it) → <see cref="Take"/> (where)
/// → <see cref="StartAsync"/> (arrays, files, all that memory holds) → <see cref="Completion"/> (what had to be read
/// from elsewhere). Used again for later batches.
/// </summary>
/// <remarks>
/// <para>The samples of a step are read in the order of their files and bytes, so neighbours follow each other and a
/// file is looked up once. Bytes go from the cache straight into the slab; a piece that memory does not hold is read
/// by a task of its own, of which <see cref="AssemblyParts.Reads"/> bounds the number.</para>
/// <para>Each file is compared with the index before its first byte is read and after the last one was: a batch never
/// mixes versions.</para>
/// <para>Nothing is written into the slab once <see cref="Completion"/> has ended, however it did.</para>
/// </remarks>
internal sealed partial class BatchAssembly
{
    private readonly AssemblyParts _parts;
    private readonly long[] _ordinals;
    private readonly long[] _numbers;
    private readonly long[] _sorted;
    private readonly int[] _slots;
    private readonly SamplePlace[] _places;
    private readonly int[] _offsets;
    private readonly int[] _lengths;
    private readonly FeedFile?[] _files;
    private readonly long[] _epochs;
    private readonly List<Piece> _pieces = [];
    private readonly List<int> _missed = [];
    private readonly ReadTally _tally = new();
    private BatchLayout _layout;
    private FeedStep _step;
    private long _cursor;
    private long _started;
    private long _waited;
    private TaskCompletionSource _done = new();

    public BatchAssembly(AssemblyParts parts)
    {
        int count = parts.Setup.Request.Batch;
        _parts = parts;
        _ordinals = new long[count];
        _numbers = new long[count];
        _sorted = new long[count];
        _slots = new int[count];
        _places = new SamplePlace[count];
        _offsets = new int[count];
        _lengths = new int[count];
        _files = new FeedFile?[count];
        _epochs = new long[count];
    }

    /// <summary>Ends when the batch is whole, or will never be.</summary>
    /// <remarks>Who waits for it goes on on the thread that ends it.</remarks>
    public Task Completion => _done.Task;

    /// <summary>The slab it is made in.</summary>
    public Slab Slab { get; private set; } = null!;

    /// <summary>Its place in the connection, from 0.</summary>
    public ulong Sequence { get; private set; }

    /// <summary>Length of the batch, bytes. Set by <see cref="Plan"/>.</summary>
    public int LengthBytes => (int)_layout.TotalBytes;

    /// <summary>The header as it was written at the end.</summary>
    public BatchHeader Header { get; private set; }

    private int Count => _step.Count;

    private FeedSetup Setup => _parts.Setup;

    private EngineContext Context => _parts.Engine.Context;

    /// <summary>Finds the samples of a step, and how long their batch is.</summary>
    /// <exception cref="Core.Errors.DataLayerException">InvalidArgument: they do not fit the layout.</exception>
    public void Plan(in FeedStep step, long cursor)
    {
        _step = step;
        _cursor = cursor;
        SampleOrder order = Setup.Order;
        int inPass = (int)Math.Clamp((step.PassLength - step.First + step.Stride - 1) / step.Stride, 0, step.Count);
        order.Fill(step.Pass, step.First, step.Stride, _ordinals.AsSpan(0, inPass));
        for (int i = inPass; i < step.Count; i++)
        {
            _ordinals[i] = order.At(step.Pass, step[i]);
        }

        DatasetPart part = order.Spec.Part;
        for (int i = 0; i < step.Count; i++)
        {
            long number = Setup.Index.Select(part, order.Sorting, _ordinals[i]);
            _numbers[i] = number;
            _sorted[i] = number;
            _slots[i] = i;
        }

        Array.Sort(_sorted, _slots, 0, step.Count);
        long longest = 0;
        for (int i = 0; i < step.Count; i++)
        {
            SamplePlace place = Setup.Index[_sorted[i]];
            long length = Setup.OutputBytes(place);
            longest = Math.Max(longest, length);
            _places[i] = place;
            _lengths[_slots[i]] = length <= BatchLayout.MaxBytes ? (int)length : throw BatchLayout.TooLong(length);
        }

        Lay(longest);
    }

    /// <summary>Says where the batch is made.</summary>
    /// <param name="slab">Where to. The assembly's until <see cref="Completion"/> ended.</param>
    /// <param name="sequence">The batch's place in the connection.</param>
    public void Take(Slab slab, ulong sequence)
    {
        Slab = slab;
        Sequence = sequence;
        _done = new TaskCompletionSource();
    }

    /// <summary>
    /// Writes the arrays, opens the files and reads what memory holds; what is left goes on by itself. Does not throw:
    /// <see cref="Completion"/> says how it ended, and with it the assembly may be somebody else's already.
    /// </summary>
    public async ValueTask StartAsync()
    {
        _tally.Clear();
        _started = Context.Time.GetTimestamp();
        _waited = 0;
        _missed.Clear();
        Exception? failure = null;
        try
        {
            WriteArrays();
            await OpenFilesAsync().ConfigureAwait(false);
            await GatherAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            failure = e;
        }

        if (failure is null && _missed.Count > 0)
        {
            _ = CompleteAsync();
            return;
        }

        await EndAsync(failure).ConfigureAwait(false);
    }

    private async ValueTask OpenFilesAsync()
    {
        ValueTask opening = _parts.Files.OpenAsync(_places, Count, _files, _parts.Stopping);
        if (!opening.IsCompletedSuccessfully)
        {
            long asked = Context.Time.GetTimestamp();
            await opening.ConfigureAwait(false);
            _waited += (long)Context.Time.GetElapsedTime(asked).TotalNanoseconds;
        }

        for (int i = 0; i < Count; i++)
        {
            if (_files[i] is { } file)
            {
                _epochs[i] = file.File.Content.WriteEpoch;
                CheckFile(file, i);
            }
        }
    }

    private async Task CompleteAsync()
    {
        using Activity? activity = ReadTrace.BeginBatch();
        activity?.SetTag("dataset", Setup.Request.Dataset).SetTag("cursor", _cursor).SetTag("samples", Count);
        long asked = Context.Time.GetTimestamp();
        Exception? failure = null;
        try
        {
            await ReadMissesAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            failure = e;
        }

        _waited += (long)Context.Time.GetElapsedTime(asked).TotalNanoseconds;
        activity?.SetTag("wait_seconds", _waited / 1e9).SetTag("memory_bytes", _tally.MemoryBytes)
            .SetTag("hot_bytes", _tally.HotBytes).SetTag("cold_bytes", _tally.OriginBytes);
        if (failure is not null)
        {
            activity?.SetStatus(ActivityStatusCode.Error, failure.Message);
        }

        await EndAsync(failure).ConfigureAwait(false);
    }

    private async ValueTask EndAsync(Exception? failure)
    {
        try
        {
            if (failure is null)
            {
                CheckFiles();
                WriteHeader();
            }
        }
        catch (Exception e)
        {
            failure = e;
        }

        try
        {
            await _parts.Files.ReturnAsync(_places, Count, _files).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            failure ??= e;
        }

        if (failure is null)
        {
            _done.SetResult();
        }
        else
        {
            _done.SetException(failure);
        }
    }

    /// <summary>
    /// Also after the last byte: a write in place meanwhile may have mixed old and new.
    /// </summary>
    private void CheckFiles()
    {
        for (int i = 0; i < Count; i++)
        {
            if (_files[i] is { } file)
            {
                CheckFile(file, i);
            }
        }
    }

    private void CheckFile(FeedFile file, int at)
    {
        if (!file.IsOf(_places[at]) || file.File.Content.WriteEpoch != _epochs[at])
        {
            throw DatasetService.Changed(_places[at], "was changed");
        }
    }

    private void Lay(long longest)
    {
        long keyBytes = -1;
        if (Setup.Keys is { } keys)
        {
            keyBytes = 0;
            for (int i = 0; i < Count; i++)
            {
                keyBytes += keys.MaxBytesOf(_numbers[i]);
            }
        }

        BatchLayout layout = BatchLayout.Of(Count, Setup.Index.ClassCount > 0, keyBytes);
        long size = FeedElements.SizeOf(Setup.Element);
        long row = Setup.Layout switch
        {
            BatchLayoutKind.Dense => longest,
            BatchLayoutKind.Padded => (longest + size - 1) / size * size,
            _ => 0,
        };
        long end = layout.DataOffset;
        for (int i = 0; i < Count; i++)
        {
            if (Setup.Layout == BatchLayoutKind.Dense && _lengths[i] != row)
            {
                throw FeedSetup.Refuse(
                    $"layout is dense, but sample {_numbers[i]} has {_lengths[i]} bytes and another {row}: ask for "
                    + "padded or samples.");
            }

            long start = row > 0 ? layout.DataOffset + (i * row) : (end + 63) & -64;
            end = start + (row > 0 ? row : _lengths[i]);
            if (end > BatchLayout.MaxBytes)
            {
                throw BatchLayout.TooLong(end);
            }

            _offsets[i] = (int)start;
        }

        _layout = layout with { RowBytes = row, DataBytes = end - layout.DataOffset };
    }

    private void WriteArrays()
    {
        Span<byte> batch = Slab.GetSpan();
        batch[BatchHeader.SizeBytes.._layout.DataOffset].Clear();
        Span<byte> table = batch[_layout.TableOffset..];
        Span<byte> numbers = batch[_layout.NumbersOffset..];
        for (int i = 0; i < Count; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(table[(i * 16)..], _offsets[i]);
            BinaryPrimitives.WriteInt64LittleEndian(table[((i * 16) + 8)..], _lengths[i]);
            BinaryPrimitives.WriteInt64LittleEndian(numbers[(i * 8)..], _numbers[i]);
        }

        if (_layout.ClassesOffset > 0)
        {
            Span<byte> classes = batch[_layout.ClassesOffset..];
            for (int i = 0; i < Count; i++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(classes[(_slots[i] * 4)..], _places[i].Class);
            }
        }

        if (Setup.Keys is { } keys)
        {
            WriteKeys(keys, batch);
        }

        FillGaps(batch);
    }

    private void WriteKeys(FeedKeys keys, Span<byte> batch)
    {
        Span<byte> offsets = batch[_layout.KeysOffset..];
        Span<byte> text = batch[(_layout.KeysOffset + ((Count + 1) * 4)).._layout.DataOffset];
        int end = 0;
        for (int i = 0; i < Count; i++)
        {
            end += keys.Write(_numbers[i], text[end..]);
            BinaryPrimitives.WriteInt32LittleEndian(offsets[((i + 1) * 4)..], end);
        }
    }

    /// <summary>What lies between samples, and behind them in their rows: a slab holds what was in it before.</summary>
    private void FillGaps(Span<byte> batch)
    {
        if (Setup.Layout == BatchLayoutKind.Dense)
        {
            return;
        }

        for (int i = 0; i < Count; i++)
        {
            int end = _offsets[i] + _lengths[i];
            int next = i + 1 < Count ? _offsets[i + 1] : LengthBytes;
            batch[end..next].Fill(Setup.Layout == BatchLayoutKind.Padded ? Setup.Request.Pad : (byte)0);
        }
    }

    private void WriteHeader()
    {
        Header = new BatchHeader
        {
            Sequence = Sequence,
            Pass = _step.Pass,
            Cursor = _cursor,
            NextCursor = _step.NextCursor,
            SampleCount = Count,
            PaddingCount = _step.PaddingCount,
            Layout = Setup.Layout,
            Element = Setup.Element,
            RowBytes = _layout.RowBytes,
            TableOffset = _layout.TableOffset,
            ClassesOffset = _layout.ClassesOffset,
            NumbersOffset = _layout.NumbersOffset,
            KeysOffset = _layout.KeysOffset,
            DataOffset = _layout.DataOffset,
            DataBytes = _layout.DataBytes,
            WaitNanoseconds = _waited,
            AssemblyNanoseconds = (long)Context.Time.GetElapsedTime(_started).TotalNanoseconds,
            MemoryBytes = _tally.MemoryBytes,
            HotBytes = _tally.HotBytes,
            OriginBytes = _tally.OriginBytes,
        };
        Header.Write(Slab.GetSpan());
    }

    /// <summary>A piece of a sample: all of it, unless it is large.</summary>
    /// <param name="At">Which sample, by the order of reading.</param>
    /// <param name="File">The file.</param>
    /// <param name="OffsetBytes">Where in the sample it starts.</param>
    /// <param name="LengthBytes">How long it is in the file.</param>
    private readonly record struct Piece(int At, OpenFile File, int OffsetBytes, int LengthBytes);
}
