using System.Buffers.Binary;
using System.Text.Json;
using DataLayer.Core.Integrity;
using DataLayer.Storage.Interop;

namespace DataLayer.Engine.Feeds;

/// <summary>
/// Writes an index: columns of numbers, each as wide as its largest needs. Works in memory (an index has at most 24
/// bytes a sample), writes the file whole and durably.
/// </summary>
internal sealed class IndexWriter : IDisposable
{
    private readonly IndexBuild _build;
    private readonly MemoryStream _body = new();
    private readonly List<(IndexColumn Id, int Width, long Base, long Offset, uint Crc)> _columns = [];

    private IndexWriter(IndexBuild build) => _build = build;

    /// <summary>Writes the index of a build that was prepared.</summary>
    /// <returns>Its hash, its length in bytes, and how many samples are held out.</returns>
    public static (byte[] Hash, long Bytes, long Validation) Write(string path, IndexBuild build)
    {
        using IndexWriter writer = new(build);
        return writer.Write(path);
    }

    /// <inheritdoc/>
    public void Dispose() => _body.Dispose();

    private (byte[] Hash, long Bytes, long Validation) Write(string path)
    {
        AddFileColumns();
        AddSampleColumns();
        bool[]? heldOut = _build.Spec.ValidationShare > 0 ? FindHeldOut() : null;
        long validation = 0;
        if (heldOut is not null)
        {
            validation = AddBits(heldOut);
        }

        if (_build.ClassNumbers is { } classes)
        {
            AddClasses(classes, heldOut);
        }

        IndexMeta meta = new()
        {
            Kind = _build.Spec.Kind,
            Classes = _build.Classes,
            ElementType = _build.Record?.ElementType,
            Shape = _build.Record?.Shape,
        };
        byte[] words = JsonSerializer.SerializeToUtf8Bytes(meta, DatasetJson.Default.IndexMeta);
        int start = IndexFormat.HeaderBytes + (_columns.Count * IndexFormat.DescriptorBytes);
        byte[] hash = _build.ComputeHash();
        byte[] file = new byte[start + _body.Length + words.Length + IndexFormat.PaddingBytes];
        _body.GetBuffer().AsSpan(0, (int)_body.Length).CopyTo(file.AsSpan(start));
        words.CopyTo(file.AsSpan(start + (int)_body.Length));
        WriteHeader(file, start, hash, validation, words);
        WholeFile.Write(path, file);
        return (hash, file.Length, validation);
    }

