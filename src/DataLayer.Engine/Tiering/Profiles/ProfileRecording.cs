using DataLayer.Core.Identity;
using DataLayer.Core.Layout;

namespace DataLayer.Engine.Tiering.Profiles;

/// <summary>
/// One profile being recorded: which blocks of files below a path were read first when. Guarded by its recorder's gate.
/// </summary>
/// <param name="name">The profile's name.</param>
/// <param name="path">The folder (or file) that is recorded.</param>
/// <param name="startedAt">When it began.</param>
/// <param name="endsAt">When it ends by itself, or null.</param>
internal sealed class ProfileRecording(string name, string path, DateTimeOffset startedAt, DateTimeOffset? endsAt)
{
    /// <summary>Files and entries a recording may have: some hundred megabytes of memory at most.</summary>
    private const int MaxFiles = 1_000_000;
    private const int MaxEntries = 4_000_000;
    private const int NotBelow = -1;
    private readonly Dictionary<long, int> _index = [];
    private readonly List<ProfileFile> _files = [];
    private readonly List<ulong[]> _seen = [];
    private readonly List<ProfileEntry> _entries = [];
    private readonly string _prefix = path.TrimEnd('/') + "/";
    private long _missed;
    private long _blocks;

    public string Name => name;

    public string Path => path;

    public DateTimeOffset StartedAt => startedAt;

    public DateTimeOffset? EndsAt => endsAt;

    public long BlockCount => _blocks;

    public int FileCount => _files.Count;

    public long MissedCount => _missed;

    /// <summary>What ends it at its time.</summary>
    public CancellationTokenSource Ending { get; } = new();

    /// <summary>Whether the recording has seen the file; where not, <see cref="AddFile"/> comes first.</summary>
    public bool Knows(InodeId inode) => _index.ContainsKey(inode.Value);

    /// <summary>Makes a file known by its path; what is not below the recorded one is passed over.</summary>
    public void AddFile(InodeId inode, string? at, long sizeBytes)
    {
        bool isBelow = at is not null && (at == path || at.StartsWith(_prefix, StringComparison.Ordinal));
        if (!isBelow || _files.Count >= MaxFiles)
        {
            _missed += isBelow ? 1 : 0;
            _index[inode.Value] = NotBelow;
            return;
        }

        _index[inode.Value] = _files.Count;
        _files.Add(new ProfileFile(at!, inode, sizeBytes));
        _seen.Add([]);
    }

    /// <summary>Notes one read.</summary>
    public void Add(in ReadNote note)
    {
        int file = _index.GetValueOrDefault(note.Inode.Value, NotBelow);
        if (file < 0)
        {
            return;
        }

        if (note.SizeBytes > _files[file].SizeBytes)
        {
            _files[file] = _files[file] with { SizeBytes = note.SizeBytes };
        }

        // To the millisecond, as it is stored.
        TimeSpan since = note.At > startedAt ? note.At - startedAt : TimeSpan.Zero;
        TimeSpan time = TimeSpan.FromMilliseconds((long)since.TotalMilliseconds);
        if (_entries.Count > 0 && time < _entries[^1].Time)
        {
            time = _entries[^1].Time; // Notes of readers side by side may come in another order.
        }

        for (uint block = note.FirstBlock; block <= note.LastBlock; block++)
        {
            if (TrySee(file, block))
            {
                AddBlock(new ProfileEntry(file, block, 1, 1, time));
            }
        }
    }

    /// <summary>The recorder had no room for some reads.</summary>
    public void Miss(long count) => _missed += count;

    /// <summary>What was recorded so far.</summary>
    public AccessProfile ToProfile(DateTimeOffset now) => new()
    {
        Path = path,
        RecordedAt = startedAt,
        Duration = now > startedAt
            ? TimeSpan.FromMilliseconds((long)(now - startedAt).TotalMilliseconds)
            : TimeSpan.Zero,
        MissedCount = _missed,
        Files = [.. _files],
        Entries = [.. _entries],
    };

    private void AddBlock(in ProfileEntry block)
    {
        if (_entries.Count > 0 && AccessProfile.Joins(_entries[^1], block))
        {
            _entries[^1] = _entries[^1] with { BlockCount = _entries[^1].BlockCount + 1 };
        }
        else if (_entries.Count < MaxEntries)
        {
            _entries.Add(block);
        }
        else
        {
            _missed++;
            return;
        }

        _blocks++;
    }

    private bool TrySee(int file, uint block)
    {
        ulong[] seen = _seen[file];
        int word = (int)(block / 64);
        if (word >= seen.Length)
        {
            int most = (int)((BlockLayout.BlockCount(_files[file].SizeBytes) + 63) / 64);
            Array.Resize(ref seen, Math.Max(word + 1, Math.Min(most, Math.Max(1, seen.Length * 2))));
            _seen[file] = seen;
        }

        ulong bit = 1UL << (int)(block % 64);
        bool isNew = (seen[word] & bit) == 0;
        seen[word] |= bit;
        return isNew;
    }
}
