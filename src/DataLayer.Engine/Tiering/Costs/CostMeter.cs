using System.Runtime.InteropServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering.Planning;
using DataLayer.Metadata;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Stripes;
using Microsoft.Extensions.Logging;

namespace DataLayer.Engine.Tiering.Costs;

/// <summary>What a cost meter reads and writes; the caller owns all of it.</summary>
/// <param name="Tree">The metadata.</param>
/// <param name="Stores">Whose requests are billed. The meter is the one that takes their counts.</param>
/// <param name="Hot">The hot tier.</param>
/// <param name="Gate">What spent budgets close.</param>
public sealed record CostMeterParts(TreeStore Tree, ObjectStoreRegistry Stores, HotTier Hot, SpendGate Gate);

/// <summary>
/// Bills what the node costs, as it happens: every request to an object store, and storage by time. Weighs budgets.
/// </summary>
/// <remarks>
/// <para>Stores count requests where they go out (<see cref="OriginUse"/>). Each flush interval the counts are taken,
/// priced, weighed against the budgets, and written: to their hour, day and month, in one transaction. A flush that
/// fails keeps its amounts for the next. So a killed service loses the requests of one interval at most; a stopped one
/// loses none.</para>
/// <para>Storage is billed by time at what the last look found, until the next look. Until when it is billed stands in
/// the same transaction as the amounts, so nothing is billed twice, and after a start the time without a service is
/// billed at what is found then, up to <see cref="LongestGap"/>.</para>
/// <para>Amounts are kept as whole billionths; what rounding leaves is carried to the next flush of the same
/// key.</para>
/// <para>Life: made → started → disposed, which flushes. Disposed after the engine, whose last requests count. Lock:
/// one gate over all that changes; the statuses are read without it.</para>
/// </remarks>
public sealed class CostMeter : IAsyncDisposable
{
    /// <summary>How much time without a service is billed for storage at the next start.</summary>
    public static readonly TimeSpan LongestGap = TimeSpan.FromDays(31);

    private const int UsagePage = 20_000;
    private const int CostPage = 5000;
    private const int MostCarries = 20_000;
    private readonly CostMeterParts _parts;
    private readonly CostOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<(long Hour, CostKey Key, long Job), CostSums> _pending = [];
    private readonly Dictionary<CostKey, Carry> _carries = [];
    private readonly SpentPeriods _spent = new();
    private readonly List<CapacitySample> _samples = [];
    private readonly CostInstruments _instruments;
    private volatile BudgetStatus[] _budgets = [];
    private volatile UsageLook? _look;
    private Task? _loop;
    private long _billedUntil;
    private long _lookedAt;
    private long _trimmedAt;
    private TimeSpan _lookTook;
    private bool _hasFailed;

