using DataLayer.Core.Identity;

namespace DataLayer.Engine.Feeds;

/// <summary>
/// The files of pinned datasets: tiering does not release their hot copies. One immutable picture, replaced as a whole;
/// 8 bytes a file.
/// </summary>
internal sealed class DatasetPins
{
    private IReadOnlyDictionary<string, long[]> _pins = new Dictionary<string, long[]>(StringComparer.Ordinal);

    /// <summary>Whether a pinned dataset has the file. A few loads; no lock.</summary>
    public bool Contains(InodeId inode)
    {
        foreach ((string _, long[] inodes) in Volatile.Read(ref _pins))
        {
            if (Array.BinarySearch(inodes, inode.Value) >= 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Pins a dataset's files. One caller at a time.</summary>
    /// <param name="dataset">The dataset.</param>
    /// <param name="inodes">Its files, sorted.</param>
    public void Set(string dataset, long[] inodes) =>
        Volatile.Write(ref _pins, new Dictionary<string, long[]>(_pins, StringComparer.Ordinal) { [dataset] = inodes });

    /// <summary>Gives a dataset's files free. One caller at a time.</summary>
    public void Remove(string dataset)
    {
        Dictionary<string, long[]> left = new(_pins, StringComparer.Ordinal);
        left.Remove(dataset);
        Volatile.Write(ref _pins, left);
    }
}
