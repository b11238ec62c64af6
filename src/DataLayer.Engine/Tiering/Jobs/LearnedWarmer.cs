using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Engine.Files;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Engine.Tiering.Recurrence;
using DataLayer.Metadata;
using DataLayer.Storage.Stripes;
using Microsoft.Extensions.Logging;

namespace DataLayer.Engine.Tiering.Jobs;

/// <summary>
/// Makes a warm-up job shortly before a use that recurs by the history: a dataset that is read every trading day at
/// half past five is hot a little before.
/// </summary>
/// <remarks>
/// <para>A look asks the detector about each folder with a history (<see cref="RecurrenceDetector"/>), takes the
/// folders that are due together as one use, and makes its job when the earliest start is no further away than the
/// lead: twice what the missing bytes take at the rate of earlier warm-ups, and
/// <see cref="LearnedWarmOptions.MinLead"/> on top, at most <see cref="LearnedWarmOptions.MaxLead"/>. One job for each
/// expected start, also over restarts: the start is in the job's key. The job warms the files that the last two uses of
/// that kind read, and what was written since.</para>
/// <para>Life: <see cref="Start"/> → looks every few minutes → <see cref="DisposeAsync"/>.</para>
/// </remarks>
public sealed class LearnedWarmer : IAsyncDisposable
{
    /// <summary>Who its jobs say they are of.</summary>
    public const string Owner = "learned";

    private const int MaxPaths = 1000;
    private const int RateJobs = 100;
    private const double DefaultBytesPerSecond = 32 << 20;
    private const long MinRateBytes = 1 << 20;
    private static readonly TimeSpan _interval = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan _estimateAge = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan _day = TimeSpan.FromDays(1);
    private readonly FileEngine _engine;
    private readonly JobService _jobs;
    private readonly PolicyVersions? _policies;
    private readonly LearnedWarmOptions _options;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<string, (long LastTime, IReadOnlyList<DatasetUse> Uses)> _uses =
        new(StringComparer.Ordinal);

    private readonly Dictionary<string, (DateTimeOffset At, long Bytes)> _estimates = new(StringComparer.Ordinal);
    private readonly HashSet<string> _made = new(StringComparer.Ordinal);
    private IReadOnlyList<LearnedUse> _expected = [];
    private Task _loop = Task.CompletedTask;

