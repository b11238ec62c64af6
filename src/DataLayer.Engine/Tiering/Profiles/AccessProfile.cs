using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;

namespace DataLayer.Engine.Tiering.Profiles;

/// <summary>A file of a profile, as it was when it was recorded.</summary>
/// <param name="Path">Its absolute path.</param>
/// <param name="Inode">Its inode, by which it is found where it was renamed.</param>
/// <param name="SizeBytes">Its length.</param>
public sealed record ProfileFile(string Path, InodeId Inode, long SizeBytes);

/// <summary>Blocks that follow each other in a file, first read about the same time.</summary>
/// <param name="File">Index of the file.</param>
/// <param name="FirstBlock">The first block's index.</param>
/// <param name="BlockCount">How many, from 1.</param>
/// <param name="RunCount">In how many of the profile's runs they were read.</param>
/// <param name="Time">When they were first read, since the run's start; the mean over the runs.</param>
public readonly record struct ProfileEntry(
    int File, uint FirstBlock, uint BlockCount, int RunCount, TimeSpan Time);

/// <summary>
/// What one or several runs of a job read: which blocks of which files, in the order they were first read. Immutable.
/// </summary>
/// <remarks>
/// A block stands in a profile once, however often it was read: a warm-up brings it once. Entries are in order of time.
/// </remarks>
public sealed record AccessProfile
{
    /// <summary>Blocks in a row that were first read within this time are one entry.</summary>
    internal static readonly TimeSpan EntrySpan = TimeSpan.FromSeconds(1);

    /// <summary>The path below which was recorded.</summary>
    public required string Path { get; init; }

    /// <summary>When the (last) run began.</summary>
    public DateTimeOffset RecordedAt { get; init; }

    /// <summary>How long the (longest) run was.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>Of how many runs it is, a count from 1.</summary>
    public int RunCount { get; init; } = 1;

    /// <summary>Accesses that are missing: more came than could be noted, or were allowed for.</summary>
    public long MissedCount { get; init; }

    /// <summary>The files, in the order they were first read.</summary>
    public required IReadOnlyList<ProfileFile> Files { get; init; }

    /// <summary>What was read of them.</summary>
    public required IReadOnlyList<ProfileEntry> Entries { get; init; }

    /// <summary>All its blocks, a count.</summary>
    public long BlockCount
    {
        get
        {
            long blocks = 0;
            foreach (ProfileEntry entry in Entries)
            {
                blocks += entry.BlockCount;
            }

            return blocks;
        }
    }

    /// <summary>All its blocks' bytes.</summary>
    public long SizeBytes
    {
        get
        {
            long bytes = 0;
            foreach (ProfileEntry entry in Entries)
            {
                bytes += EntryBytes(entry);
            }

            return bytes;
        }
    }

    /// <summary>
    /// One profile of all the runs of several: a block's runs are added, its time is the mean over them. Of a file that
    /// is in several, what the last recorded one says counts; blocks past its end go.
    /// </summary>
    /// <exception cref="DataLayerException">InvalidArgument: there is none, or one has too many blocks.</exception>
    public static AccessProfile Merge(IReadOnlyList<AccessProfile> profiles)
    {
        ArgumentNullException.ThrowIfNull(profiles);
        if (profiles.Count == 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "There are no profiles to merge: name at least one.");
        }

        // The last recorded comes last, and what it says of a file stands.
        List<AccessProfile> sorted = [.. profiles];
        sorted.Sort(static (a, b) => a.RecordedAt.CompareTo(b.RecordedAt));
        AccessProfile newest = sorted[^1];
        Dictionary<string, int> index = new(StringComparer.Ordinal);
        List<ProfileFile> files = [];
        Dictionary<(int File, uint Block), (int Runs, double Ticks)> blocks = [];
        int runs = 0;
        TimeSpan duration = TimeSpan.Zero;
        long missed = 0;
        string path = newest.Path;
        foreach (AccessProfile profile in sorted)
        {
            runs = checked(runs + profile.RunCount);
            duration = profile.Duration > duration ? profile.Duration : duration;
            missed += profile.MissedCount;
            path = CommonFolder(path, profile.Path);
            int[] map = AddFiles(profile, index, files);
            foreach (ProfileEntry entry in profile.Entries)
            {
                for (uint i = 0; i < entry.BlockCount; i++)
                {
                    ref (int Runs, double Ticks) sum = ref CollectionsMarshal.GetValueRefOrAddDefault(
                        blocks, (map[entry.File], entry.FirstBlock + i), out _);
                    sum = (sum.Runs + entry.RunCount, sum.Ticks + ((double)entry.Time.Ticks * entry.RunCount));
                }
            }
        }

