using System.Runtime.InteropServices;
using DataLayer.Engine.Tiering.Planning;

namespace DataLayer.Engine.Tiering.Simulation;

/// <summary>
/// Replays a trace against a policy and bills it day by day by a price table. Plans are made and applied by the same
/// code as in the service (<see cref="PlanBuilder"/>, <see cref="PlacementChange"/>, <see cref="TierPricing"/>); time,
/// files and link are simulated.
/// </summary>
/// <remarks>
/// A read of a content that is not hot waits and recalls what it reads; recalled content stays hot and keeps its
/// object.
/// The first recalls in a folder bring in the rest of it (<see cref="GroupRecall"/>), file after file over one link of
/// fixed rate, in the order of paths from the file that was read. Applying a plan takes no time, except that what it
/// recalls goes over the link. Everything before the trace's start is history: it makes heat and ages, is all hot, and
/// is not billed. The same input gives the same result. Cost: one step an access, one decision a file and plan.
/// </remarks>
public sealed class TieringSimulator
{
    private readonly AccessTrace _trace;
    private readonly SimulationOptions _options;
    private readonly TierPricing _pricing;
    private readonly PolicyAt _policy;
    private readonly SimulatedTree _tree;
    private readonly SimulationLedger _ledger;
    private readonly GroupRecall? _groupRecall;
    private readonly Dictionary<string, List<int>> _groups = new(StringComparer.Ordinal);
    private readonly Queue<(TimeSpan ReadyAt, int File, long Version)> _link = new();
    private readonly PriorityQueue<(int File, long Version), TimeSpan> _restores = new();
    private readonly List<(int File, double Weight, PlacementChange Change, FilePrice Price)> _moves = [];
    private readonly RecallCalibration _calibration = new(TimeSpan.FromDays(30));
    private readonly IngestRate _ingest = new(TimeSpan.FromDays(7));
    private double _forecast;
    private TimeSpan _linkFreeAt;
    private TimeSpan _nextPlan;
    private TimeSpan _nextHour;

    private TieringSimulator(AccessTrace trace, PolicyAt policy, TierPricing pricing, SimulationOptions options)
    {
        _trace = trace;
        _policy = policy;
        _pricing = pricing;
        _options = options;
        _tree = new SimulatedTree(trace, options, pricing);
        _ledger = new SimulationLedger(_tree, options.HotCapacityBytes);
        _groupRecall = options.GroupRecall is { } follow ? new GroupRecall(follow) : null;
        for (int i = 0; i < trace.Files.Count; i++)
        {
            ref List<int>? members = ref CollectionsMarshal.GetValueRefOrAddDefault(_groups, GroupOf(i), out _);
            (members ??= []).Add(i);
        }

        foreach (List<int> group in _groups.Values)
        {
            group.Sort((a, b) => string.CompareOrdinal(trace.Files[a].Path, trace.Files[b].Path));
        }

        _nextPlan = options.FirstPlan;
        _nextHour = TimeSpan.FromHours(1);
    }

    /// <summary>Replays a trace.</summary>
    /// <param name="trace">What happens.</param>
    /// <param name="policy">What is done about it.</param>
    /// <param name="pricing">What it costs.</param>
    /// <param name="options">On what.</param>
    public static SimulationResult Run(
        AccessTrace trace, PolicyAt policy, TierPricing pricing, SimulationOptions options)
    {
        ArgumentNullException.ThrowIfNull(trace);
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(pricing);
        ArgumentNullException.ThrowIfNull(options);
        return new TieringSimulator(trace, policy, pricing, options).Run();
    }

    private SimulationResult Run()
    {
        foreach (TraceEvent access in _trace.Events)
        {
            if (access.At >= _trace.Length)
            {
                break;
            }

            AdvanceTo(access.At);
            Replay(access);
        }

        AdvanceTo(_trace.Length);
        return _ledger.Complete(_trace.Length);
    }

