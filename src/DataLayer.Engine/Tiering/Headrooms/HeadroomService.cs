using System.Diagnostics.Metrics;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Text;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Engine.Tiering.Jobs;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;
using DataLayer.Storage.Cache;
using DataLayer.Storage.Stripes;
using Microsoft.Extensions.Logging;

namespace DataLayer.Engine.Tiering.Headrooms;

/// <summary>
/// Headrooms: windows in which a share of memory and hot tier belongs to one folder. Before each window room is made
/// and the share refilled and verified; in it nothing of others takes it; at its end all is given back.
/// </summary>
/// <remarks>
/// <para>The hot tier holds the part of the share that the folder does not use yet (<see cref="HotTier.SetHolds"/>);
/// memory keeps the folder's blocks up to the share (<see cref="BlockCache.SetReserves"/>); what the folder has here is
/// not released (<see cref="ReservedShares.KeeperOfAsync"/>). How much it has is measured by a walk over its files in
/// the background, every five minutes and a hundredth of the time at most, and in between counted by the tiers. Until
/// the first such walk has ended no free bytes are held and no room is made, since nobody knows how many.</para>
/// <para>The stored state is enough to go on after a restart in any phase: in force is what the clock says, jobs go on
/// by themselves. Memory is empty then and filled again.</para>
/// <para>Life: <see cref="StartAsync"/> puts into force what is due → looks at every edge of a window, every few
/// seconds while it works towards one → <see cref="DisposeAsync"/>. One lock over looks and changes.</para>
/// </remarks>
public sealed class HeadroomService : IAsyncDisposable
{
    /// <summary>Who its jobs say they are of.</summary>
    public const string Owner = "headroom";

    private const int MaxHeadrooms = 100;
    private const int MaxRefillPaths = 1000;
    private const double MemoryPart = 0.8;
    private const double HotPart = 0.9;

    // How many times as long as a measurement took there is none, by itself and after something changed.
    private const double SeldomShare = 100;
    private const double OftenShare = 10;
    private static readonly TimeSpan _maxLead = TimeSpan.FromDays(2);
    private static readonly TimeSpan _measureInterval = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan _longestTook = TimeSpan.FromMinutes(1); // The clock may have been set.
    private static readonly TimeSpan _stepInterval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan _idleInterval = TimeSpan.FromSeconds(30);
    private readonly HeadroomParts _parts;
    private readonly HeadroomCourse _course;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly CancellationTokenSource _stop = new();
    private readonly Meter _meter = new("DataLayer.Engine");
    private readonly ShareMeasurement _measurement;
    private IReadOnlyList<Measured> _inForce = [];
    private Task _measuring = Task.CompletedTask;
    private TimeSpan _measureTook;
    private bool _isStale;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private DateTimeOffset _measuredAt;
    private bool _wasStarted;
    private long _late;
    private Task _loop = Task.CompletedTask;

    /// <summary>Makes it; nothing happens before <see cref="StartAsync"/>.</summary>
    /// <param name="parts">What it works with; not owned.</param>
    /// <param name="log">The log.</param>
    public HeadroomService(HeadroomParts parts, ILogger<HeadroomService> log)
    {
        ArgumentNullException.ThrowIfNull(parts);
        _parts = parts;
        _course = new HeadroomCourse(parts);
        _measurement = new ShareMeasurement(parts.Engine);
        _log = log;
        _meter.CreateObservableGauge(
            "datalayer.headroom.reserved", () => Observe(static m => (m.Spec.HotBytes, m.Spec.MemoryBytes)), "By",
            "What is reserved now, by headroom and tier.");
        _meter.CreateObservableGauge(
            "datalayer.headroom.filled",
            () => Observe(m => (m.HotBytes ?? 0, Context.Cache.GetShareBytes(m.Number))), "By",
            "What a headroom's files have here while it is in force, by headroom and tier.");
        _meter.CreateObservableCounter(
            "datalayer.headroom.late", () => Volatile.Read(ref _late), "{window}",
            "Windows that opened before their share was whole and verified.");
    }

    private EngineContext Context => _parts.Engine.Context;

    private TimeProvider Time => Context.Time;

