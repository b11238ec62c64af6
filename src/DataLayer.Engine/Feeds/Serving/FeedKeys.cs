using System.Buffers.Text;
using System.Text;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>
/// The keys of all samples of an index: the paths of its files as UTF-8, one after the other, and where each ends.
/// Immutable; shared by the feeds of one index.
/// </summary>
internal sealed class FeedKeys
{
    private const int MaxPlaceBytes = 20;
    private readonly SampleIndex _index;
    private readonly byte[] _paths;
    private readonly long[] _ends;

    /// <summary>Reads the paths.</summary>
    /// <param name="index">The index.</param>
    /// <param name="manifest">Its manifest's path: the files in the order of the index.</param>
    public FeedKeys(SampleIndex index, string manifest)
    {
        _index = index;
        _ends = new long[index.FileCount];
        using MemoryStream paths = new();
        long file = 0;
        foreach (ManifestFile known in ManifestStore.Read(manifest))
        {
            paths.Write(Encoding.UTF8.GetBytes(known.Path));
            if (file < _ends.Length)
            {
                _ends[file] = paths.Length;
            }

            file++;
        }

        _paths = file == index.FileCount
            ? paths.ToArray()
            : throw new Core.Errors.DataLayerException(
                Core.Errors.ErrorCode.Corrupt,
                $"The manifest '{manifest}' has {file} files, its index {index.FileCount}. Refresh the dataset to "
                + "build it again.");
    }

    /// <summary>Room that the key of any sample fits, bytes.</summary>
    public int MaxBytesOf(long sample)
    {
        long file = _index.FileOf(sample);
        return (int)(_ends[file] - StartOf(file)) + 1 + MaxPlaceBytes;
    }

    /// <summary>Writes the key of a sample.</summary>
    /// <returns>How many bytes it has.</returns>
    public int Write(long sample, Span<byte> destination)
    {
        long file = _index.FileOf(sample);
        long start = StartOf(file);
        int length = (int)(_ends[file] - start);
        _paths.AsSpan((int)start, length).CopyTo(destination);
        (long first, long count) = _index.SamplesOf(file);
        if (!_index.IsSampleAFile && count > 1)
        {
            destination[length++] = (byte)'#';
            Utf8Formatter.TryFormat(sample - first, destination[length..], out int digits);
            length += digits;
        }

        return length;
    }

    private long StartOf(long file) => file == 0 ? 0 : _ends[file - 1];
}