        return newest with
        {
            Path = path,
            Duration = duration,
            RunCount = runs,
            MissedCount = missed,
            Files = files,
            Entries = Order(blocks, files),
        };
    }

    /// <summary>
    /// The part of it that was read in at least a share of the runs, within a time of the start, up to a size in order
    /// of time. Files of which nothing is left go.
    /// </summary>
    /// <param name="minShare">Share of the runs, 0 to 1.</param>
    /// <param name="maxTime">Time since the start, or null.</param>
    /// <param name="maxBytes">Bytes of whole blocks, or null.</param>
    /// <exception cref="DataLayerException">InvalidArgument: a value out of range.</exception>
    public AccessProfile Trim(double minShare, TimeSpan? maxTime, long? maxBytes)
    {
        if (!(minShare is >= 0 and <= 1) || maxTime < TimeSpan.Zero || maxBytes < 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "A profile is trimmed to a share from 0 to 1, a time and a size from 0.");
        }

        List<ProfileFile> files = [];
        List<ProfileEntry> entries = [];
        Dictionary<int, int> map = [];
        long left = maxBytes ?? long.MaxValue;
        foreach (ProfileEntry entry in Entries)
        {
            if (entry.RunCount < minShare * RunCount || entry.Time > maxTime)
            {
                continue;
            }

            uint count = 0;
            long size = Files[entry.File].SizeBytes;
            while (count < entry.BlockCount && BlockLayout.BlockLength(entry.FirstBlock + count, size) <= left)
            {
                left -= BlockLayout.BlockLength(entry.FirstBlock + count, size);
                count++;
            }

            if (count > 0)
            {
                if (!map.TryGetValue(entry.File, out int file))
                {
                    map.Add(entry.File, file = files.Count);
                    files.Add(Files[entry.File]);
                }

                entries.Add(entry with { File = file, BlockCount = count });
            }

            if (count < entry.BlockCount)
            {
                break;
            }
        }

        return this with { Files = files, Entries = entries };
    }

    /// <summary>The bytes of an entry's blocks.</summary>
    internal long EntryBytes(in ProfileEntry entry)
    {
        long size = Files[entry.File].SizeBytes;
        long start = BlockLayout.BlockOffset(entry.FirstBlock);
        return Math.Clamp(size - start, 0, (long)entry.BlockCount * BlockLayout.BlockBytes);
    }

    private static int[] AddFiles(
        AccessProfile profile, Dictionary<string, int> index, List<ProfileFile> files)
    {
        int[] map = new int[profile.Files.Count];
        for (int i = 0; i < map.Length; i++)
        {
            ProfileFile file = profile.Files[i];
            if (!index.TryGetValue(file.Path, out map[i]))
            {
                index.Add(file.Path, map[i] = files.Count);
                files.Add(file);
            }
            else
            {
                files[map[i]] = file;
            }
        }

        return map;
    }

    private static List<ProfileEntry> Order(
        Dictionary<(int File, uint Block), (int Runs, double Ticks)> blocks, List<ProfileFile> files)
    {
        List<ProfileEntry> all = new(blocks.Count);
        foreach (((int file, uint block), (int runs, double ticks)) in blocks)
        {
            if (block >= BlockLayout.BlockCount(files[file].SizeBytes))
            {
                continue; // The file is shorter now.
            }

            // To the millisecond, as it is stored: what is stored and read back is merged the same.
            all.Add(new ProfileEntry(
                file, block, 1, runs, TimeSpan.FromMilliseconds((long)(ticks / runs / TimeSpan.TicksPerMillisecond))));
        }

        all.Sort(static (a, b) =>
        {
            int order = a.Time.CompareTo(b.Time);
            order = order != 0 ? order : a.File.CompareTo(b.File);
            return order != 0 ? order : a.FirstBlock.CompareTo(b.FirstBlock);
        });
        List<ProfileEntry> entries = [];
        foreach (ProfileEntry block in all)
        {
            if (entries.Count > 0 && Joins(entries[^1], block))
            {
                entries[^1] = entries[^1] with { BlockCount = entries[^1].BlockCount + 1 };
            }
            else
            {
                entries.Add(block);
            }
        }

        return entries;
    }

    /// <summary>Whether a block read next belongs to the entry before.</summary>
    internal static bool Joins(in ProfileEntry entry, in ProfileEntry next) =>
        next.File == entry.File && next.RunCount == entry.RunCount && next.Time - entry.Time <= EntrySpan
        && next.FirstBlock == entry.FirstBlock + entry.BlockCount;

    private static string CommonFolder(string left, string right)
    {
        string[] a = left.Split('/', StringSplitOptions.RemoveEmptyEntries);
        string[] b = right.Split('/', StringSplitOptions.RemoveEmptyEntries);
        int same = 0;
        while (same < a.Length && same < b.Length && a[same] == b[same])
        {
            same++;
        }

        return "/" + string.Join('/', a, 0, same);
    }
}