    /// <summary>Makes a meter; nothing runs yet.</summary>
    public CostMeter(
        CostMeterParts parts, TierPricing pricing, CostOptions options, TimeProvider time, ILogger<CostMeter> log)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(pricing);
        ArgumentNullException.ThrowIfNull(options);
        (_parts, Pricing, _options, _time, _log) = (parts, pricing, options, time, log);
        _instruments = new CostInstruments(this);
    }

    /// <summary>The prices in force.</summary>
    public TierPricing Pricing { get; }

    /// <summary>The bounds and budgets in force.</summary>
    public CostOptions Options => _options;

    /// <summary>The budgets and where they stood at the last flush.</summary>
    public IReadOnlyList<BudgetStatus> Budgets => _budgets;

    /// <summary>What the last look found stored; null before the first.</summary>
    public UsageLook? LastLook => _look;

    /// <summary>Takes up where the last service stopped, looks at what is stored, and runs from then on.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            long now = Now();
            (long billed, string? state) = await _parts.Tree.GetCostStateAsync(cancellationToken)
                .ConfigureAwait(false);
            _billedUntil = billed == 0 ? now : billed;
            long most = LongestGap.Ticks * 100;
            if (now - _billedUntil > most)
            {
                CostLog.Gap(_log, UnixTime.ToTime(_billedUntil), UnixTime.ToTime(now - most));
                _billedUntil = now - most;
            }

            _spent.MoveTo(now);
            foreach (CostLevel period in (CostLevel[])[CostLevel.Day, CostLevel.Month])
            {
                (long start, long end) = CostPeriod.Of(now, period);
                foreach (CostRow row in await ListAsync(period, start, end, cancellationToken).ConfigureAwait(false))
                {
                    _spent.Load(period, row);
                }
            }

            _budgets = BudgetMemory.Read(state, _options.Budgets);
        }
        finally
        {
            _gate.Release();
        }

        _loop = Task.Run(LoopAsync, CancellationToken.None);
    }

    /// <summary>Takes, prices and writes all that was counted until now, and weighs the budgets.</summary>
    /// <exception cref="DataLayerException">What the store says; nothing is lost, and budgets are weighed.</exception>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            long now = Now();
            _spent.MoveTo(now);
            Take(now);
            BillStorage(now);
            WeighBudgets(now);
            await SaveAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>
    /// What is stored now; unless it has to be <paramref name="fresh"/>, a look of the last second, or of up to twenty
    /// times as long as a look takes, will do.
    /// </summary>
    public async ValueTask<UsageLook> LookAsync(bool fresh, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            TimeSpan enough = TimeSpan.FromTicks(Math.Max(TimeSpan.TicksPerSecond, _lookTook.Ticks * 20));
            if (!fresh && _look is { } recent && _time.GetElapsedTime(_lookedAt) < enough)
            {
                return recent;
            }

            return await LookLockedAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>All stored rows of a span of time, by time and key.</summary>
    public async ValueTask<IReadOnlyList<CostRow>> ListAsync(
        CostLevel level, long fromNanoseconds, long untilNanoseconds, CancellationToken cancellationToken)
    {
        List<CostRow> rows = [];
        IReadOnlyList<CostRow> page;
        do
        {
            page = await _parts.Tree.ListCostsAsync(
                Pricing.Table.Currency, level, fromNanoseconds, untilNanoseconds, rows.Count == 0 ? null : rows[^1],
                CostPage, cancellationToken).ConfigureAwait(false);
            rows.AddRange(page);
        }
        while (page.Count == CostPage);
        return rows;
    }

    /// <summary>Stops and flushes.</summary>
    public async ValueTask DisposeAsync()
    {
        _instruments.Dispose();
        if (_loop is not null)
        {
            await _stop.CancelAsync().ConfigureAwait(false);
            await _loop.ConfigureAwait(false);
            try
            {
                await FlushAsync(CancellationToken.None).ConfigureAwait(false);
            }
            catch (DataLayerException error)
            {
                CostLog.NotSaved(_log, error.Message);
            }
        }

        _stop.Dispose();
        _gate.Dispose();
    }

    private long Now() => UnixTime.ToNanoseconds(_time.GetUtcNow());

    private async Task LoopAsync()
    {
        while (true)
        {
            try
            {
                if (_look is null || IsLookDue())
                {
                    await LookAgainAsync().ConfigureAwait(false);
                }

                await FlushAsync(_stop.Token).ConfigureAwait(false);
                await TrimAsync(_stop.Token).ConfigureAwait(false);
                _hasFailed = false;
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (DataLayerException error)
            {
                // Said once, until it works again: the next interval tries anew.
                if (!_hasFailed)
                {
                    CostLog.NotSaved(_log, error.Message);
                }

                _hasFailed = true;
            }

            try
            {
                await Task.Delay(_options.FlushInterval, _time, _stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private bool IsLookDue()
    {
        TimeSpan interval = TimeSpan.FromTicks(Math.Max(_options.StorageInterval.Ticks, _lookTook.Ticks * 100));
        return _time.GetElapsedTime(_lookedAt) >= interval;
    }

    private async Task LookAgainAsync()
    {
        await _gate.WaitAsync(_stop.Token).ConfigureAwait(false);
        try
        {
            await LookLockedAsync(_stop.Token).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Looks at what is stored; until now what the look before found is billed.</summary>
    private async ValueTask<UsageLook> LookLockedAsync(CancellationToken cancellationToken)
    {
        long started = _time.GetTimestamp();
        Dictionary<string, long> least = new(StringComparer.Ordinal)
        {
            [string.Empty] = Pricing.Table.DefaultClass.MinObjectBytes,
        };
        foreach (StorageClassPrice price in Pricing.Table.Classes)
        {
            least[price.Name] = price.MinObjectBytes;
        }

        Dictionary<UsageGroup, UsageSums> usage = [];
        InodeId after = InodeId.None;
        do
        {
            after = await _parts.Tree.AddUsageAsync(after, least, usage, UsagePage, cancellationToken)
                .ConfigureAwait(false);
        }
        while (after != InodeId.None);
        Dictionary<long, string> datasets = [];
        foreach (Attachment attachment in await _parts.Tree.ListAttachmentsAsync(cancellationToken)
            .ConfigureAwait(false))
        {
            datasets[attachment.Id] = attachment.Path;
        }

        long now = Now();
        BillStorage(now);
        UsageLook look = new(
            now, usage, datasets, _parts.Hot.GetTargets(),
            StorageRates.Of(usage, datasets, Pricing, _parts.Hot.DefaultPool, _options.CopyCount));
        _samples.Clear();
        _samples.AddRange(look.Samples());
        _lookedAt = _time.GetTimestamp();
        _lookTook = _time.GetElapsedTime(started);
        _look = look;
        BillStorage(now);
        return look;
    }

    private void Take(long now)
    {
        foreach (OriginCount count in _parts.Stores.TakeOriginCounts())
        {
            CostItem item = count.Verb switch
            {
                RequestVerb.Get => CostItem.Get,
                RequestVerb.Head => CostItem.Head,
                RequestVerb.List => CostItem.List,
                RequestVerb.Put => CostItem.Put,
                RequestVerb.Post => CostItem.Post,
                RequestVerb.Delete => CostItem.Delete,
                _ => throw new InvalidOperationException($"Verb {count.Verb} has no price."),
            };
            string? named = count.Use.StorageClass.Length == 0 ? null : count.Use.StorageClass;
            StorageClassPrice price = Pricing.Table.Find(named) ?? Pricing.Table.DefaultClass;
            MoveCost cost = Pricing.Requests(item, price, count.Requests, count.Bytes);
            CostKey key = new(count.Dataset, count.Use.Tenant, count.Use.Purpose, item, named ?? price.Name);
            ref Carry carry = ref CarryOf(key);
            Add(now, key, count.Use.JobId, new CostSums(
                count.Requests, count.Failures, count.Bytes, 0, Whole(ref carry.Request, cost.RequestCost),
                Whole(ref carry.Retrieval, cost.RetrievalCost), Whole(ref carry.Egress, cost.EgressCost), 0));
        }
    }

    /// <summary>Bills storage until now, hour by hour.</summary>
    private void BillStorage(long now)
    {
        if (_look is not { } look)
        {
            return; // Nothing is known yet; what is found is billed from where billing stopped.
        }

        while (_billedUntil < now)
        {
            (_, long hourEnd) = CostPeriod.Of(_billedUntil, CostLevel.Hour);
            long until = Math.Min(hourEnd, now);
            double months = (until - _billedUntil) / StorageRates.MonthNanoseconds;
            foreach (StorageRate rate in look.Rates.Rates)
            {
                ref Carry carry = ref CarryOf(rate.Key);
                Add(_billedUntil, rate.Key, 0, new CostSums(
                    0, 0, 0, Whole(ref carry.GibMonths, rate.Gibibytes * months), 0, 0, 0,
                    Whole(ref carry.Storage, rate.CostPerMonth * months)));
            }

            _billedUntil = until;
        }
    }

    private void WeighBudgets(long now)
    {
        BudgetStatus[] before = _budgets;
        BudgetStatus[] after = new BudgetStatus[_options.Budgets.Count];
        for (int i = 0; i < after.Length; i++)
        {
            CostBudget budget = _options.Budgets[i];
            BudgetStatus? known = Array.Find(before, b => b.Budget.Name == budget.Name);
            after[i] = BudgetStatus.Next(budget, known, _spent.Of(budget), now);
            Tell(known, after[i]);
        }

        _budgets = after;
        _parts.Gate.Set(after);
    }

    private void Tell(BudgetStatus? before, BudgetStatus after)
    {
        if (after.State == (before?.State ?? BudgetState.Within))
        {
            return;
        }

        if (after.State == BudgetState.Within)
        {
            CostLog.Better(_log, after.Budget.Name, after.State.ToString());
            return;
        }

        CostLog.Worse(
            _log, after.Budget.Name, after.State.ToString(), after.SpentNanos / 1e9, after.Budget.Amount,
            Pricing.Table.Currency, UnixTime.ToTime(after.PeriodStartNanoseconds),
            after.InForce?.ToString() ?? "nothing");
    }

    private async ValueTask SaveAsync(CancellationToken cancellationToken)
    {
        List<CostAddition> additions = new(_pending.Count);
        foreach (((long hour, CostKey key, long job), CostSums sums) in _pending)
        {
            additions.Add(new CostAddition(hour, key, job, sums));
        }

        CostBatch batch = new()
        {
            Currency = Pricing.Table.Currency,
            Additions = additions,
            Samples = [.. _samples],
            StorageTimeNanoseconds = _look is null ? 0 : _billedUntil,
            State = _budgets.Length == 0 ? null : BudgetMemory.Write(_budgets),
        };
        await _parts.Tree.SaveCostsAsync(batch, cancellationToken).ConfigureAwait(false);
        _pending.Clear();
        _samples.Clear();
    }

    private async ValueTask TrimAsync(CancellationToken cancellationToken)
    {
        long now = Now();
        if (now - _trimmedAt < CostPeriod.Hour && now >= _trimmedAt)
        {
            return;
        }

        _trimmedAt = now;
        CostCutoffs cutoffs = new(
            now - (_options.HourRetention.Ticks * 100), now - (_options.DayRetention.Ticks * 100),
            now - (_options.MonthRetention.Ticks * 100));
        await _parts.Tree.TrimCostsAsync(cutoffs, cancellationToken).ConfigureAwait(false);
    }

    private void Add(long time, in CostKey key, long job, in CostSums sums)
    {
        if (sums.IsEmpty)
        {
            return;
        }

        (long hour, _) = CostPeriod.Of(time, CostLevel.Hour);
        ref CostSums pending = ref CollectionsMarshal.GetValueRefOrAddDefault(_pending, (hour, key, job), out _);
        pending += sums;
        _spent.Add(time, key, sums);
        _instruments.Add(key, sums);
    }

    private ref Carry CarryOf(in CostKey key)
    {
        if (_carries.Count > MostCarries)
        {
            _carries.Clear(); // Less than a billionth each.
        }

        return ref CollectionsMarshal.GetValueRefOrAddDefault(_carries, key, out _);
    }

    private static long Whole(ref double carry, double amount)
    {
        carry += amount * 1e9;
        double whole = Math.Round(carry);
        carry -= whole;
        return (long)whole;
    }

    /// <summary>What rounding left of one key's amounts, billionths.</summary>
    private struct Carry
    {
        public double GibMonths;
        public double Request;
        public double Retrieval;
        public double Egress;
        public double Storage;
    }
}
