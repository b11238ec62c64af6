using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// Carries out what the journal owes the tiers: uploads, deletes of objects, deletes of hot copies, what became of
/// packs. The tree hands entries out in the order that keeps buckets right; here they run side by side up to a bound,
/// and failures come back with a growing, jittered wait.
/// </summary>
internal sealed class JournalWorker : IAsyncDisposable
{
    private static readonly TimeSpan _lease = TimeSpan.FromHours(1);
    private readonly EngineContext _context;
    private readonly JournalTasks _tasks;
    private readonly UploadWaits _uploads;
    private readonly SemaphoreSlim _signal = new(0, 1);
    private readonly Lock _lock = new();
    private readonly Random _jitter;
    private readonly Lane[] _lanes;
    private Task _loop = Task.CompletedTask;
    private long _nextDue = long.MaxValue;

    public JournalWorker(EngineContext context, JournalTasks tasks, UploadWaits uploads)
    {
        _context = context;
        _tasks = tasks;
        _uploads = uploads;
        _jitter = new Random(context.Options.Seed);
        _lanes =
        [
            new Lane(JournalKind.UploadObject, context.Options.MaxUploads),
            new Lane(JournalKind.DeleteObject, context.Options.MaxUploads),
            new Lane(JournalKind.DeleteHotCopy, context.Options.MaxUploads),
            new Lane(JournalKind.WritePackNames, context.Options.MaxUploads),
        ];
        context.JournalSignal = Signal;
        context.Tree.JournalAdded = _ => Signal();
    }

    public void Start() => _loop = Task.Run(LoopAsync);

    /// <summary>There may be something to do.</summary>
    public void Signal()
    {
        lock (_lock)
        {
            if (_signal.CurrentCount == 0)
            {
                _signal.Release();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        Signal();
        await _loop.ConfigureAwait(false);
        foreach (Lane lane in _lanes)
        {
            Task[] running;
            lock (_lock)
            {
                running = [.. lane.Running];
            }

            await Task.WhenAll(running).ConfigureAwait(false);
        }

        _context.JournalSignal = null;
        _context.Tree.JournalAdded = null;
        _signal.Dispose();
    }

    private async Task LoopAsync()
    {
        while (!_context.Stopping.IsCancellationRequested)
        {
            bool again = false;
            try
            {
                foreach (Lane lane in _lanes)
                {
                    again |= await TakeAsync(lane).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (_context.Stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception error)
            {
                EngineLog.BackgroundFailed(_context.Log, "journal", error);
            }

            if (!again)
            {
                await CountAsync().ConfigureAwait(false);
                await SleepAsync().ConfigureAwait(false);
            }
        }
    }

    private async ValueTask CountAsync()
    {
        try
        {
            _uploads.PendingCount = await _context.Tree.CountJournalAsync(
                JournalKind.UploadObject, _context.Stopping).ConfigureAwait(false);
        }
        catch (Exception error) when (error is DataLayerException or OperationCanceledException)
        {
            // A statistic; the next pass counts again.
        }
    }

    /// <summary>Starts what is due, as far as there is room; true if there may be more.</summary>
    private async ValueTask<bool> TakeAsync(Lane lane)
    {
        int room;
        lock (_lock)
        {
            lane.Running.RemoveAll(static task => task.IsCompleted);
            room = lane.Limit - lane.Running.Count;
        }

        if (room <= 0)
        {
            return false; // The end of a running one signals.
        }

        IReadOnlyList<JournalEntry> entries =
            await _context.Tree.TakeJournalAsync(lane.Kind, _lease, room, _context.Stopping).ConfigureAwait(false);
        foreach (JournalEntry entry in entries)
        {
            _uploads.Started(entry);
            Task task = Task.Run(() => RunAsync(entry));
            lock (_lock)
            {
                lane.Running.Add(task);
            }
        }

        return entries.Count == room;
    }

    private async Task RunAsync(JournalEntry entry)
    {
        try
        {
            TimeSpan? hold = await _tasks.RunAsync(entry, _context.Stopping).ConfigureAwait(false);
            if (hold is { } wait)
            {
                await PostponeAsync(entry, wait).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_context.Stopping.IsCancellationRequested)
        {
            // The lease ends with the process: the next start takes the entry up again.
        }
        catch (DataLayerException error)
        {
            await FailAsync(entry, error).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            EngineLog.BackgroundFailed(_context.Log, $"journal {entry.Kind}", error);
            await FailAsync(entry, new DataLayerException(ErrorCode.Internal, error.Message, error))
                .ConfigureAwait(false);
        }
        finally
        {
            _uploads.Stopped(entry);
            Signal();
        }
    }

    private async ValueTask FailAsync(JournalEntry entry, DataLayerException error)
    {
        TimeSpan wait = Backoff(entry.FailureCount);
        EngineLog.JournalFailed(
            _context.Log, entry.Id, entry.Kind.ToString(), entry.Key, entry.FailureCount + 1, wait, error.Message);
        await PostponeAsync(entry, wait).ConfigureAwait(false);
        _tasks.Failed(entry, error);
    }

    private async ValueTask PostponeAsync(JournalEntry entry, TimeSpan wait)
    {
        long due = _context.NowNanoseconds() + (long)wait.TotalNanoseconds;
        try
        {
            await _context.Tree.PostponeJournalAsync(entry.Id, due, CancellationToken.None).ConfigureAwait(false);
        }
        catch (DataLayerException error)
        {
            EngineLog.BackgroundFailed(_context.Log, "journal", error);
        }

        lock (_lock)
        {
            _nextDue = Math.Min(_nextDue, due);
        }
    }

    private TimeSpan Backoff(int failures)
    {
        double factor;
        lock (_lock)
        {
            factor = 0.5 + _jitter.NextDouble();
        }

        double wait = _context.Options.FirstBackoff.TotalSeconds * Math.Pow(2, Math.Min(failures, 20)) * factor;
        return TimeSpan.FromSeconds(Math.Min(wait, _context.Options.MaxBackoff.TotalSeconds));
    }

    private async ValueTask SleepAsync()
    {
        TimeSpan wait = _context.Options.JournalInterval;
        lock (_lock)
        {
            if (_nextDue != long.MaxValue)
            {
                double due = (_nextDue - _context.NowNanoseconds()) / 1e9;
                wait = TimeSpan.FromSeconds(Math.Clamp(due + 0.001, 0.001, wait.TotalSeconds));
                if (due <= 0)
                {
                    _nextDue = long.MaxValue;
                }
            }
        }

        using CancellationTokenSource timer = CancellationTokenSource.CreateLinkedTokenSource(_context.Stopping);
        Task delay = Task.Delay(wait, _context.Time, timer.Token);
        await Task.WhenAny(delay, _signal.WaitAsync(timer.Token)).ConfigureAwait(false);
        await timer.CancelAsync().ConfigureAwait(false);
    }

    private sealed class Lane(JournalKind kind, int limit)
    {
        public JournalKind Kind { get; } = kind;

        public int Limit { get; } = limit;

        public List<Task> Running { get; } = [];
    }
}
