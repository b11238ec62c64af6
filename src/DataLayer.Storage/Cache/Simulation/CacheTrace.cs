using System.Globalization;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Cache.Simulation;

/// <summary>A sequence of accesses to objects, as read from a text trace.</summary>
/// <remarks>
/// One access a line: <c>time key size</c>, separated by blanks. The key is free text and may hold blanks itself: the
/// time is the first word, the size (bytes) the last. Times must be numbers and are not used otherwise. A key of the
/// form <c>dataset/rest</c> belongs to the dataset named by its first component; a key without a slash to none. Empty
/// lines and lines that start with <c>#</c> are skipped. An access with another size than before counts as a new
/// version: a miss.
/// </remarks>
public sealed class CacheTrace
{
    private readonly List<int> _objects = [];
    private readonly List<int> _sizes = [];
    private readonly List<int> _datasetOf = [];

    /// <summary>Accesses, a count.</summary>
    public int Count => _objects.Count;

    /// <summary>Different objects, a count.</summary>
    public int ObjectCount => _datasetOf.Count;

    /// <summary>The object of each access.</summary>
    internal List<int> Objects => _objects;

    /// <summary>The size asked for at each access, bytes.</summary>
    internal List<int> Sizes => _sizes;

    /// <summary>The dataset of each object, 0 for none.</summary>
    internal List<int> DatasetOf => _datasetOf;

    /// <summary>Reads a trace.</summary>
    /// <exception cref="DataLayerException">A line is malformed (<see cref="ErrorCode.InvalidArgument"/>); the message
    /// names its number.</exception>
    public static CacheTrace Read(TextReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        CacheTrace trace = new();
        Dictionary<string, int> objects = [], datasets = [];
        var objectsBySpan = objects.GetAlternateLookup<ReadOnlySpan<char>>();
        long number = 0;
        while (reader.ReadLine() is { } line)
        {
            number++;
            ReadOnlySpan<char> text = line.AsSpan().Trim();
            if (text.IsEmpty || text[0] == '#')
            {
                continue;
            }

            (Range keyRange, int size) = ParseLine(text, number);
            ReadOnlySpan<char> key = text[keyRange];
            if (!objectsBySpan.TryGetValue(key, out int id))
            {
                id = trace._datasetOf.Count;
                objects.Add(key.ToString(), id);
                trace._datasetOf.Add(DatasetOfKey(key, datasets));
            }

            trace.Add(id, size);
        }

        return trace;
    }

    /// <summary>Adds an object of a dataset (0: none); returns its number.</summary>
    public int AddObject(int datasetId)
    {
        _datasetOf.Add(datasetId);
        return _datasetOf.Count - 1;
    }

    /// <summary>Adds an access.</summary>
    public void Add(int objectNumber, int sizeBytes)
    {
        _objects.Add(objectNumber);
        _sizes.Add(sizeBytes);
    }

    private static (Range Key, int Size) ParseLine(ReadOnlySpan<char> text, long number)
    {
        int first = text.IndexOfAny(' ', '\t'), last = text.LastIndexOfAny(' ', '\t');
        if (first < 0 || last <= first || text[first..last].Trim().IsEmpty)
        {
            throw Malformed(number, "it needs three words: time, key and size");
        }

        if (!double.TryParse(text[..first], NumberStyles.Float, CultureInfo.InvariantCulture, out _))
        {
            throw Malformed(number, $"the time '{text[..first]}' is not a number");
        }

        if (!int.TryParse(text[(last + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int size)
            || size == 0)
        {
            throw Malformed(
                number, $"the size '{text[(last + 1)..]}' is not a count of bytes from 1 to {int.MaxValue}");
        }

        int start = first, end = last;
        while (char.IsWhiteSpace(text[start]))
        {
            start++;
        }

        while (char.IsWhiteSpace(text[end - 1]))
        {
            end--;
        }

        return (start..end, size);
    }

    private static int DatasetOfKey(ReadOnlySpan<char> key, Dictionary<string, int> datasets)
    {
        key = key.TrimStart('/');
        int slash = key.IndexOf('/');
        if (slash <= 0)
        {
            return 0;
        }

        var bySpan = datasets.GetAlternateLookup<ReadOnlySpan<char>>();
        if (!bySpan.TryGetValue(key[..slash], out int id))
        {
            id = datasets.Count + 1;
            datasets.Add(key[..slash].ToString(), id);
        }

        return id;
    }

    private static DataLayerException Malformed(long number, string why) =>
        new(ErrorCode.InvalidArgument,
            string.Create(CultureInfo.InvariantCulture, $"Line {number} of the trace is malformed: {why}."));
}