    private void WriteHeader(byte[] file, int start, byte[] hash, long validation, byte[] words)
    {
        Span<byte> header = file.AsSpan(0, start);
        IndexFormat.Magic.CopyTo(header);
        BinaryPrimitives.WriteInt64LittleEndian(header[8..], _build.SampleCount);
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], _build.Files.Count);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], _build.Classes.Count);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], _columns.Count);
        BinaryPrimitives.WriteInt64LittleEndian(header[32..], _build.RecordBytes);
        BinaryPrimitives.WriteInt64LittleEndian(header[40..], validation);
        hash.CopyTo(header[48..]);
        BinaryPrimitives.WriteInt64LittleEndian(header[80..], start + _body.Length);
        BinaryPrimitives.WriteInt64LittleEndian(header[88..], words.Length);
        BinaryPrimitives.WriteInt64LittleEndian(header[96..], file.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header[104..], Crc32C.Compute(words));
        for (int i = 0; i < _columns.Count; i++)
        {
            Span<byte> descriptor = header[(IndexFormat.HeaderBytes + (i * IndexFormat.DescriptorBytes))..];
            (IndexColumn id, int width, long lowest, long offset, uint crc) = _columns[i];
            BinaryPrimitives.WriteInt32LittleEndian(descriptor, (int)id);
            BinaryPrimitives.WriteInt32LittleEndian(descriptor[4..], width);
            BinaryPrimitives.WriteInt64LittleEndian(descriptor[8..], lowest);
            BinaryPrimitives.WriteInt64LittleEndian(descriptor[16..], start + offset);
            BinaryPrimitives.WriteUInt32LittleEndian(descriptor[24..], crc);
        }

        // The checksum is of the header and all descriptors, with itself as zeros.
        BinaryPrimitives.WriteUInt32LittleEndian(header[124..], Crc32C.Compute(header));
    }

    private void AddFileColumns()
    {
        IReadOnlyList<IndexedFile> files = _build.Files;
        long[] values = new long[files.Count];
        void Add(IndexColumn column, Func<IndexedFile, long> value)
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = value(files[i]);
            }

            AddColumn(column, values);
        }

        Add(IndexColumn.Inode, static f => f.File.Inode);
        Add(IndexColumn.Generation, static f => f.File.Generation);
        Add(IndexColumn.Version, static f => f.File.Version);
        Add(IndexColumn.FileSize, static f => f.File.Size);
        if (_build.Spec.Kind == DatasetKind.Fixed)
        {
            Add(IndexColumn.DataOffset, static f => f.DataOffset);
        }

        if (_build.Spec.Kind != DatasetKind.Files)
        {
            long next = 0;
            Add(IndexColumn.FirstSample, f => (next += f.Count) - f.Count);
        }
    }

    private void AddSampleColumns()
    {
        if (_build.Spec.Kind is DatasetKind.Tar or DatasetKind.Lines)
        {
            AddSamples(IndexColumn.SampleOffset, static (file, i) => file.Offsets![i]);
            AddSamples(IndexColumn.SampleLength, static (file, i) => file.Lengths![i]);
        }
    }

    private void AddSamples(IndexColumn column, Func<IndexedFile, long, long> value)
    {
        long[] values = new long[_build.SampleCount];
        long next = 0;
        foreach (IndexedFile file in _build.Files)
        {
            for (long i = 0; i < file.Count; i++)
            {
                values[next++] = value(file, i);
            }
        }

        AddColumn(column, values);
    }

    private bool[] FindHeldOut()
    {
        bool[] heldOut = new bool[_build.SampleCount];
        long next = 0;
        foreach (IndexedFile file in _build.Files)
        {
            ulong hash = IndexBuild.HashForSplit(_build.Spec.SplitSalt, file.File.Path);
            for (long i = 0; i < file.Count; i++)
            {
                heldOut[next++] = IndexBuild.IsValidation(hash, i, _build.Spec.ValidationShare);
            }
        }

        return heldOut;
    }

    private long AddBits(bool[] heldOut)
    {
        int groups = (heldOut.Length / IndexFormat.RankSamples) + 1;
        byte[] bits = new byte[groups * (IndexFormat.RankSamples / 8)];
        long[] ranks = new long[groups];
        long count = 0;
        for (int i = 0; i < heldOut.Length; i++)
        {
            if (i % IndexFormat.RankSamples == 0)
            {
                ranks[i / IndexFormat.RankSamples] = count;
            }

            if (heldOut[i])
            {
                bits[i / 8] |= (byte)(1 << (i % 8));
                count++;
            }
        }

        if (heldOut.Length % IndexFormat.RankSamples == 0)
        {
            ranks[^1] = count;
        }

        _columns.Add((IndexColumn.ValidationBits, 1, 0, _body.Length, Crc32C.Compute(bits)));
        _body.Write(bits);
        AddColumn(IndexColumn.ValidationRank, ranks);
        return count;
    }

    /// <summary>
    /// The class of each sample, where each class starts when samples are sorted by class, and that order, unless the
    /// samples have it already.
    /// </summary>
    private void AddClasses(int[][] numbers, bool[]? heldOut)
    {
        long[] all = new long[_build.SampleCount];
        long next = 0;
        bool isSorted = true;
        foreach (int[] file in numbers)
        {
            foreach (int number in file)
            {
                all[next] = number;
                isSorted &= next == 0 || all[next - 1] <= number;
                next++;
            }
        }

        AddColumn(IndexColumn.SampleLabel, all);
        AddSorted(all, null, false, isSorted, IndexColumn.ClassStart, IndexColumn.ByClass);
        if (heldOut is not null)
        {
            AddSorted(all, heldOut, false, isSorted, IndexColumn.TrainClassStart, IndexColumn.TrainByClass);
            AddSorted(all, heldOut, true, isSorted, IndexColumn.ValidationClassStart, IndexColumn.ValidationByClass);
        }
    }

    private void AddSorted(
        long[] classes, bool[]? heldOut, bool wanted, bool isSorted, IndexColumn startColumn, IndexColumn orderColumn)
    {
        long[] starts = new long[_build.Classes.Count + 1];
        for (int i = 0; i < classes.Length; i++)
        {
            if (heldOut is null || heldOut[i] == wanted)
            {
                starts[classes[i] + 1]++;
            }
        }

        for (int i = 1; i < starts.Length; i++)
        {
            starts[i] += starts[i - 1];
        }

        AddColumn(startColumn, starts);
        if (isSorted)
        {
            return;
        }

        long[] places = [.. starts];
        long[] order = new long[starts[^1]];
        for (int i = 0; i < classes.Length; i++)
        {
            if (heldOut is null || heldOut[i] == wanted)
            {
                order[places[classes[i]]++] = i;
            }
        }

        AddColumn(orderColumn, order);
    }

    private void AddColumn(IndexColumn id, ReadOnlySpan<long> values)
    {
        long lowest = long.MaxValue;
        long highest = long.MinValue;
        foreach (long value in values)
        {
            lowest = Math.Min(lowest, value);
            highest = Math.Max(highest, value);
        }

        if (values.IsEmpty)
        {
            (lowest, highest) = (0, 0);
        }

        int width = (64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)(highest - lowest)) + 7) / 8;
        byte[] bytes = new byte[(values.Length * width) + 8];
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(i * width), values[i] - lowest);
        }

        ReadOnlySpan<byte> column = bytes.AsSpan(0, values.Length * width);
        _columns.Add((id, width, lowest, _body.Length, Crc32C.Compute(column)));
        _body.Write(column);
    }
}
