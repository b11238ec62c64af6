using System.Globalization;
using System.Numerics;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Stripes;

/// <summary>The hot tier's settings: its pools and the bounds of its work. Validated at start, all errors at
/// once.</summary>
public sealed class HotTierOptions
{
    /// <summary>The pools; at least one, names unique.</summary>
    public required IReadOnlyList<PoolOptions> Pools { get; init; }

    /// <summary>The pool of contents that name none; one of <see cref="Pools"/>.</summary>
    public string DefaultPool { get; init; } = "default";

    /// <summary>
    /// A folder on a disk of its own (the metadata store's is right) that remembers which targets there are. Without it
    /// a deployment whose mounts are all missing looks like a new one. Default: none.
    /// </summary>
    public string? StateDirectory { get; init; }

    /// <summary>
    /// Open backing files of all targets together, a count of descriptors, 16 … 16,384. Default 512: with two
    /// descriptors a column that is 256 columns, and far from a limit of 20,000.
    /// </summary>
    public int OpenFileCount { get; init; } = 512;

    /// <summary>File calls under way on one target, a count, 1 … 256. Default 16: enough for an NVMe disk's queue with
    /// large transfers.</summary>
    public int TargetConcurrencyCount { get; init; } = 16;

    /// <summary>How long a call waits for its turn on a target before it fails with TimedOut, 0.1 s … 10 min. Default
    /// 30 s.</summary>
    public TimeSpan WaitLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often targets are looked at: missing ones for their return, fenced ones for a probe; 0.1 s … 1 h.
    /// Default 5 s.</summary>
    public TimeSpan CheckInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a failed write or flush keeps a target without writes at least, 0 … 1 h. Default 30
    /// s.</summary>
    public TimeSpan FenceTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Size at which a segment is sealed, bytes, 1 MiB … 1 GiB. Default 256 MiB: long sequential writes, and a
    /// compaction that moves little.
    /// </summary>
    public int SegmentBytes { get; init; } = 256 << 20;

    /// <summary>Live share below which a sealed segment is worth compacting, 0 … 0.9. Default 0.5.</summary>
    public double CompactBelow { get; init; } = 0.5;

    /// <summary>For tests: told of each step between changes of a column's files.</summary>
    internal Action<string>? StepHook { get; set; }

    /// <summary>For tests: stands in front of each target.</summary>
    internal Func<ITarget, ITarget>? DecorateTarget { get; set; }

    /// <summary>Checks everything.</summary>
    /// <exception cref="DataLayerException"><see cref="ErrorCode.InvalidArgument"/> with all errors, one a
    /// line.</exception>
    public void Validate()
    {
        List<string> errors = [];
        if (Pools.Count == 0)
        {
            errors.Add("pools: there must be at least one.");
        }

        HashSet<string> names = [];
        HashSet<string> directories = [];
        foreach (PoolOptions pool in Pools)
        {
            if (!names.Add(pool.Name))
            {
                errors.Add($"pools: '{pool.Name}' is there twice.");
            }

            pool.Validate(errors, directories);
        }

        if (!names.Contains(DefaultPool))
        {
            errors.Add($"defaultPool: '{DefaultPool}' is not one of the pools.");
        }

        Check(errors, "openFileCount", OpenFileCount, 16, 16_384);
        Check(errors, "targetConcurrencyCount", TargetConcurrencyCount, 1, 256);
        Check(errors, "waitLimit (s)", WaitLimit.TotalSeconds, 0.1, 600);
        Check(errors, "checkInterval (s)", CheckInterval.TotalSeconds, 0.1, 3600);
        Check(errors, "fenceTime (s)", FenceTime.TotalSeconds, 0, 3600);
        Check(errors, "segmentBytes", SegmentBytes, 1 << 20, 1 << 30);
        Check(errors, "compactBelow", CompactBelow, 0, 0.9);
        if (errors.Count > 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, string.Join('\n', errors));
        }
    }

    internal static void Check<T>(List<string> errors, string name, T value, T low, T high)
        where T : INumber<T>
    {
        if (value < low || value > high)
        {
            errors.Add(string.Create(CultureInfo.InvariantCulture, $"{name}: {value} is not in {low} … {high}."));
        }
    }
}
