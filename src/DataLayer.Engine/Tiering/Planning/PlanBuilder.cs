using System.Runtime.InteropServices;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>Which rule a file falls under: <c>CompiledPolicy.Decide</c> at one moment.</summary>
public delegate PlacementDecision PlacementRule(in FileFacts file);

/// <summary>What becomes of one file.</summary>
/// <param name="Decision">What its rule wants.</param>
/// <param name="Change">What is to be done.</param>
/// <param name="Price">What that costs and saves.</param>
public readonly record struct PlannedFile(PlacementDecision Decision, PlacementChange Change, FilePrice Price);

/// <summary>
/// Makes a plan from a stream of facts: each file is decided, compared, priced, summed up by rule and, where it moves,
/// written to the spool. Memory grows with the rules that match, not with the files. Not safe for concurrent use.
/// </summary>
/// <param name="decide">The policy at one moment.</param>
/// <param name="pricing">The prices.</param>
/// <param name="options">The plan's frame.</param>
/// <param name="now">The time of the facts.</param>
/// <param name="spool">Where moves go; null where only sums are wanted.</param>
public sealed class PlanBuilder(
    PlacementRule decide, TierPricing pricing, PlanOptions options, DateTimeOffset now, MoveSpool? spool)
{
    private readonly Dictionary<int, Group> _groups = [];
    private readonly SortedDictionary<MoveObstacle, Warned> _warnings = [];
    private readonly TotalsBuilder _all = new();
    private readonly HeatForecast _forecast = new(options.HeatHalfLife, options.RecallFactor);
    private double _heatBytes;
    private double _hotHeatBefore;
    private double _hotHeatAfter;
    private long _unknownClassFiles;
    private string? _unknownClass;
    private string? _unknownClassPath;
    private long _unknownClassBytes;

    /// <summary>Looks at one file.</summary>
    /// <returns>What becomes of it.</returns>
    public PlannedFile Add(in FileFacts file)
    {
        PlacementDecision decision = decide(file);
        if (decision.StorageClass is not null && options.ClasslessAttachments.Contains(file.AttachmentId))
        {
            decision = decision with { StorageClass = null };
            Warn(file, MoveObstacle.NoClasses);
        }

        bool isReadOnly = options.ReadOnlyAttachments.Contains(file.AttachmentId);
        PlacementChange change = PlacementChange.Resolve(file, decision, pricing.Table, isReadOnly);
        FilePrice price = FilePrice.Of(file, change, pricing, _forecast, now, options.Horizon);
        _all.Add(file, change, price);
        ref Group? group = ref CollectionsMarshal.GetValueRefOrAddDefault(_groups, decision.RuleIndex, out _);
        group ??= new Group(decision.RuleName);
        group.Matched.Add(file, change, price);
        AddHeat(file, change);
        if (change.Obstacle != MoveObstacle.None)
        {
            Warn(file, change.Obstacle);
        }

        if (file.HasObject && pricing.Table.Find(file.StorageClass) is null)
        {
            _unknownClassFiles++;
            _unknownClassBytes += file.SizeBytes;
            _unknownClass ??= file.StorageClass;
            _unknownClassPath ??= file.Path;
        }

        if (change.Kinds != MoveKinds.None)
        {
            group.Moved.Add(file, change, price);
            spool?.Add(ToMove(file, decision, change, price));
        }

        return new PlannedFile(decision, change, price);
    }

    /// <summary>The plan of all files added. Completes the spool.</summary>
    public TieringPlan Complete()
    {
        List<RulePlan> rules = new(_groups.Count);
        foreach ((int index, Group group) in _groups)
        {
            rules.Add(new RulePlan(index, group.Name, group.Matched.ToTotals(), group.Moved.ToTotals()));
        }

        rules.Sort(static (a, b) => (a.RuleIndex < 0 ? int.MaxValue : a.RuleIndex)
            .CompareTo(b.RuleIndex < 0 ? int.MaxValue : b.RuleIndex));
        return new TieringPlan
        {
            Path = options.Path,
            CreatedAt = now,
            ValidUntil = now + options.Validity,
            PolicyHash = options.PolicyHash,
            PolicyVersion = options.PolicyVersion,
            PriceHash = pricing.Table.ComputeHash(),
            PriceTable = pricing.Table.Name,
            Currency = pricing.Table.Currency,
            Horizon = options.Horizon,
            Totals = _all.ToTotals(),
            Rules = rules,
            Warnings = MakeWarnings(),
            HitRatioBefore = _heatBytes > 0 ? _hotHeatBefore / _heatBytes : 1,
            HitRatioAfter = _heatBytes > 0 ? _hotHeatAfter / _heatBytes : 1,
            SpoolBytes = spool?.Complete() ?? 0,
        };
    }

    private static PlannedMove ToMove(
        in FileFacts file, PlacementDecision decision, in PlacementChange change, in FilePrice price) =>
        new()
        {
            Inode = file.Inode,
            Version = file.Version,
            Path = file.Path,
            RuleIndex = decision.RuleIndex,
            Kinds = change.Kinds,
            SizeBytes = file.SizeBytes,
            HotBytes = file.HotBytes,
            CopyCount = change.CopyCount,
            FromClass = file.StorageClass,
            ToClass = change.StorageClass,
            Weight = decision.Weight,
            OnceCost = price.Once.Total,
            MonthlyChange = price.MonthlyChange,
        };

    private void AddHeat(in FileFacts file, in PlacementChange change)
    {
        // Heat counts reads of the whole content, so the bytes read are heat × size.
        _heatBytes += file.Heat * file.SizeBytes;
        _hotHeatBefore += file.Heat * file.HotBytes;
        _hotHeatAfter += file.Heat * change.HotBytes;
    }

    private void Warn(in FileFacts file, MoveObstacle obstacle)
    {
        if (!_warnings.TryGetValue(obstacle, out Warned? warned))
        {
            _warnings.Add(obstacle, warned = new Warned(file.Path));
        }

        warned.Files++;
        warned.Bytes += file.SizeBytes;
    }

    private List<PlanWarning> MakeWarnings()
    {
        List<PlanWarning> warnings = new(_warnings.Count + 1);
        foreach ((MoveObstacle obstacle, Warned warned) in _warnings)
        {
            warnings.Add(
                new PlanWarning(obstacle, warned.Files, warned.Bytes, warned.Example, Explain(obstacle)));
        }

        if (_unknownClass is not null)
        {
            warnings.Add(
                new PlanWarning(
                    MoveObstacle.UnknownClass, _unknownClassFiles, _unknownClassBytes, _unknownClassPath!,
                    $"Objects are in storage class '{_unknownClass}', which price table '{pricing.Table.Name}' does "
                        + $"not have: they are priced as {pricing.Table.DefaultClass.Name}. Choose another table "
                        + "(tiering.prices), or add the class to a table of your own."));
        }

        return warnings;
    }

    private string Explain(MoveObstacle obstacle) => obstacle switch
    {
        MoveObstacle.NoAttachment =>
            "No bucket is attached above these files, so there is no place for their objects: attach one, or exclude "
            + "them.",
        MoveObstacle.ReadOnlyBucket =>
            "Their bucket is attached read-only: attach it read-write, or leave uploads and classes out of the rule.",
        MoveObstacle.Pinned => "A pin keeps them hot: remove the pin, or exclude them.",
        MoveObstacle.Recalling => "They are being recalled now: plan again when that is done.",
        MoveObstacle.UnknownClass =>
            $"Their rule names a storage class that price table '{pricing.Table.Name}' does not have: correct the "
            + "rule, or choose another table (tiering.prices).",
        MoveObstacle.NoClasses =>
            "Their rule names a storage class and they lie under a folder of this machine, which has none: the class "
            + "is left out.",
        _ => string.Empty,
    };

    private sealed class Group(string name)
    {
        public string Name { get; } = name;

        public TotalsBuilder Matched { get; } = new();

        public TotalsBuilder Moved { get; } = new();
    }

    private sealed class Warned(string example)
    {
        public string Example { get; } = example;

        public long Files { get; set; }

        public long Bytes { get; set; }
    }
}