    /// <summary>Puts into force what is due, and begins to look.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await LookOnceAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            JobLog.HeadroomFailed(_log, e.Message); // The loop tries again.
        }

        _loop = Task.Run(LoopAsync, CancellationToken.None);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        await _measuring.ConfigureAwait(false);
        _stop.Dispose();
        _gate.Dispose();
        _meter.Dispose();
    }

    /// <summary>All headrooms by number.</summary>
    public async ValueTask<IReadOnlyList<HeadroomStatus>> ListAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<PolicyCalendar> calendars = await CalendarsAsync(cancellationToken).ConfigureAwait(false);
        List<HeadroomStatus> all = [];
        foreach (HeadroomRecord record in await Context.Tree.ListHeadroomsAsync(cancellationToken)
            .ConfigureAwait(false))
        {
            all.Add(ToStatus(record, calendars));
        }

        return all;
    }

    /// <summary>One headroom; null where there is none.</summary>
    public async ValueTask<HeadroomStatus?> GetAsync(long id, CancellationToken cancellationToken)
    {
        foreach (HeadroomRecord record in await Context.Tree.ListHeadroomsAsync(cancellationToken)
            .ConfigureAwait(false))
        {
            if (record.Id == id)
            {
                return ToStatus(record, await CalendarsAsync(cancellationToken).ConfigureAwait(false));
            }
        }

        return null;
    }

    /// <summary>Adds a headroom; where its window or lead is on, it is in force a moment later.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="spec">What it reserves, and when.</param>
    /// <param name="owner">Who asks.</param>
    /// <param name="key">Makes asking twice add one; or null.</param>
    /// <param name="cancellationToken">Gives up while it waits.</param>
    /// <exception cref="DataLayerException">InvalidArgument: all that is wrong, or what it collides with. NotFound: the
    /// folder. AlreadyExists: the name. Overloaded: too many.</exception>
    public async ValueTask<HeadroomStatus> AddAsync(
        string name, HeadroomSpec spec, string owner, IdempotencyKey? key, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            spec = await CheckAsync(0, name, spec, cancellationToken).ConfigureAwait(false);
            HeadroomRecord asked = new() { Name = name, Spec = spec.ToText(), Owner = owner };
            (HeadroomRecord added, _) = await Context.Tree
                .AddHeadroomAsync(asked, key, MaxHeadrooms, cancellationToken).ConfigureAwait(false);
            return ToStatus(added, await CalendarsAsync(cancellationToken).ConfigureAwait(false));
        }
        finally
        {
            _gate.Release();
            Signal();
        }
    }

    /// <summary>Changes a headroom; a window that is on begins anew where what is reserved changes.</summary>
    /// <param name="id">Its number.</param>
    /// <param name="version">The version that is changed; null for whichever it is.</param>
    /// <param name="name">Its name from now on.</param>
    /// <param name="spec">What it reserves from now on.</param>
    /// <param name="cancellationToken">Gives up while it waits.</param>
    /// <exception cref="DataLayerException">As <see cref="AddAsync"/>; NotFound; Stale: another version.</exception>
    public async ValueTask<HeadroomStatus> ReplaceAsync(
        long id, long? version, string name, HeadroomSpec spec, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            HeadroomRecord record = await FindAsync(id, version, cancellationToken).ConfigureAwait(false);
            spec = await CheckAsync(id, name, spec, cancellationToken).ConfigureAwait(false);
            HeadroomRecord changed = record with { Name = name, Spec = spec.ToText() };
            if (changed.Spec != record.Spec)
            {
                await EndAsync(record, cancellationToken).ConfigureAwait(false);
                changed = changed with { State = null };
            }

            HeadroomRecord saved = await Context.Tree.SaveHeadroomAsync(changed, cancellationToken)
                .ConfigureAwait(false) ?? throw Unknown(id);
            return ToStatus(saved, await CalendarsAsync(cancellationToken).ConfigureAwait(false));
        }
        finally
        {
            _gate.Release();
            Signal();
        }
    }

    /// <summary>Removes a headroom and gives back what it reserves.</summary>
    /// <exception cref="DataLayerException">NotFound; Stale: another version.</exception>
    public async ValueTask RemoveAsync(long id, long? version, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            HeadroomRecord record = await FindAsync(id, version, cancellationToken).ConfigureAwait(false);
            await EndAsync(record, cancellationToken).ConfigureAwait(false);
            await Context.Tree.RemoveHeadroomAsync(id, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
            Signal();
        }
    }

    /// <summary>Looks, and once more with what was measured because of it.</summary>
    /// <returns>When to look again.</returns>
    internal async Task<DateTimeOffset> LookAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task before = _measuring;
            DateTimeOffset next = await LookOnceAsync(cancellationToken).ConfigureAwait(false);
            if (ReferenceEquals(before, _measuring))
            {
                return next;
            }

            await _measuring.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Looks once: begins and ends windows, and goes a step further with those that are on.</summary>
    /// <returns>When to look again.</returns>
    internal async Task<DateTimeOffset> LookOnceAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await LookLockedAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    private static DataLayerException Unknown(long id) =>
        new(ErrorCode.NotFound, $"There is no headroom {id}: 'datalayer headroom list' shows them.");

    private static void Demand(bool holds, string fault)
    {
        if (!holds)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, fault);
        }
    }

    private async ValueTask<HeadroomRecord> FindAsync(long id, long? version, CancellationToken cancellationToken)
    {
        foreach (HeadroomRecord record in await Context.Tree.ListHeadroomsAsync(cancellationToken)
            .ConfigureAwait(false))
        {
            if (record.Id == id)
            {
                return version is null || version == record.Version
                    ? record
                    : throw new DataLayerException(
                        ErrorCode.Stale, $"Headroom {id} was changed meanwhile: look at it, and ask again.");
            }
        }

        throw Unknown(id);
    }

    private async ValueTask<IReadOnlyList<PolicyCalendar>> CalendarsAsync(CancellationToken cancellationToken) =>
        (await _parts.Policies.GetActiveAsync(cancellationToken).ConfigureAwait(false))?.Policy.Document.Calendars
        ?? [];

    /// <summary>Refuses what cannot be kept; gives the spec with the folder's true path.</summary>
    private async ValueTask<HeadroomSpec> CheckAsync(
        long id, string name, HeadroomSpec spec, CancellationToken cancellationToken)
    {
        Demand(PlainName.IsValid(name), $"'{name}' is not a headroom's name: {PlainName.Rule}.");
        Demand(
            spec.MemoryBytes >= 0 && spec.HotBytes >= 0 && spec.MemoryBytes + spec.HotBytes > 0,
            "Nothing is reserved: give bytes of memory, of the hot tier, or both.");
        Demand(spec.Lead >= TimeSpan.Zero && spec.Lead <= _maxLead, "The lead is from 0 to 2 days.");
        Demand(
            spec.Refill.Count <= MaxRefillPaths,
            $"The refill has {spec.Refill.Count} paths, {MaxRefillPaths} at most: name folders, or use a profile.");
        Demand(
            spec.RefillProfile is null || spec.Refill.Count == 0,
            "The refill has paths and a profile: give one of them.");
        InodeAttributes folder = await Context.View.ResolveAsync(spec.Path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        string path = await Context.Tree.GetPathAsync(folder.Inode, cancellationToken).ConfigureAwait(false) ?? "/";
        Demand(
            folder.Kind == FileKind.Directory && path != "/",
            $"'{spec.Path}' is no folder below the root: a share is one for some files before others.");
        ReservedShare share = new(1, name, path, default);
        foreach (string refill in spec.Refill)
        {
            Demand(share.Contains(refill), $"'{refill}' does not lie in '{path}', which the share is for.");
        }

        // The default pool has no name here, so that reservations of it are added up however they were asked for.
        spec = spec with { Path = path, Pool = spec.Pool == Context.Hot.DefaultPool ? null : spec.Pool };
        if (PoolObstacle(spec.Pool) is { } obstacle)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, obstacle);
        }

        IReadOnlyList<PolicyCalendar> calendars = await CalendarsAsync(cancellationToken).ConfigureAwait(false);
        List<TimedHeadroom> others = [];
        foreach (HeadroomRecord other in await Context.Tree.ListHeadroomsAsync(cancellationToken)
            .ConfigureAwait(false))
        {
            if (other.Id != id && other.Name != name && TryRead(other, calendars, out _) is { } known)
            {
                others.Add(known);
            }
        }

        HeadroomConflicts.Demand(
            TimedHeadroom.Read(name, spec, calendars), others, (long)(MemoryPart * Context.Cache.CapacityBytes),
            (long)(HotPart * PoolFill.CapacityOf(Context.Hot, spec.Pool ?? Context.Hot.DefaultPool)),
            Time.GetUtcNow());
        return spec;
    }

    /// <summary>The headroom with its window; null where that cannot be told, since its calendar or pool is
    /// gone.</summary>
    private TimedHeadroom? TryRead(
        HeadroomRecord record, IReadOnlyList<PolicyCalendar> calendars, out string? obstacle)
    {
        try
        {
            HeadroomSpec spec = HeadroomSpec.Parse(record.Spec);
            obstacle = PoolObstacle(spec.Pool);
            return obstacle is null ? TimedHeadroom.Read(record.Name, spec, calendars) : null;
        }
        catch (DataLayerException e)
        {
            obstacle = e.Message;
            return null;
        }
    }

    /// <summary>Why nothing can be reserved in a pool; null where it can.</summary>
    private string? PoolObstacle(string? pool)
    {
        if (Context.Hot.SegmentLimitOf(pool) is not { } limit)
        {
            return $"There is no pool '{pool}': 'datalayer target list' shows them.";
        }

        return limit == Context.Hot.SegmentLimitOf(null)
            ? null
            : $"Pool '{pool}' keeps other files in segments (segmentLimit {limit}) than the default pool "
                + $"({Context.Hot.SegmentLimitOf(null)}), which decides that: give both the same.";
    }

    private HeadroomStatus ToStatus(HeadroomRecord record, IReadOnlyList<PolicyCalendar> calendars)
    {
        HeadroomOccurrence? window = TryRead(record, calendars, out string? obstacle)?.Find(Time.GetUtcNow());
        HeadroomStatus status = new(record, HeadroomSpec.Parse(record.Spec), HeadroomState.Parse(record.State))
        {
            WindowStart = window?.Start,
            WindowEnd = window?.End,
            Obstacle = obstacle,
        };
        foreach (Measured measured in Volatile.Read(ref _inForce))
        {
            if (measured.Id == record.Id)
            {
                return status with
                {
                    IsInForce = true,
                    HotBytes = measured.HotBytes ?? 0,
                    MemoryBytes = Context.Cache.GetShareBytes(measured.Number),
                };
            }
        }

        return status;
    }

    private async ValueTask<DateTimeOffset> LookLockedAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = Time.GetUtcNow();
        DateTimeOffset next = now + _idleInterval;
        IReadOnlyList<PolicyCalendar> calendars = await CalendarsAsync(cancellationToken).ConfigureAwait(false);
        List<(HeadroomRecord Record, TimedHeadroom Timed, HeadroomOccurrence Window)> active = [];
        foreach (HeadroomRecord record in await Context.Tree.ListHeadroomsAsync(cancellationToken)
            .ConfigureAwait(false))
        {
            TimedHeadroom? timed = TryRead(record, calendars, out _);
            HeadroomOccurrence? window = timed?.Find(now);
            HeadroomState? state = HeadroomState.Parse(record.State);
            HeadroomRecord current = record;
            if (state is { Phase: not HeadroomPhase.Ended }
                && (window is not { IsInForce: true } || window.Value.Start != state.WindowStart))
            {
                state = await _course.EndAsync(state, cancellationToken).ConfigureAwait(false);
                current = await SaveAsync(record, state, cancellationToken).ConfigureAwait(false);
            }

            if (window is { IsInForce: true } occurrence)
            {
                active.Add((current, timed!, occurrence));
                next = occurrence.End < next ? occurrence.End : next;
            }
            else if (window is { } coming && coming.Start - timed!.Spec.Lead < next)
            {
                next = coming.Start - timed.Spec.Lead;
            }
        }

        PutIntoForce(active);
        if (active.Count > 0 && !IsMeasured())
        {
            return next < now + _stepInterval ? next : now + _stepInterval;
        }

        foreach ((HeadroomRecord record, TimedHeadroom timed, HeadroomOccurrence window) in active)
        {
            bool isAtRest = await StepAsync(record, timed.Spec, window, now, cancellationToken).ConfigureAwait(false);
            next = isAtRest || next < now + _stepInterval ? next : now + _stepInterval;
        }

        _wasStarted = true;
        return next;
    }

    /// <summary>Goes on with one window.</summary>
    /// <returns>Whether there is nothing more to do for now.</returns>
    private async ValueTask<bool> StepAsync(
        HeadroomRecord record, HeadroomSpec spec, HeadroomOccurrence window, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        HeadroomState? before = HeadroomState.Parse(record.State);
        HeadroomState state = before is { Phase: not HeadroomPhase.Ended } && before.WindowStart == window.Start
            ? before
            : HeadroomCourse.Begin(window);
        if (!_wasStarted && spec.MemoryBytes > 0 && state.Phase is HeadroomPhase.Ready)
        {
            // Memory is empty after a start.
            state = state with { Phase = HeadroomPhase.MakingRoom, RoomJob = 0, ReadyAt = null };
        }

        long lacking = LackingBytes(spec.Pool);
        for (HeadroomState? last = null; last != state;)
        {
            last = state;
            state = await _course.StepAsync(record, spec, state, lacking, cancellationToken).ConfigureAwait(false);
        }

        if (now >= window.Start && state is { Phase: not HeadroomPhase.Ready, WasLate: false, ReadyAt: null })
        {
            state = state with { WasLate = true };
            Interlocked.Increment(ref _late);
            JobLog.HeadroomLate(_log, record.Name, state.Phase.ToString(), state.Message ?? "it is still at work");
        }

        if (state != before)
        {
            await SaveAsync(record, state, cancellationToken).ConfigureAwait(false);
            _isStale = true; // Files came or went: the next look has them counted.
        }

        return state.Phase is HeadroomPhase.Ready or HeadroomPhase.Incomplete;
    }

    /// <summary>Reserves for these headrooms and no others; has what they have measured, where that is due.</summary>
    private void PutIntoForce(
        List<(HeadroomRecord Record, TimedHeadroom Timed, HeadroomOccurrence Window)> active)
    {
        bool isSame = active.Count == _inForce.Count;
        for (int i = 0; i < active.Count && isSame; i++)
        {
            isSame = _inForce[i].IsOf(active[i].Record, active[i].Window);
        }

        if (!isSame)
        {
            List<Measured> inForce = [];
            foreach ((HeadroomRecord record, TimedHeadroom timed, HeadroomOccurrence window) in active)
            {
                long? hot = null;
                foreach (Measured before in _inForce)
                {
                    hot = before.IsOf(record, window) ? before.HotBytes : hot;
                }

                inForce.Add(new Measured(
                    record.Id, record.Name, record.Spec, timed.Spec, window, inForce.Count + 1, hot));
            }

            Apply(inForce, new ShareMap());
            _measuredAt = DateTimeOffset.MinValue;
        }

        TimeSpan since = Time.GetUtcNow() - _measuredAt;
        bool isDue = since >= _measureInterval && since >= SeldomShare * _measureTook;
        if (_inForce.Count > 0 && _measuring.IsCompleted && (isDue || (_isStale && since >= OftenShare * _measureTook)))
        {
            _isStale = false;
            _measuring = MeasureAsync(_inForce);
        }
    }

    private void Apply(List<Measured> inForce, ShareMap map)
    {
        List<ReservedShare> shares = [];
        List<SpaceHold> holds = [];
        List<ShareReserve> reserves = [];
        foreach (Measured one in inForce)
        {
            shares.Add(new ReservedShare(one.Number, one.Name, one.Spec.Path, one.Window.End, one.Spec.Pool));
            holds.Add(new SpaceHold(
                one.Number, one.HotBytes is { } hot ? Math.Max(0, one.Spec.HotBytes - hot) : 0, one.Spec.Pool));
            reserves.Add(new ShareReserve(one.Number, one.Spec.MemoryBytes));
        }

        Context.Shares.Apply(shares, map, holds, reserves);
        Volatile.Write(ref _inForce, inForce);
    }

    private bool IsMeasured()
    {
        foreach (Measured one in _inForce)
        {
            if (one.HotBytes is null)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Measures what is in force, beside all else, and puts that into force.</summary>
    private async Task MeasureAsync(IReadOnlyList<Measured> inForce)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            DateTimeOffset started = Time.GetUtcNow();
            ShareMap map = new();
            List<Measured> measured = [];
            foreach (Measured one in inForce)
            {
                long hot = await _measurement
                    .RunAsync(one.Spec.Path, one.Spec.Pool, one.Number, map, _stop.Token).ConfigureAwait(false);
                measured.Add(one with { HotBytes = hot });
            }

            await _gate.WaitAsync(_stop.Token).ConfigureAwait(false);
            try
            {
                if (ReferenceEquals(_inForce, inForce))
                {
                    Apply(measured, map);
                    _measuredAt = Time.GetUtcNow();
                    TimeSpan took = _measuredAt - started;
                    _measureTook = took < TimeSpan.Zero || took > _longestTook ? _longestTook : took;
                }
            }
            finally
            {
                _gate.Release();
            }

            Signal();
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The service stops.
        }
        catch (Exception e)
        {
            JobLog.HeadroomFailed(_log, e.Message); // The next look has it done again.
        }
    }

    private long LackingBytes(string? pool)
    {
        long held = 0;
        foreach (Measured measured in _inForce)
        {
            held += measured.Spec.Pool == pool
                ? Math.Max(0, measured.Spec.HotBytes - (measured.HotBytes ?? 0))
                : 0;
        }

        return held == 0 ? 0 : held - HeadroomCourse.FreeBytes(Context.Hot, pool ?? Context.Hot.DefaultPool);
    }

    private async ValueTask EndAsync(HeadroomRecord record, CancellationToken cancellationToken)
    {
        if (HeadroomState.Parse(record.State) is { Phase: not HeadroomPhase.Ended } state)
        {
            await _course.EndAsync(state, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<HeadroomRecord> SaveAsync(
        HeadroomRecord record, HeadroomState state, CancellationToken cancellationToken) =>
        await Context.Tree.SaveHeadroomAsync(record with { State = state.ToText() }, cancellationToken)
            .ConfigureAwait(false) ?? throw Unknown(record.Id);

    private IEnumerable<Measurement<long>> Observe(Func<Measured, (long Hot, long Memory)> bytesOf)
    {
        foreach (Measured measured in Volatile.Read(ref _inForce))
        {
            (long hot, long memory) = bytesOf(measured);
            KeyValuePair<string, object?> name = new("headroom", measured.Name);
            yield return new Measurement<long>(hot, name, new KeyValuePair<string, object?>("tier", "hot"));
            yield return new Measurement<long>(memory, name, new KeyValuePair<string, object?>("tier", "memory"));
        }
    }

    private void Signal() => Volatile.Read(ref _changed).TrySetResult();

    private async Task LoopAsync()
    {
        CancellationToken stop = _stop.Token;
        while (!stop.IsCancellationRequested)
        {
            TimeSpan sleep = _idleInterval;
            Volatile.Write(ref _changed, new(TaskCreationOptions.RunContinuationsAsynchronously));
            try
            {
                sleep = await LookOnceAsync(stop).ConfigureAwait(false) - Time.GetUtcNow();
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                JobLog.HeadroomFailed(_log, e.Message);
            }

            sleep = sleep < TimeSpan.FromMilliseconds(100) ? TimeSpan.FromMilliseconds(100) : sleep;
            await Volatile.Read(ref _changed).Task.WaitAsync(sleep, Time, stop)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>A headroom in force, and what its files had in the hot tier when that was measured.</summary>
    private sealed record Measured(
        long Id, string Name, string SpecText, HeadroomSpec Spec, HeadroomOccurrence Window, int Number, long? HotBytes)
    {
        public bool IsOf(HeadroomRecord record, in HeadroomOccurrence window) =>
            Id == record.Id && Name == record.Name && SpecText == record.Spec && Window.Start == window.Start;
    }
}
