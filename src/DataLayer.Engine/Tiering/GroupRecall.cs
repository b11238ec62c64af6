namespace DataLayer.Engine.Tiering;

/// <summary>When recalls of single files bring in the rest of their group.</summary>
public sealed record GroupRecallOptions
{
    /// <summary>Recalls this close together count as one use of the group. Default 1 h.</summary>
    public TimeSpan Window { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Recalled files it takes at least, a count. Default 3: two neighbours are chance.</summary>
    public int MinFileCount { get; init; } = 3;

    /// <summary>Recalled files it takes as a part of the group's files, 0 to 1. Default 1 %.</summary>
    public double MinFileShare { get; init; } = 0.01;
}

/// <summary>
/// Recognises that a group of files (a folder's) is in use again by the first few of its files that are
/// recalled, so that the rest can be brought in ahead of its reader. One counter a group in use; a counter starts anew
/// when the window passed without a recall. Not safe for concurrent use.
/// </summary>
/// <param name="options">When a group counts as in use.</param>
public sealed class GroupRecall(GroupRecallOptions options)
{
    private readonly Dictionary<string, (int Count, DateTimeOffset Last)> _recent = new(StringComparer.Ordinal);

    /// <summary>Notes the recall of one file.</summary>
    /// <param name="group">Its group.</param>
    /// <param name="groupFileCount">Files in the group, a count.</param>
    /// <param name="at">When.</param>
    /// <returns>Whether the rest of the group is to be brought in now.</returns>
    public bool Observe(string group, int groupFileCount, DateTimeOffset at)
    {
        (int count, DateTimeOffset last) = _recent.GetValueOrDefault(group);
        count = at - last > options.Window ? 1 : count + 1;
        int wanted = Math.Max(options.MinFileCount, (int)Math.Ceiling(groupFileCount * options.MinFileShare));
        if (count >= wanted)
        {
            _recent.Remove(group);
            return true;
        }

        _recent[group] = (count, at);
        return false;
    }
}