    /// <summary>Does what is due up to a time, in order, and lets costs accrue.</summary>
    private void AdvanceTo(TimeSpan time)
    {
        while (true)
        {
            TimeSpan arrival = _link.TryPeek(out (TimeSpan ReadyAt, int, long) head) ? head.ReadyAt : TimeSpan.MaxValue;
            TimeSpan restore = _restores.TryPeek(out _, out TimeSpan ready) ? ready : TimeSpan.MaxValue;
            TimeSpan next = Min(Min(arrival, restore), Min(_nextPlan, _nextHour));
            if (next > time || next >= _trace.Length)
            {
                _ledger.AccrueTo(time);
                return;
            }

            _ledger.AccrueTo(next);
            if (next == arrival)
            {
                (_, int file, long version) = _link.Dequeue();
                Arrive(file, version, next);
            }
            else if (next == restore)
            {
                (int file, long version) = _restores.Dequeue();
                Arrive(file, version, next);
            }
            else if (next == _nextPlan)
            {
                Plan(next, foretell: true);
                _nextPlan += _options.PlanInterval;
            }
            else
            {
                _nextHour += TimeSpan.FromHours(1);
                if (_tree.Fill > _options.HighFill)
                {
                    Plan(next, foretell: false);
                }
            }
        }
    }

    private void Replay(in TraceEvent access)
    {
        long hot = _tree.HotBytes;
        switch (access.Action)
        {
            case TraceAction.Write:
                _ledger.Bill(_tree.Write(access.File, access.Bytes, access.At), access.At);
                break;
            case TraceAction.Delete:
                _ledger.Bill(_tree.Remove(access.File, access.At), access.At);
                break;
            case TraceAction.Read when _tree[access.File].Exists:
                Read(access);
                break;
        }

        if (_tree.HotBytes != hot)
        {
            _ingest.Observe(_tree.HotBytes - hot, _trace.Start + access.At);
        }
    }

    private void Read(in TraceEvent access)
    {
        ref SimulatedFile file = ref _tree[access.File];
        long bytes = Math.Min(access.Bytes, file.SizeBytes);
        _tree.Touch(access.File, bytes, access.At);
        long missing = file.SizeBytes - file.HotBytes;
        if (missing == 0 || bytes == 0)
        {
            _ledger.Serve(bytes, 0, access.At);
            return;
        }

        // Reads fall anywhere: of a partly hot content the hot part serves its share. Rounded, it is not more than
        // is missing.
        long cold = Math.Min(missing, (long)Math.Ceiling(bytes * (missing / (double)file.SizeBytes)));
        _ledger.Serve(bytes - cold, cold, access.At);
        if (file.Class!.NeedsRestore)
        {
            Restore(access.File, access.At);
        }
        else
        {
            _ledger.BillRecall(_pricing.Recall(file.Class, cold));
            _tree.SetHot(access.File, file.HotBytes + cold);
            _ledger.Recalled(cold);
        }

        Follow(access.File, access.At);
    }

    /// <summary>Brings in the rest of a group whose use was recognised.</summary>
    private void Follow(int index, TimeSpan at)
    {
        string name = GroupOf(index);
        List<int> group = _groups[name];
        if (
            at < TimeSpan.Zero
            || _groupRecall?.Observe(name, group.Count, _trace.Start + at) != true)
        {
            return;
        }

        int first = group.BinarySearch(
            index,
            Comparer<int>.Create((a, b) => string.CompareOrdinal(_trace.Files[a].Path, _trace.Files[b].Path)));
        long room = _options.HotCapacityBytes - _tree.HotBytes;
        for (int i = 1; i <= group.Count && room > 0; i++)
        {
            room -= Promote(group[(first + i) % group.Count], at);
        }
    }

    /// <summary>Queues what a file lacks on the link.</summary>
    /// <returns>The bytes it lacks.</returns>
    private long Promote(int index, TimeSpan at)
    {
        ref SimulatedFile file = ref _tree[index];
        long missing = file.Exists && file.HasObject && !file.IsPending ? file.SizeBytes - file.HotBytes : 0;
        if (missing == 0)
        {
            return 0;
        }

        if (file.Class!.NeedsRestore)
        {
            Restore(index, at);
            return missing;
        }

        TimeSpan start = _linkFreeAt > at ? _linkFreeAt : at;
        _linkFreeAt = start + TimeSpan.FromSeconds(missing / (double)_options.RecallBytesPerSecond);
        file.IsPending = true;
        _link.Enqueue((_linkFreeAt, index, file.Version));
        return missing;
    }

    private void Restore(int index, TimeSpan at)
    {
        ref SimulatedFile file = ref _tree[index];
        if (!file.IsPending)
        {
            file.IsPending = true;
            _restores.Enqueue((index, file.Version), at + file.Class!.RestoreTime);
        }
    }

