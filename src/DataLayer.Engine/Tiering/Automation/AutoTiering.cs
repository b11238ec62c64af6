using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text.Json;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Engine.Tiering.Moving;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;
using Microsoft.Extensions.Logging;

namespace DataLayer.Engine.Tiering.Automation;

/// <summary>
/// Keeps the tree as the active policy wants it: looks at all files now and then, and at once when a pool passes a high
/// mark, plans what is in the wrong place, and has that plan applied by an ordinary job of owner <c>auto</c>, which can
/// be paused, cancelled and undone like any other.
/// </summary>
/// <remarks>
/// <para>What keeps it calm: marks of fill apply from the high to the low mark (<see cref="PolicyMarks"/>), and of the
/// files that such a rule wants released only as many go as bring the pool down to the low mark, heaviest rule and
/// longest unread first; a file that any job moved is left alone for a cool-down, also after a restart (the journal of
/// moves knows), and an object does not leave its class before that class's minimum of days; the next pass waits until
/// the job of the last one has ended.</para>
/// <para>What it does not add to: while far more is read from objects than is usual (<see cref="RecallStorm"/>) it
/// recalls nothing, and neither do folders (<see cref="FolderRecaller"/>). What moves cost in 24 h is bounded where a
/// bound is given. Both are alerts: a line in the log, a count in the metrics, a row in the status.</para>
/// <para>Life: <see cref="Start"/> → looks every few seconds → <see cref="DisposeAsync"/>.</para>
/// </remarks>
public sealed class AutoTiering : IAsyncDisposable
{
    /// <summary>Who its jobs say they are of.</summary>
    public const string Owner = "auto";

    private const int MaxAlerts = 100;
    private const int MaxJobs = 1000;
    private const int PageMoves = 5000;
    private const MoveKinds Movable = MoveKinds.Upload | MoveKinds.Release | MoveKinds.Recall | MoveKinds.Reclass
        | MoveKinds.Copies | MoveKinds.Pack;

    // A store that knows no classes, a pool with too few targets, a file that is alone in its folder: not asked again
    // at once.
    private const MoveKinds Refusable = MoveKinds.Reclass | MoveKinds.Copies | MoveKinds.Pack;
    private static readonly TimeSpan _fullInterval = TimeSpan.FromMinutes(1);
    private readonly FileEngine _engine;
    private readonly PolicyVersions _policies;
    private readonly PlanStore _plans;
    private readonly JobService _jobs;
    private readonly TierPricing _pricing;
    private readonly Func<ActivePolicy, CancellationToken, ValueTask<PlanOptions>> _frame;
    private readonly AutoTieringOptions _options;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly RecallStorm _storm;
    private readonly AutoRepack _repack;
    private readonly PackGathering _gathering;
    private readonly Dictionary<long, DateTimeOffset> _moved = [];
    private readonly HashSet<long> _knownJobs = [];
    private readonly Meter _meter = new("DataLayer.Engine");
    private readonly List<TieringAlert> _alerts = [];
    private AutoTieringStatus _status = new();
    private ActivePolicy? _policy;
    private IReadOnlySet<int> _marks = new HashSet<int>();
    private DateTimeOffset _lastPass = DateTimeOffset.MinValue;
    private bool _hasMore;
    private bool _isAfterRepack;
    private long _lastJob;
    private long _alertCount;
    private Task _loop = Task.CompletedTask;

