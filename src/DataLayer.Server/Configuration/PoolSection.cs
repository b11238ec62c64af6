using System.Numerics;
using DataLayer.Core.Text;
using DataLayer.Storage.Stripes;

namespace DataLayer.Server.Configuration;

/// <summary>Sections <c>pools</c> and <c>hotTier</c>.</summary>
internal static class PoolSection
{
    private const long KiB = 1L << 10;
    private const long MiB = 1L << 20;

    /// <summary>Reads one pool.</summary>
    public static PoolOptions Read(SettingReader section)
    {
        IReadOnlyList<string> directories = section.TextList(
            "directories", [], "The targets that are folders, each best on its own disk.");
        IReadOnlyList<string> rados = section.TextList(
            "rados", [],
            "The targets in Ceph, as rados://POOL/NAMESPACE?conf=FILE&id=NAME; see docs/RADOS.md. "
            + "At least one of both.");
        PoolOptions pool = new()
        {
            Name = section.Text("name", "default", "The pool's name: letters, digits, '-' and '_'.", "a name")!,
            Directories = [.. directories.Select(Path.GetFullPath)],
            Rados = rados,
            Width = section.Count(
                "width",
                1,
                1,
                64,
                "How many targets a large file is spread over; at most the number of targets."
            ),
            UnitBytes = (int)
                section.Size(
                    "unit", MiB, 64 * KiB, 256 * MiB, "Stripe unit: bytes in a row on one target; a power of two."),
            CopyCount = section.Count("copies", 1, 1, 2, "Copies of each content, on different targets."),
            SegmentLimitBytes = (int)
                section.Size(
                    "segmentLimit", MiB, 0, MiB, "Files up to this size are packed into segments. 0 turns it off."),
            ReserveBytes = section.Size("reserve", 256 * MiB, 0, 1L << 40, "Bytes kept free on each target."),
        };
        CheckName(section, "pool", pool.Name);
        foreach (string address in rados)
        {
            if (PoolOptions.FindAddressProblem(address) is { } problem)
            {
                section.Report("rados", problem, "docs/RADOS.md has examples.");
            }
        }

        int targets = pool.Directories.Count + pool.Rados.Count;
        if (targets == 0)
        {
            section.Report("directories", "The pool has no targets.", "Give at least one folder.");
        }
        else
        {
            CheckCount(section, "width", pool.Width, targets);
            CheckCount(section, "copies", pool.CopyCount, targets);
        }

        if (!BitOperations.IsPow2(pool.UnitBytes))
        {
            section.Report("unit", $"{UnitText.FormatSize(pool.UnitBytes)} is not a power of two.", "Round it.");
        }

        section.Done();
        return pool;
    }

    /// <summary>The pool where none is given.</summary>
    public static PoolOptions Default(string stateDirectory) =>
        new() { Name = "default", Directories = [Path.Combine(stateDirectory, "targets", "0")] };

    /// <summary>Checks the pools against each other.</summary>
    public static void Check(SettingReader root, IReadOnlyList<PoolOptions> pools, string defaultPool)
    {
        if (pools.Count == 0)
        {
            root.Report("pools", "There is no pool.", "Give at least one, or leave the section out for the default.");
            return;
        }

        CheckUnique(root, "pools", "name", pools.Select(p => p.Name));
        CheckUnique(root, "pools", "directory", pools.SelectMany(p => p.Directories));
        CheckUnique(root, "pools", "RADOS address", pools.SelectMany(p => p.Rados));
        if (!pools.Any(p => p.Name == defaultPool))
        {
            root.Report(
                "defaultPool", $"There is no pool '{defaultPool}'.",
                $"Known are: {string.Join(", ", pools.Select(p => p.Name))}.");
        }
    }

    /// <summary>Reads the bounds of the hot tier's work.</summary>
    public static HotTierOptions ReadTier(
        SettingReader section, IReadOnlyList<PoolOptions> pools, string defaultPool, string stateDirectory)
    {
        HotTierOptions tier = new()
        {
            Pools = pools,
            DefaultPool = defaultPool,
            StateDirectory = stateDirectory,
            OpenFileCount = section.Count("openFiles", 512, 16, 16_384, "Backing files kept open, of all targets."),
            TargetConcurrencyCount = section.Count(
                "targetConcurrency", 16, 1, 256, "Calls under way on one target."),
            WaitLimit = section.Duration(
                "waitLimit", TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(0.1), TimeSpan.FromMinutes(10),
                "How long a call waits for its turn on a target, and for the answer of a Ceph cluster."),
            CheckInterval = section.Duration(
                "checkInterval", TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(0.1), TimeSpan.FromHours(1),
                "How often missing and fenced targets are looked at."),
            FenceTime = section.Duration(
                "fenceTime", TimeSpan.FromSeconds(30), TimeSpan.Zero, TimeSpan.FromHours(1),
                "How long a failed write keeps a target without writes at least."),
            SegmentBytes = (int)
                section.Size("segmentSize", 256 * MiB, MiB, 1024 * MiB, "Size at which a segment is sealed."),
            CompactBelow = section.Number(
                "compactBelow", 0.5, 0, 0.9, "Live share below which a sealed segment is compacted."),
        };
        section.Done();
        return tier;
    }

    /// <summary>Reports a name that is not one.</summary>
    public static void CheckName(SettingReader section, string what, string name)
    {
        if (name.Length is < 1 or > 64 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
        {
            section.Report("name", $"'{name}' is not a {what}'s name.", "Use 1 to 64 letters, digits, '-' and '_'.");
        }
    }

    /// <summary>Reports values that stand more than once.</summary>
    public static void CheckUnique(SettingReader root, string list, string what, IEnumerable<string> values)
    {
        foreach (
            IGrouping<string, string> same in values
                .GroupBy(v => v, StringComparer.Ordinal)
                .Where(g => g.Count() > 1))
        {
            root.Report(list, $"The {what} '{same.Key}' is given {same.Count()} times.", "Give each its own.");
        }
    }

    private static void CheckCount(SettingReader section, string name, int count, int targets)
    {
        if (count > targets)
        {
            section.Report(
                name, $"{count} is more than the pool's {targets} targets.", "Lower it or add targets.");
        }
    }
}