    private void Arrive(int index, long version, TimeSpan at)
    {
        ref SimulatedFile file = ref _tree[index];
        file.IsPending = false;
        long missing = file.SizeBytes - file.HotBytes;
        if (!file.Exists || file.Version != version || !file.HasObject || missing == 0)
        {
            return;
        }

        _ledger.BillRecall(_pricing.Recall(file.Class!, missing));
        _tree.SetHot(index, file.SizeBytes);
        _ledger.Recalled(missing);
        _ingest.Observe(missing, _trace.Start + at);
    }

    private void Plan(TimeSpan at, bool foretell)
    {
        DateTimeOffset now = _trace.Start + at;
        Dictionary<string, double> fill = new(StringComparer.Ordinal) { ["default"] = _tree.Fill };
        PlacementRule rule = _policy(now, fill);
        PlanOptions options = new()
        {
            PolicyHash = _options.PolicyHash,
            Horizon = _options.PlanInterval,
            HeatHalfLife = _options.HeatHalfLife,
        };
        PlanBuilder builder = new(rule, _pricing, options, now, spool: null);
        _moves.Clear();
        for (int i = 0; i < _trace.Files.Count; i++)
        {
            if (_tree.FactsOf(i, now) is { } facts)
            {
                PlannedFile planned = builder.Add(facts);
                if (planned.Change.Kinds != MoveKinds.None)
                {
                    _moves.Add((i, planned.Decision.Weight, planned.Change, planned.Price));
                }
            }
        }

        TieringPlan plan = builder.Complete();
        if (foretell)
        {
            _calibration.Observe(_forecast, _ledger.BeginPlan(), _options.PlanInterval);
        }

        (double monthly, double once, long moved, int applied) = Apply(at);
        if (foretell)
        {
            double months = _options.PlanInterval.TotalDays / PriceTable.DaysPerMonth;
            _forecast = plan.Totals.ExpectedRecallCost;
            double recalls = _forecast * _calibration.GetFactor(_forecast, _options.PlanInterval);

            // What is written meanwhile is there for half of the time on average.
            long grown = (long)(_ingest.GetBytesPerDay(now) * _options.PlanInterval.TotalDays / 2);
            double growth = _pricing.HotPerMonth(null, grown, _options.CopyCount);
            double predicted = ((plan.Totals.MonthlyBefore + monthly + growth) * months) + once + recalls;
            _ledger.Foretell(new SimulatedPlan(at, predicted, 0, applied, moved, _moves.Count - applied));
        }
    }

    /// <summary>Does the moves, heaviest first, as far as their bytes may go.</summary>
    private (double Monthly, double Once, long Moved, int Applied) Apply(TimeSpan at)
    {
        _moves.Sort(static (a, b) =>
            a.Weight != b.Weight ? b.Weight.CompareTo(a.Weight) : a.File.CompareTo(b.File));
        (double monthly, double once, long moved, int applied) = (0, 0, 0, 0);
        foreach ((int index, _, PlacementChange change, FilePrice price) in _moves)
        {
            long bytes = Math.Abs(_tree[index].HotBytes - change.HotBytes);
            if (moved > 0 && moved + bytes > _options.MoveBytesPerPlan)
            {
                // A file larger than the bound goes alone, or it never went.
                break;
            }

            moved += bytes;
            applied++;
            monthly += price.MonthlyChange;
            once += price.Once.Total;
            Apply(index, change, price, at);
        }

        return (monthly, once, moved, applied);
    }

    private void Apply(int index, in PlacementChange change, in FilePrice price, TimeSpan at)
    {
        if ((change.Kinds & (MoveKinds.Upload | MoveKinds.Reclass | MoveKinds.Pack)) != MoveKinds.None)
        {
            StorageClassPrice to = _pricing.Table.Find(change.StorageClass) ?? _pricing.Table.DefaultClass;
            _tree.SetObject(index, to, (change.Kinds & MoveKinds.Pack) != MoveKinds.None, at);
            _ledger.Bill(price.Once, at);
            _ledger.Uploaded((change.Kinds & MoveKinds.Upload) != MoveKinds.None ? _tree[index].SizeBytes : 0);
        }

        if ((change.Kinds & MoveKinds.Release) != MoveKinds.None)
        {
            _ledger.Released(_tree[index].HotBytes);
            _tree.SetHot(index, 0);
        }

        if ((change.Kinds & MoveKinds.Recall) != MoveKinds.None)
        {
            Promote(index, at);
        }
    }

    private string GroupOf(int index)
    {
        string path = _trace.Files[index].Path;
        return path[..path.LastIndexOf('/')];
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
