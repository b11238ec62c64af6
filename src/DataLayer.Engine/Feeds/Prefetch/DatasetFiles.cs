using DataLayer.Core.Identity;
using DataLayer.Core.Layout;

namespace DataLayer.Engine.Feeds.Prefetch;

/// <summary>
/// Finds the file of an index by a block of it. Inodes in a row (a listing gives them out so) need no table; others
/// take 12 bytes a file, found by interpolation: two or three looks where they are spread evenly. Immutable.
/// </summary>
internal sealed class DatasetFiles
{
    private const int Guesses = 6;
    private readonly SampleIndex _index;
    private readonly long _firstInode;
    private readonly long[] _inodes = [];
    private readonly int[] _files = [];

    public DatasetFiles(SampleIndex index)
    {
        _index = index;
        long count = index.FileCount;
        _firstInode = count > 0 ? index.ContentOf(0).Inode.Value : 0;
        bool isRow = true;
        for (long file = 0; file < count; file++)
        {
            isRow &= index.ContentOf(file).Inode.Value == _firstInode + file;
            Bytes += index.FileBytesOf(file);
            Blocks += BlockLayout.BlockCount(index.FileBytesOf(file));
        }

        if (!isRow)
        {
            _inodes = new long[count];
            _files = new int[count];
            for (int file = 0; file < count; file++)
            {
                (_inodes[file], _files[file]) = (index.ContentOf(file).Inode.Value, file);
            }

            Array.Sort(_inodes, _files);
        }
    }

    /// <summary>Bytes of all files.</summary>
    public long Bytes { get; }

    /// <summary>Blocks of all files, a count.</summary>
    public long Blocks { get; }

    /// <summary>The number of the block's file; −1 if the index has no such content.</summary>
    public long Find(in BlockId block)
    {
        long file = _inodes.Length == 0 ? block.Inode - _firstInode : Search(block.Inode);
        return file >= 0 && file < _index.FileCount && _index.ContentOf(file) == block.Content ? file : -1;
    }

    private long Search(long inode)
    {
        int low = 0;
        int high = _inodes.Length - 1;
        for (int guesses = Guesses; low <= high && inode >= _inodes[low] && inode <= _inodes[high]; guesses--)
        {
            long span = _inodes[high] - _inodes[low];
            int middle = guesses <= 0 || span == 0
                ? low + ((high - low) / 2)
                : low + (int)((double)(inode - _inodes[low]) / span * (high - low));
            if (_inodes[middle] == inode)
            {
                return _files[middle];
            }

            (low, high) = _inodes[middle] < inode ? (middle + 1, high) : (low, middle - 1);
        }

        return -1;
    }
}
