using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Heat;
using DataLayer.Engine.Tiering.Planning;

namespace DataLayer.Engine.Tiering.Simulation;

/// <summary>
/// The simulated files: where each content lies, what a moment of it costs, how hot it is. Costs accrue with time by
/// rates that every change keeps up to date, so a bill is exact to the second. Not safe for concurrent use.
/// </summary>
internal sealed class SimulatedTree
{
    private const string Pool = "default";
    private readonly AccessTrace _trace;
    private readonly SimulationOptions _options;
    private readonly TierPricing _pricing;
    private readonly SimulatedFile[] _files;

    public SimulatedTree(AccessTrace trace, SimulationOptions options, TierPricing pricing)
    {
        _trace = trace;
        _options = options;
        _pricing = pricing;
        _files = new SimulatedFile[trace.Files.Count];
    }

    /// <summary>Hot bytes, one copy counted.</summary>
    public long HotBytes { get; private set; }

    /// <summary>Bytes of all files.</summary>
    public long Bytes { get; private set; }

    /// <summary>A month of the objects as they are.</summary>
    public double ColdPerMonth { get; private set; }

    /// <summary>A month of the hot tier as it is.</summary>
    public double HotPerMonth => _pricing.HotPerMonth(Pool, HotBytes, _options.CopyCount);

    /// <summary>A month of all files in the hot tier.</summary>
    public double AllHotPerMonth => _pricing.HotPerMonth(Pool, Bytes, _options.CopyCount);

    /// <summary>Fill of the hot tier, 0 to 1 and over.</summary>
    public double Fill => HotBytes / (double)_options.HotCapacityBytes;

    public ref SimulatedFile this[int file] => ref _files[file];

    /// <summary>The facts of one file; null where it is not there.</summary>
    public FileFacts? FactsOf(int index, DateTimeOffset now)
    {
        ref SimulatedFile file = ref _files[index];
        if (!file.Exists)
        {
            return null;
        }

        TraceFile named = _trace.Files[index];
        return new FileFacts
        {
            Inode = new InodeId(index + 2),
            Version = file.Version,
            Path = named.Path,
            Dataset = named.Dataset,
            Tenant = named.Tenant,
            SizeBytes = file.SizeBytes,
            HotBytes = file.HotBytes,
            CopyCount = file.HotBytes > 0 ? _options.CopyCount : 0,
            ModifiedAt = _trace.Start + file.ModifiedAt,
            AccessedAt = _trace.Start + file.AccessedAt,
            Heat = HeatOf(ref file, now - _trace.Start),
            State = !file.HasObject ? TierState.Hot
                : file.HotBytes == file.SizeBytes ? TierState.Premigrated
                : TierState.Released,
            Pool = Pool,
            HasObject = file.HasObject,
            IsPacked = file.HasObject && file.IsPacked,
            AttachmentId = 1,
            StorageClass = file.HasObject ? file.Class!.Name : null,
            StoredAt = file.HasObject ? _trace.Start + file.StoredAt : null,
        };
    }

    /// <summary>A write: the new content is hot, an older object goes.</summary>
    /// <returns>What that costs.</returns>
    public MoveCost Write(int index, long bytes, TimeSpan at)
    {
        MoveCost cost = Remove(index, at);
        ref SimulatedFile file = ref _files[index];
        file.Exists = true;
        file.Version++;
        file.SizeBytes = bytes;
        file.ModifiedAt = at;
        file.AccessedAt = at;
        Bytes += bytes;
        SetHot(index, bytes);
        return cost;
    }

    /// <summary>Takes the file away with its copies.</summary>
    /// <returns>What deleting its object costs.</returns>
    public MoveCost Remove(int index, TimeSpan at)
    {
        ref SimulatedFile file = ref _files[index];
        if (!file.Exists)
        {
            return default;
        }

        MoveCost cost = default;
        SetHot(index, 0);
        if (file.HasObject)
        {
            cost = _pricing.Delete(file.Class!, file.SizeBytes, _trace.Start + file.StoredAt, _trace.Start + at);
            ColdPerMonth -= _pricing.ObjectPerMonth(file.Class!, file.SizeBytes, file.IsPacked);
            file.HasObject = false;
            file.IsPacked = false;
        }

        Bytes -= file.SizeBytes;
        file.Exists = false;
        file.SizeBytes = 0;
        return cost;
    }

    /// <summary>Notes a read for heat and idleness.</summary>
    public void Touch(int index, long bytes, TimeSpan at)
    {
        ref SimulatedFile file = ref _files[index];
        file.Heat = HeatOf(ref file, at) + (file.SizeBytes == 0 ? 1 : bytes / (double)file.SizeBytes);
        file.HeatAt = at;
        file.AccessedAt = at;
    }

    /// <summary>Sets how much of a file is hot.</summary>
    public void SetHot(int index, long bytes)
    {
        ref SimulatedFile file = ref _files[index];
        HotBytes += bytes - file.HotBytes;
        file.HotBytes = bytes;
    }

    /// <summary>Gives a file its object, or another class.</summary>
    public void SetObject(int index, StorageClassPrice price, bool packed, TimeSpan at)
    {
        ref SimulatedFile file = ref _files[index];
        if (file.HasObject)
        {
            ColdPerMonth -= _pricing.ObjectPerMonth(file.Class!, file.SizeBytes, file.IsPacked);
        }

        file.HasObject = true;
        file.IsPacked = packed;
        file.Class = price;
        file.StoredAt = at;
        ColdPerMonth += _pricing.ObjectPerMonth(price, file.SizeBytes, packed);
    }

    private double HeatOf(ref readonly SimulatedFile file, TimeSpan at) =>
        file.Heat == 0 ? 0 : file.Heat * HeatDecay.Fade(at - file.HeatAt, _options.HeatHalfLife);
}

/// <summary>One simulated file.</summary>
internal struct SimulatedFile
{
    public bool Exists;
    public bool HasObject;
    public bool IsPacked;

    /// <summary>A promotion or restore is under way, or ended by this time if it is in the past.</summary>
    public bool IsPending;
    public long Version;
    public long SizeBytes;
    public long HotBytes;
    public TimeSpan ModifiedAt;
    public TimeSpan AccessedAt;
    public TimeSpan StoredAt;
    public TimeSpan HeatAt;
    public double Heat;
    public StorageClassPrice? Class;
}
