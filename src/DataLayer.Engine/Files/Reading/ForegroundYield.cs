namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// The one place that decides when background work (warm-ups, replays, moves, checks) may run beside readers: it asks
/// for a turn before each piece of work, does at most what the turn allows, and gives it back.
/// </summary>
/// <remarks>
/// <para>While nobody read for a second, turns are wide: as many as are asked for (of large files two at a time), of
/// tens of MiB each; a holder looks at <see cref="Turn.ShallEnd"/> between its requests.</para>
/// <para>As soon as somebody reads they are narrow: one at a time, a MiB or one small file each, and only in gaps: no
/// read under way, and none for as long as such a piece takes (a pause that lasted so long lasts as long again more
/// often than not). Readers that leave no gap are not waited for beyond <c>patience</c>: then pieces are let through
/// for <see cref="_window"/>, a twelfth of the time by default, so that background work still ends and few reads meet
/// any of it.</para>
/// <para>Work on a reader's behalf (the rest of a folder whose first files were read) waits for no gap, since that
/// reader would wait for each of its files otherwise; it has a few turns of its own, as narrow as the others while
/// somebody reads, and the other background work waits meanwhile as it does for readers.</para>
/// <para>What readers do is seen by counters that the read path has anyway; reads that the kernel answers itself
/// (page cache, passthrough) are not seen. Any thread.</para>
/// </remarks>
/// <param name="fetches">Knows of reads under way.</param>
/// <param name="activity">What readers and writers did since the start: a number that grows with it.</param>
/// <param name="time">The clock.</param>
/// <param name="patience">The longest wait for a gap.</param>
internal sealed class ForegroundYield(
    FetchContext fetches, Func<long> activity, TimeProvider time, TimeSpan patience) : IDisposable
{
    /// <summary>What a narrow turn brings at most, bytes.</summary>
    public const int NarrowBytes = 1 << 20;

    /// <summary>What a wide turn brings at most, bytes.</summary>
    public const int WideBytes = 64 << 20;

    private const int LargeTurns = 2;
    private const int AheadTurns = 4;
    private static readonly TimeSpan _recent = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _shortestGap = TimeSpan.FromMilliseconds(3);
    private static readonly TimeSpan _longestGap = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan _window = TimeSpan.FromMilliseconds(8);
    private readonly SemaphoreSlim _narrow = new(1, 1);
    private readonly SemaphoreSlim _large = new(LargeTurns, LargeTurns);
    private readonly SemaphoreSlim _ahead = new(AheadTurns, AheadTurns);
    private long _seen = activity();
    private long _seenAt = time.GetTimestamp() - (long)(_recent.TotalSeconds * time.TimestampFrequency);
    private long _stepTicks;
    private long _windowUntil;

    /// <summary>Whether somebody reads or writes, or did within the last second.</summary>
    public bool IsBusy()
    {
        long now = activity();
        if (Interlocked.Exchange(ref _seen, now) != now || fetches.IsRead)
        {
            Volatile.Write(ref _seenAt, time.GetTimestamp());
            return true;
        }

        return time.GetElapsedTime(Volatile.Read(ref _seenAt)) < _recent;
    }

    /// <summary>Waits for a turn; dispose it when the piece of work is done.</summary>
    /// <param name="isLarge">Whether the piece is of a large file: few of these go side by side.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public async ValueTask<Turn> EnterAsync(bool isLarge, CancellationToken cancellationToken)
    {
        if (!MustYield())
        {
            if (!isLarge)
            {
                return new Turn(this, held: null, isWide: true);
            }

            await _large.WaitAsync(cancellationToken).ConfigureAwait(false);
            if (!MustYield())
            {
                return new Turn(this, _large, isWide: true);
            }

            _large.Release();
        }

        await _narrow.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await WaitForGapAsync(cancellationToken).ConfigureAwait(false);
            return new Turn(this, _narrow, isWide: false);
        }
        catch
        {
            _narrow.Release();
            throw;
        }
    }

    /// <summary>Waits for a turn to work ahead of a reader; dispose it when the piece is done.</summary>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public async ValueTask<Turn> EnterAheadAsync(CancellationToken cancellationToken)
    {
        await _ahead.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new Turn(this, _ahead, isWide: false);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _narrow.Dispose();
        _large.Dispose();
        _ahead.Dispose();
    }

    private async ValueTask WaitForGapAsync(CancellationToken cancellationToken)
    {
        long started = time.GetTimestamp();
        if (started < _windowUntil)
        {
            return;
        }

        while (MustYield())
        {
            long before = activity();
            await Task.Delay(Gap(), time, cancellationToken).ConfigureAwait(false);
            if (activity() == before && !fetches.IsRead && !IsAhead)
            {
                return;
            }

            if (time.GetElapsedTime(started) >= patience)
            {
                _windowUntil = time.GetTimestamp() + (long)(_window.TotalSeconds * time.TimestampFrequency);
                return;
            }
        }
    }

    private bool IsAhead => _ahead.CurrentCount < AheadTurns;

    private bool MustYield() => IsAhead || IsBusy();

    /// <summary>How long it must have been quiet: as long as narrow pieces took lately.</summary>
    private TimeSpan Gap()
    {
        TimeSpan step = TimeSpan.FromTicks(Volatile.Read(ref _stepTicks));
        return step < _shortestGap ? _shortestGap : step > _longestGap ? _longestGap : step;
    }

    private void Leave(SemaphoreSlim? held, TimeSpan took)
    {
        if (held == _narrow)
        {
            Volatile.Write(ref _stepTicks, ((3 * _stepTicks) + took.Ticks) / 4); // One at a time.
        }

        held?.Release();
    }

    /// <summary>Leave to do one piece of background work.</summary>
    internal sealed class Turn : IDisposable
    {
        private readonly ForegroundYield _owner;
        private readonly SemaphoreSlim? _held;
        private readonly bool _isWide;
        private readonly long _start;

        internal Turn(ForegroundYield owner, SemaphoreSlim? held, bool isWide)
        {
            _owner = owner;
            _held = held;
            _isWide = isWide;
            _start = owner.Timestamp;
        }

        /// <summary>What may be brought in it, bytes.</summary>
        public int MaxBytes => _isWide ? WideBytes : NarrowBytes;

        /// <summary>Whether readers came meanwhile: no further request is to be started in a wide turn.</summary>
        public bool ShallEnd => _isWide && _owner.MustYield();

        /// <inheritdoc/>
        public void Dispose() => _owner.Leave(_held, _owner.Since(_start));
    }

    private long Timestamp => time.GetTimestamp();

    private TimeSpan Since(long start) => time.GetElapsedTime(start);
}