    /// <summary>Makes it; nothing happens before <see cref="Start"/>.</summary>
    /// <param name="engine">The engine; not owned.</param>
    /// <param name="jobs">Where its jobs go; not owned.</param>
    /// <param name="policies">Knows the calendars; null for none.</param>
    /// <param name="options">Its options.</param>
    /// <param name="log">The log.</param>
    public LearnedWarmer(
        FileEngine engine, JobService jobs, PolicyVersions? policies, LearnedWarmOptions options,
        ILogger<LearnedWarmer> log)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(jobs);
        ArgumentNullException.ThrowIfNull(options);
        _engine = engine;
        _jobs = jobs;
        _policies = policies;
        _options = options;
        _log = log;
    }

    /// <summary>What is expected by the last look, soonest first.</summary>
    public IReadOnlyList<LearnedUse> Expected => Volatile.Read(ref _expected);

    private TimeProvider Time => _engine.Context.Time;

    /// <summary>Begins to look.</summary>
    public void Start() => _loop = Task.Run(LoopAsync, CancellationToken.None);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _stop.Dispose();
    }

    /// <summary>Looks once, and makes the jobs that are due.</summary>
    /// <returns>When something may be due next, as far as is known now; null where nothing is expected.</returns>
    internal async Task<DateTimeOffset?> LookAsync(CancellationToken cancellationToken)
    {
        await _engine.Heat.FlushAsync(cancellationToken).ConfigureAwait(false);
        DateTimeOffset now = Time.GetUtcNow();
        IReadOnlyList<LearnedUse> expected = await FindAsync(now, cancellationToken).ConfigureAwait(false);
        Volatile.Write(ref _expected, expected);
        DateTimeOffset? next = null;
        foreach (LearnedUse use in expected)
        {
            DateTimeOffset due = await MakeIfDueAsync(use, now, cancellationToken).ConfigureAwait(false);
            next = due > now && (next is null || due < next) ? due : next;
        }

        return next;
    }

    private async Task LoopAsync()
    {
        CancellationToken stop = _stop.Token;
        while (!stop.IsCancellationRequested)
        {
            TimeSpan sleep = _interval;
            try
            {
                DateTimeOffset? next = await LookAsync(stop).ConfigureAwait(false);
                sleep = next - Time.GetUtcNow() is { } wait && wait < sleep ? wait : sleep;
                sleep = sleep < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : sleep;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                JobLog.NotLearned(_log, e.Message);
            }

            await Task.Delay(sleep, Time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The uses that are expected, those of folders that are due together as one, soonest first.</summary>
    private async Task<IReadOnlyList<LearnedUse>> FindAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        IReadOnlySet<DateOnly> holidays = await HolidaysAsync(now, cancellationToken).ConfigureAwait(false);
        RecurrenceDetector detector = new(new RecurrenceOptions
        {
            TimeZone = _options.TimeZone,
            Holidays = holidays,
            Tolerance = _options.Tolerance,
            MinConfidence = _options.MinConfidence,
        });
        List<(string Path, UsePrediction Next, DateTimeOffset Since)> found = [];
        foreach ((string path, long lastTime) in await SubjectsAsync(cancellationToken).ConfigureAwait(false))
        {
            if (!_uses.TryGetValue(path, out (long LastTime, IReadOnlyList<DatasetUse> Uses) known)
                || known.LastTime != lastTime)
            {
                known = (lastTime, await _engine.Heat.History.FindUsesAsync(path, cancellationToken)
                    .ConfigureAwait(false));
                _uses[path] = known;
            }

            foreach (UsePrediction next in detector.Predict(known.Uses, now))
            {
                found.Add((path, next, SinceOf(known.Uses, next)));
            }
        }

        found.Sort(static (a, b) => a.Next.ExpectedStart.CompareTo(b.Next.ExpectedStart));
        List<LearnedUse> uses = [];
        for (int i = 0; i < found.Count;)
        {
            int end = i + 1;
            while (end < found.Count && end - i < MaxPaths
                && found[end].Next.ExpectedStart - found[i].Next.ExpectedStart <= _options.Tolerance)
            {
                end++;
            }

            List<(string Path, UsePrediction Next, DateTimeOffset Since)> group = found.GetRange(i, end - i);
            UsePrediction first = group[0].Next;
            foreach ((_, UsePrediction other, _) in group)
            {
                first = other.EarliestStart < first.EarliestStart ? other : first;
            }

            uses.Add(new LearnedUse(
                group.ConvertAll(static one => one.Path), group.ConvertAll(static one => one.Since), first,
                Describe(first, group.Count)));
            i = end;
        }

        return uses;
    }

    /// <summary>Folders with a history; attachments where no folder at or below them has one.</summary>
    private async Task<List<(string Path, long LastTime)>> SubjectsAsync(CancellationToken cancellationToken)
    {
        List<(string Path, long LastTime)> folders = [];
        List<(string Path, long LastTime)> attachments = [];
        foreach (AccessSeries series in await _engine.Heat.History.ListSeriesAsync(cancellationToken)
            .ConfigureAwait(false))
        {
            string? path = series.Kind switch
            {
                AccessSeriesKind.Folder => await _engine.Context.Tree
                    .GetPathAsync(new InodeId(series.Subject), cancellationToken).ConfigureAwait(false),
                AccessSeriesKind.Attachment => _engine.Context.Attachments.Find(series.Subject)?.Path,
                _ => null,
            };
            if (path is not null)
            {
                (series.Kind == AccessSeriesKind.Folder ? folders : attachments)
                    .Add((path, series.LastTimeNanoseconds));
            }
        }

        foreach ((string path, long lastTime) in attachments)
        {
            string prefix = path.TrimEnd('/') + "/";
            if (!folders.Exists(f => (f.Path + "/").StartsWith(prefix, StringComparison.Ordinal)))
            {
                folders.Add((path, lastTime));
            }
        }

        return folders;
    }

    private async Task<IReadOnlySet<DateOnly>> HolidaysAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        const int Ahead = 70;
        HashSet<DateOnly> holidays = [.. _options.Holidays];
        DateOnly today = DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(now, _options.TimeZone).Date);
        int back = (int)_engine.Context.Options.Heat.HourRetention.TotalDays;
        if (_options.Calendar is { } name && _policies is not null
            && await _policies.GetActiveAsync(cancellationToken).ConfigureAwait(false) is { } active)
        {
            foreach (PolicyCalendar calendar in active.Policy.Document.Calendars)
            {
                for (int i = -back; i <= Ahead && calendar.Name == name; i++)
                {
                    if (!calendar.IsOpen(today.AddDays(i)))
                    {
                        holidays.Add(today.AddDays(i));
                    }
                }
            }
        }

        IReadOnlyList<AccessBucket> days = await _engine.Heat.History
            .QueryAsync("/", HistoryLevel.Day, DateTimeOffset.UnixEpoch, now, cancellationToken).ConfigureAwait(false);
        holidays.UnionWith(LearnedHolidays.Find(days, today.AddDays(-back), back + Ahead));
        return holidays;
    }

    /// <summary>When the last but one use of a kind began; the last where there is one only.</summary>
    private DateTimeOffset SinceOf(IReadOnlyList<DatasetUse> uses, UsePrediction kind)
    {
        DateTimeOffset since = uses[^1].Start;
        int seen = 0;
        for (int i = uses.Count - 1; i >= 0 && seen < 2; i--)
        {
            DateTime local = TimeZoneInfo.ConvertTime(uses[i].Start, _options.TimeZone).DateTime;
            TimeSpan off = (local.TimeOfDay - kind.TimeOfDay).Duration();
            off = off > _day / 2 ? _day - off : off;
            if (off <= 2 * _options.Tolerance && (kind.DayOfWeek is not { } day || IsAbout(local, kind.TimeOfDay, day)))
            {
                since = uses[i].Start;
                seen++;
            }
        }

        return since;
    }

    /// <summary>Whether a start belongs to a day of the week: about midnight it may lie on the day beside.</summary>
    private static bool IsAbout(DateTime start, TimeSpan timeOfDay, DayOfWeek day) =>
        Math.Abs((start - timeOfDay - start.Date).TotalHours) < 12
            ? start.DayOfWeek == day
            : start.AddHours(timeOfDay.TotalHours > 12 ? -12 : 12).DayOfWeek == day;

    private string Describe(UsePrediction next, int folders) => string.Create(
        CultureInfo.InvariantCulture,
        $"{folders} folder(s) read {Words(next)} about {next.TimeOfDay:hh\\:mm} ({_options.TimeZone.Id}), seen "
        + $"{next.Support} times, confidence {next.Confidence:F2}; expected at "
        + $"{next.ExpectedStart.UtcDateTime:yyyy-MM-dd HH:mm}Z, from {next.EarliestStart.UtcDateTime:HH:mm}Z on");

    private static string Words(UsePrediction next) => next.Pattern switch
    {
        DayPattern.Daily => "each day",
        DayPattern.Weekdays => "on weekdays",
        DayPattern.TradingDays => "on trading days",
        DayPattern.Weekly => $"each {next.DayOfWeek}",
        DayPattern.MonthEnd => "on the last day of the month",
        _ => "on the last trading day of the month",
    };

    /// <summary>Makes the job of a use that is due.</summary>
    /// <returns>When it is to be looked at again; not after now where nothing is left to do.</returns>
    private async Task<DateTimeOffset> MakeIfDueAsync(
        LearnedUse use, DateTimeOffset now, CancellationToken cancellationToken)
    {
        UsePrediction next = use.Prediction;
        string key = KeyOf(use);
        if (_made.Contains(key) || now >= next.EarliestStart)
        {
            return now; // Once it may have begun, its own reads bring what it needs.
        }

        if (now < next.EarliestStart - _options.MaxLead)
        {
            return next.EarliestStart - _options.MaxLead;
        }

        if (!_estimates.TryGetValue(key, out (DateTimeOffset At, long Bytes) estimate)
            || now - estimate.At > _estimateAge)
        {
            if (_estimates.Count > MaxPaths)
            {
                _estimates.Clear(); // Of uses that came and went.
            }

            estimate = (now, await MissingBytesAsync(use, cancellationToken).ConfigureAwait(false));
            _estimates[key] = estimate;
        }

        double seconds = 2 * estimate.Bytes / await RateAsync(cancellationToken).ConfigureAwait(false);
        TimeSpan lead = TimeSpan.FromSeconds(Math.Min(seconds, _options.MaxLead.TotalSeconds)) + _options.MinLead;
        DateTimeOffset due = next.EarliestStart - (lead > _options.MaxLead ? _options.MaxLead : lead);
        if (now < due)
        {
            return due < estimate.At + _estimateAge ? due : estimate.At + _estimateAge + TimeSpan.FromSeconds(1);
        }

        _estimates.Remove(key);
        long missing = await MissingBytesAsync(use, cancellationToken).ConfigureAwait(false);
        if (missing > RoomBytes())
        {
            JobLog.NotLearned(_log, $"{use.Reason}: {missing} bytes would fill the hot tier over its bound.");
            return now;
        }

        WarmSpec spec = new()
        {
            Paths = use.Paths,
            Learned = true,
            UsedSince = use.UsedSince,
            Reason = use.Reason,
            Verify = false,
        };
        await _jobs.AddAsync(
            WarmRunner.KindName, spec.ToText(), Owner, [], new IdempotencyKey(key, key), cancellationToken)
            .ConfigureAwait(false);
        Remember(key);
        return now;
    }

    private void Remember(string key)
    {
        if (_made.Count > 10_000)
        {
            _made.Clear(); // The store knows the keys of the last day as well.
        }

        _made.Add(key);
    }

    private static string KeyOf(LearnedUse use)
    {
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', use.Paths)));
        string paths = Convert.ToHexStringLower(hash.AsSpan(0, 8));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"learned-{use.Prediction.ExpectedStart.UtcDateTime:yyyy-MM-dd}-{use.Prediction.Pattern}-{paths}");
    }

    /// <summary>Bytes that the use is expected to read and the hot tier lacks.</summary>
    private async Task<long> MissingBytesAsync(LearnedUse use, CancellationToken cancellationToken)
    {
        long missing = 0;
        for (int i = 0; i < use.Paths.Count; i++)
        {
            try
            {
                await foreach (FileFacts facts in _engine.Facts.ReadAsync(use.Paths[i], cancellationToken)
                    .ConfigureAwait(false))
                {
                    missing += facts.AccessedAt >= use.UsedSince[i] ? Math.Max(0, facts.SizeBytes - facts.HotBytes) : 0;
                }
            }
            catch (DataLayerException e) when (e.Code == ErrorCode.NotFound)
            {
                // The folder went meanwhile.
            }
        }

        return missing;
    }

    /// <summary>What the default pool may take until it is as full as learned warm-ups may make it.</summary>
    private long RoomBytes()
    {
        long room = 0;
        foreach (TargetStatus target in _engine.Context.Hot.GetTargets())
        {
            if (target.Pool == _engine.Context.Hot.DefaultPool && target.State == "ok")
            {
                long kept = (long)((1 - _options.MaxFill) * target.CapacityBytes);
                room += Math.Max(0, target.FreeBytes - kept);
            }
        }

        return room;
    }

    /// <summary>What warm-ups brought a second lately: a quarter of them were slower. Bytes a second.</summary>
    private async Task<double> RateAsync(CancellationToken cancellationToken)
    {
        List<double> rates = [];
        foreach (JobRecord job in await _jobs.ListAsync(long.MaxValue, RateJobs, cancellationToken)
            .ConfigureAwait(false))
        {
            if (job is { Kind: WarmRunner.KindName, State: JobState.Done, Result: { } result, StartedTime: > 0 }
                && WarmOutcome.Parse(result) is { BroughtBytes: >= MinRateBytes } outcome
                && job.EndedTime > job.StartedTime)
            {
                rates.Add(outcome.BroughtBytes * 1e9 / (job.EndedTime - job.StartedTime));
            }
        }

        rates.Sort();
        return rates.Count == 0 ? DefaultBytesPerSecond : rates[rates.Count / 4];
    }
}