    /// <summary>Makes it; nothing happens before <see cref="Start"/>.</summary>
    /// <param name="parts">What it works with; not owned.</param>
    /// <param name="frame">The frame of a plan under a policy.</param>
    /// <param name="options">Its options.</param>
    /// <param name="log">The log.</param>
    public AutoTiering(
        AutoTieringParts parts, Func<ActivePolicy, CancellationToken, ValueTask<PlanOptions>> frame,
        AutoTieringOptions options, ILogger<AutoTiering> log)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(options);
        (_engine, _policies, _plans, _jobs, _pricing) =
            (parts.Engine, parts.Policies, parts.Plans, parts.Jobs, parts.Pricing);
        _frame = frame;
        _options = options;
        _log = log;
        _storm = new RecallStorm(options.StormReads, options.StormFactor);
        _repack = new AutoRepack(parts, options);
        _gathering = new PackGathering(parts.Pricing.Shape.PackBytes, options.CoolDown);
        _status = _status with { IsOn = options.SwitchFile is { } file && File.Exists(file) };
        _meter.CreateObservableCounter(
            "datalayer.tiering.alerts", () => Volatile.Read(ref _alertCount), "{alert}",
            "Alerts of automatic tiering: unusual cost, storms of recalls.");
    }

    /// <summary>What it is at.</summary>
    public AutoTieringStatus Status
    {
        get
        {
            lock (_lock)
            {
                return _status with { Alerts = [.. _alerts] };
            }
        }
    }

    private TimeProvider Time => _engine.Context.Time;

    /// <summary>Turns it on or off; what a job of it does already goes on.</summary>
    /// <exception cref="DataLayerException">NoSpace: it cannot be kept over a restart.</exception>
    public void Switch(bool isOn)
    {
        try
        {
            if (_options.SwitchFile is { } file && isOn)
            {
                File.WriteAllText(file, "Automatic tiering is on: 'datalayer tiering auto off' removes this file.\n");
            }
            else if (_options.SwitchFile is { } none)
            {
                File.Delete(none);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataLayerException(ErrorCode.NoSpace, $"The switch cannot be kept: {e.Message}", e);
        }

        Change(s => s with { IsOn = isOn });
        _lastPass = DateTimeOffset.MinValue;
    }

    /// <summary>Begins to look.</summary>
    public void Start() => _loop = Task.Run(LoopAsync, CancellationToken.None);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _stop.Dispose();
        _meter.Dispose();
    }

    /// <summary>Looks once: at the fill and the reads, and where that is due at all files.</summary>
    /// <returns>The job that was made; 0 for none.</returns>
    internal async Task<long> LookAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = Time.GetUtcNow();
        Watch(now);
        if (!Status.IsOn || await IsBusyAsync(cancellationToken).ConfigureAwait(false))
        {
            return 0;
        }

        if (await _policies.GetActiveAsync(cancellationToken).ConfigureAwait(false) is not { } active)
        {
            Change(static s => s with { Obstacle = "No policy is active." });
            return 0;
        }

        bool isNew = _policy?.Version != active.Version;
        if (isNew && _policy is { } before)
        {
            _marks = PolicyMarks.Carry(before.Policy, active.Policy, _marks);
        }

        _policy = active;
        IReadOnlyDictionary<string, double> fills = PoolFill.Read(_engine.Context.Hot);
        IReadOnlySet<int> marks = PolicyMarks.Next(active.Policy, fills, _marks);
        bool isDue = isNew || _hasMore || !marks.IsSubsetOf(_marks)
            || now - _lastPass >= (marks.Count > 0 ? _fullInterval : _options.Interval);
        _marks = marks;
        if (!isDue)
        {
            return 0;
        }

        return await PassAsync(active, new PolicyMoment(now, fills, marks), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Looks at all files, and at the packs before them.</summary>
    private async Task<long> PassAsync(
        ActivePolicy active, PolicyMoment moment, CancellationToken cancellationToken)
    {
        DateTimeOffset now = moment.Now;
        await LoadMovedAsync(now, cancellationToken).ConfigureAwait(false);
        double cost = await CostOfDayAsync(now, cancellationToken).ConfigureAwait(false);
        if (_options.MaxCostPerDay is { } most && cost >= most)
        {
            Alert(now, "cost", string.Create(
                CultureInfo.InvariantCulture,
                $"Moves cost {cost:F2} in 24 h, the bound is {most:F2}: nothing more is moved today."));
            Change(s => s with { CostOfDay = cost, Obstacle = "The moves' cost of 24 h has reached its bound." });
            return 0;
        }

        if (moment.ActiveMarks.Count == 0 && !_isAfterRepack
            && await RepackAsync(active.Policy, moment, cost, cancellationToken).ConfigureAwait(false)
                is > 0 and var job)
        {
            return job;
        }

        _isAfterRepack = false;
        _lastPass = now;
        PlanOptions frame = await _frame(active, cancellationToken).ConfigureAwait(false);
        Pass pass = new(this, active.Policy, moment, frame);
        await pass.FindAsync(cancellationToken).ConfigureAwait(false);
        List<FileFacts> chosen = pass.Choose();
        _hasMore = chosen.Count >= _options.MaxMoves;
        Change(s => s with
        {
            Obstacle = null,
            PolicyVersion = active.Version,
            PassedMarks = NamesOf(active.Policy, _marks),
            LastPassAt = now,
            Files = pass.Files,
            Moves = chosen.Count,
            CoolingDown = pass.CoolingDown,
            PutOff = pass.PutOff,
            Reserved = pass.Reserved,
            Gathering = pass.Gathering,
            CostOfDay = cost,
        });
        return chosen.Count == 0
            ? 0
            : await MoveAsync(active.Policy, moment, frame, chosen, cost, cancellationToken).ConfigureAwait(false);
    }

    private async Task LoopAsync()
    {
        CancellationToken stop = _stop.Token;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await LookAsync(stop).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                Change(s => s with { Obstacle = e.Message });
                EngineLog.BackgroundFailed(_engine.Context.Log, "automatic tiering", e);
            }

            await Task.Delay(_options.FillInterval, Time, stop)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Has packs written anew that are mostly dead, in the windows in which the policy packs.</summary>
    /// <returns>The job; 0 for none.</returns>
    private async ValueTask<long> RepackAsync(
        CompiledPolicy policy, PolicyMoment moment, double cost, CancellationToken cancellationToken)
    {
        if (_storm.IsOn || !AutoRepack.IsOpen(policy, moment))
        {
            return 0;
        }

        long job = await _repack.StartAsync(_options.MaxCostPerDay - cost, cancellationToken).ConfigureAwait(false);
        Change(s => s with { DeadPacks = _repack.DeadPacks, RepackJob = job > 0 ? job : s.RepackJob });
        if (job > 0)
        {
            // The pass that is due now follows its end.
            (_lastJob, _isAfterRepack, _hasMore) = (job, true, true);
        }

        return job;
    }

    /// <summary>Whether the last job has not ended.</summary>
    private async ValueTask<bool> IsBusyAsync(CancellationToken cancellationToken) =>
        _lastJob != 0
        && await _jobs.GetAsync(_lastJob, cancellationToken).ConfigureAwait(false) is { HasEnded: false };

    private void Watch(DateTimeOffset now)
    {
        bool began = _storm.Observe(_engine.Context.Counters.Sum(Counter.ColdReads), now);
        if (_engine.Context.Folders is { } folders)
        {
            folders.IsSuspended = _storm.IsOn;
        }

        Change(s => s.IsStorm == _storm.IsOn ? s : s with { IsStorm = _storm.IsOn });
        if (began)
        {
            string reads = _storm.ReadsPerMinute.ToString("F0", CultureInfo.InvariantCulture);
            Alert(
                now, "storm",
                $"A storm of recalls: {reads} reads from objects a minute. Nothing is recalled ahead till its end.");
        }
    }

    /// <summary>Takes note of what jobs have moved since the last time, or before the start.</summary>
    private async ValueTask LoadMovedAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        foreach (JobRecord job in await _jobs.ListAsync(long.MaxValue, MaxJobs, cancellationToken)
            .ConfigureAwait(false))
        {
            if (UnixTime.ToTime(job.EndedTime) < now - _options.CoolDown || !job.HasEnded
                || job.Kind is not (ApplyRunner.KindName or UndoRunner.KindName) || !_knownJobs.Add(job.Id))
            {
                continue;
            }

            IReadOnlyList<MoveEntry> page;
            long from = 0;
            do
            {
                page = await _engine.Context.Tree.ListMovesAsync(job.Id, from, PageMoves, cancellationToken)
                    .ConfigureAwait(false);
                foreach (MoveEntry move in page)
                {
                    if (move.DoneKinds != 0 || ((MoveKinds)move.Kinds & Refusable) != MoveKinds.None)
                    {
                        _moved[move.Inode.Value] = UnixTime.ToTime(move.EndedTime);
                    }

                    from = move.Number + 1;
                }
            }
            while (page.Count == PageMoves);
        }

        foreach ((long inode, DateTimeOffset at) in _moved)
        {
            if (now - at >= _options.CoolDown)
            {
                _moved.Remove(inode);
            }
        }
    }

    private async ValueTask<double> CostOfDayAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        double cost = 0;
        foreach (JobRecord job in await _jobs.ListAsync(long.MaxValue, MaxJobs, cancellationToken)
            .ConfigureAwait(false))
        {
            if (job is { Owner: Owner, Result: { } result }
                && now - UnixTime.ToTime(job.EndedTime) < TimeSpan.FromDays(1))
            {
                cost += job.Kind == PackRunner.KindName
                    ? AutoRepack.CostOf(job)
                    : JsonSerializer.Deserialize(result, MoveJson.Default.MoveOutcome)?.Cost ?? 0;
            }
        }

        return cost;
    }

    /// <summary>Plans the chosen files and makes the job that applies the plan.</summary>
    private async Task<long> MoveAsync(
        CompiledPolicy policy, PolicyMoment moment, PlanOptions frame, List<FileFacts> chosen, double cost,
        CancellationToken cancellationToken)
    {
        using PlanMaker maker = new((_, _) => ToStream(chosen), _plans, _pricing, Time);
        TieringPlan plan = await maker.MakeAsync(
            _ => (in FileFacts file) => policy.Decide(file, moment), frame, progress: null, cancellationToken)
            .ConfigureAwait(false);
        ApplySpec spec = new()
        {
            Plan = plan.Id,
            Limits = new MoveLimits { MaxCost = _options.MaxCostPerDay is { } most ? most - cost : null },
        };
        (JobRecord job, _) = await _jobs
            .AddAsync(ApplyRunner.KindName, spec.ToText(), Owner, [], key: null, cancellationToken)
            .ConfigureAwait(false);
        _lastJob = job.Id;
        Change(s => s with { LastJob = job.Id });
        return job.Id;
    }

    private static async IAsyncEnumerable<FileFacts> ToStream(List<FileFacts> files)
    {
        foreach (FileFacts file in files)
        {
            yield return file;
        }

        await Task.CompletedTask.ConfigureAwait(false);
    }

    private static List<string> NamesOf(CompiledPolicy policy, IReadOnlySet<int> rules)
    {
        List<string> names = [];
        foreach (PolicyRule rule in policy.Document.Rules)
        {
            if (rules.Contains(rule.Index))
            {
                names.Add(rule.Name);
            }
        }

        return names;
    }

    private void Alert(DateTimeOffset at, string kind, string message)
    {
        lock (_lock)
        {
            if (_alerts.Count > 0 && _alerts[0].Kind == kind && at - _alerts[0].At < _options.Interval)
            {
                return; // The same, a moment ago.
            }

            _alerts.Insert(0, new TieringAlert(at, kind, message));
            if (_alerts.Count > MaxAlerts)
            {
                _alerts.RemoveAt(MaxAlerts);
            }
        }

        Interlocked.Increment(ref _alertCount);
        JobLog.TieringAlert(_log, kind, message);
    }

    private void Change(Func<AutoTieringStatus, AutoTieringStatus> change)
    {
        lock (_lock)
        {
            _status = change(_status);
        }
    }

    /// <summary>One look at all files: which of them are to be moved, the first in order up to the bound.</summary>
    private sealed class Pass(AutoTiering owner, CompiledPolicy policy, PolicyMoment moment, PlanOptions frame)
    {
        // The file that goes last is at the head, to be dropped when there are too many.
        private readonly PriorityQueue<Found, (double Weight, long IdleTicks)> _found = new();
        private readonly Dictionary<PackGroupKey, long> _packBytes = [];

        public long Files { get; private set; }

        public long CoolingDown { get; private set; }

        public long PutOff { get; private set; }

        public long Reserved { get; private set; }

        public long Gathering { get; private set; }

        public async ValueTask FindAsync(CancellationToken cancellationToken)
        {
            await foreach (FileFacts file in owner._engine.Facts.ReadAsync("/", cancellationToken)
                .ConfigureAwait(false))
            {
                Files++;
                PlacementDecision decision = policy.Decide(file, moment);
                PlacementChange change = PlacementChange.Resolve(
                    file, decision, owner._pricing.Table, frame.ReadOnlyAttachments.Contains(file.AttachmentId));
                if (change.Kinds == MoveKinds.None || (change.Kinds & ~Movable) != MoveKinds.None)
                {
                    continue;
                }

                if (owner._moved.ContainsKey(file.Inode.Value) || LeavesEarly(file, change))
                {
                    CoolingDown++;
                }
                else if ((change.Kinds & (MoveKinds.Release | MoveKinds.Pack)) != MoveKinds.None
                    && owner._engine.Context.Shares.Find(file.Path) is not null)
                {
                    Reserved++;
                }
                else if (owner._storm.IsOn && ReadsObjects(file, change))
                {
                    PutOff++;
                }
                else
                {
                    PackGroupKey? group = GroupOf(file, change);
                    long idle = (moment.Now - (file.AccessedAt ?? file.ModifiedAt)).Ticks;
                    _found.Enqueue(new Found(file, decision.RuleIndex, group), (decision.Weight, idle));
                    if (_found.Count > owner._options.MaxMoves)
                    {
                        _found.Dequeue();
                    }
                }
            }
        }

        private static bool ReadsObjects(in FileFacts file, in PlacementChange change) =>
            (change.Kinds & MoveKinds.Recall) != MoveKinds.None
            || ((change.Kinds & MoveKinds.Pack) != MoveKinds.None && file.HotBytes < file.SizeBytes);

        private PackGroupKey? GroupOf(in FileFacts file, in PlacementChange change)
        {
            if ((change.Kinds & MoveKinds.Pack) == MoveKinds.None)
            {
                return null;
            }

            PackGroupKey group = new(file.AttachmentId, change.StorageClass);
            _packBytes[group] = _packBytes.GetValueOrDefault(group) + file.SizeBytes;
            return group;
        }

        /// <summary>
        /// Whether a change of class would pay for days that the object is not in its class any more.
        /// </summary>
        private bool LeavesEarly(in FileFacts file, in PlacementChange change)
        {
            PriceTable table = owner._pricing.Table;
            StorageClassPrice from = table.Find(file.StorageClass) ?? table.DefaultClass;
            return (change.Kinds & MoveKinds.Reclass) != MoveKinds.None && file.StoredAt is { } since
                && moment.Now - since < TimeSpan.FromDays(from.MinDays);
        }

        /// <summary>The files to move, first ones first; of rules with marks only what brings the pool down.</summary>
        public List<FileFacts> Choose()
        {
            List<Found> ordered = new(_found.Count);
            while (_found.TryDequeue(out Found last, out _))
            {
                ordered.Add(last);
            }

            ordered.Reverse();
            Dictionary<int, long> needs = Needs();
            IReadOnlySet<PackGroupKey> waiting = owner._gathering.Look(_packBytes, moment.Now);
            List<FileFacts> chosen = new(ordered.Count);
            foreach ((FileFacts file, int rule, PackGroupKey? group) in ordered)
            {
                if (group is { } few && waiting.Contains(few) && !needs.ContainsKey(rule))
                {
                    Gathering++;
                    continue;
                }

                if (needs.TryGetValue(rule, out long left))
                {
                    if (left <= 0)
                    {
                        continue;
                    }

                    needs[rule] = left - file.HotCopiesBytes;
                }

                chosen.Add(file);
            }

            return chosen;
        }

        /// <summary>By how many bytes each rule with passed marks has to bring its pool down.</summary>
        private Dictionary<int, long> Needs()
        {
            Dictionary<int, long> needs = [];
            foreach (PolicyRule rule in policy.Document.Rules)
            {
                if (rule.When.Fill is { } marks && moment.ActiveMarks.Contains(rule.Index))
                {
                    double over = moment.PoolFill[marks.Pool] - marks.Low;
                    long capacity = PoolFill.CapacityOf(owner._engine.Context.Hot, marks.Pool);
                    needs.Add(rule.Index, (long)(over * capacity));
                }
            }

            return needs;
        }

        private readonly record struct Found(FileFacts File, int Rule, PackGroupKey? Group);
    }
}
