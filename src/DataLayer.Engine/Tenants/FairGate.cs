namespace DataLayer.Engine.Tenants;

/// <summary>
/// Bounds the transfers of one kind in flight, and shares them among tenants: start-time fair queueing by bytes, with
/// as much in flight as keeps a store busy and no more.
/// </summary>
/// <remarks>
/// <para>While one tenant alone transfers, or did within <see cref="Linger"/>, it has all of the limit. When several
/// do, no transfer starts while <paramref name="contendedBytes"/> are in flight, so that who comes next waits for
/// little before it; whose turn it is says the tag at which its bytes begin, when each tenant's bytes are counted in
/// parts of its share. A tenant that was away is not owed what it left.</para>
/// <para>While one of a higher class is there a tenant starts nothing while its part of those bytes is in flight for
/// it, even where that leaves room (one transfer it always has, so that nobody starves): who takes free room holds it
/// when the other comes back a moment later.</para>
/// <para>One lock, a leaf, held for a look at each tenant. Waiting ends in the order in which a tenant asked.</para>
/// </remarks>
/// <param name="limit">Transfers in flight, a count.</param>
/// <param name="contendedBytes">What may be in flight while several tenants transfer; a transfer more at most.</param>
/// <param name="time">The clock.</param>
internal sealed class FairGate(int limit, long contendedBytes, TimeProvider time)
{
    /// <summary>How long a tenant counts as there after its last transfer.</summary>
    public static readonly TimeSpan Linger = TimeSpan.FromMilliseconds(100);

    /// <summary>What a transfer counts at least, bytes: a small one costs a store about as much.</summary>
    private const int LeastBytes = 64 << 10;

    private readonly Lock _sync = new();
    private readonly List<Lane> _lanes = [];
    private double _now;
    private long _activeBytes;
    private int _active;
    private int _waiting;

    /// <summary>How many wait now, a count.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>How many are in flight now, a count.</summary>
    public int Active => Volatile.Read(ref _active);

    /// <summary>How many of a tenant are in flight and wait now, counts.</summary>
    public (int Active, int Waiting) Of(Tenant tenant)
    {
        lock (_sync)
        {
            Lane lane = LaneOfLocked(tenant);
            return (lane.Active, lane.Waiters.Count);
        }
    }

    /// <summary>Waits for a turn, to be given back by <see cref="Leave"/>.</summary>
    /// <param name="tenant">Whose transfer it is.</param>
    /// <param name="bytes">What it brings.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public ValueTask EnterAsync(Tenant tenant, int bytes, CancellationToken cancellationToken)
    {
        Waiter waiter;
        List<Waiter>? started;
        lock (_sync)
        {
            Lane lane = LaneOfLocked(tenant);
            lane.Tenant = tenant;
            lane.SeenAt = time.GetTimestamp();
            int cost = Math.Max(bytes, LeastBytes);
            double start = Math.Max(_now, lane.End);
            lane.End = start + ((double)cost / tenant.Part);
            if (_waiting == 0 && MayStartLocked(lane))
            {
                StartLocked(lane, start, cost);
                return ValueTask.CompletedTask;
            }

            cancellationToken.ThrowIfCancellationRequested();
            waiter = new Waiter(start, cost);
            waiter.Place = lane.Waiters.AddLast(waiter);
            _waiting++;
            started = StartDueLocked();
        }

        Wake(started);
        return WaitAsync(waiter, tenant, cancellationToken);
    }

    /// <summary>Gives a turn back.</summary>
    /// <param name="tenant">As it was taken.</param>
    /// <param name="bytes">As it was taken.</param>
    public void Leave(Tenant tenant, int bytes)
    {
        List<Waiter>? started;
        lock (_sync)
        {
            Lane lane = LaneOfLocked(tenant);
            int cost = Math.Max(bytes, LeastBytes);
            lane.Active--;
            lane.ActiveBytes -= cost;
            _active--;
            _activeBytes -= cost;
            lane.SeenAt = time.GetTimestamp();
            started = StartDueLocked();
        }

        Wake(started);
    }

    private static void Wake(List<Waiter>? started)
    {
        foreach (Waiter waiter in started ?? [])
        {
            waiter.Turn.SetResult();
        }
    }

    private Lane LaneOfLocked(Tenant tenant)
    {
        while (_lanes.Count <= tenant.Index)
        {
            _lanes.Add(new Lane());
        }

        return _lanes[tenant.Index];
    }

    private async ValueTask WaitAsync(Waiter waiter, Tenant tenant, CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration given = cancellationToken.UnsafeRegister(
            static (state, token) =>
            {
                (FairGate gate, Waiter gone, Tenant of) = ((FairGate, Waiter, Tenant))state!;
                gate.GiveUp(gone, of, token);
            },
            (this, waiter, tenant));
        await waiter.Turn.Task.ConfigureAwait(false);
    }

    private void GiveUp(Waiter waiter, Tenant tenant, CancellationToken cancellationToken)
    {
        lock (_sync)
        {
            if (waiter.Place is null)
            {
                return; // It has its turn: whoever waits finds that and goes on.
            }

            LaneOfLocked(tenant).Waiters.Remove(waiter.Place);
            waiter.Place = null;
            _waiting--;
        }

        waiter.Turn.SetCanceled(cancellationToken);
    }

    /// <summary>Starts all that wait and may start, in the order of their tags.</summary>
    private List<Waiter>? StartDueLocked()
    {
        List<Waiter>? started = null;
        while (_waiting > 0 && NextLocked() is { } next)
        {
            Waiter waiter = next.Waiters.First!.Value;
            next.Waiters.RemoveFirst();
            waiter.Place = null;
            _waiting--;
            StartLocked(next, waiter.Start, waiter.Cost);
            (started ??= []).Add(waiter);
        }

        return started;
    }

    private void StartLocked(Lane lane, double start, int cost)
    {
        lane.Active++;
        lane.ActiveBytes += cost;
        _active++;
        _activeBytes += cost;
        _now = Math.Max(_now, start);
    }

    /// <summary>The tenant whose turn it is and that may start; null for none.</summary>
    private Lane? NextLocked()
    {
        Lane? next = null;
        foreach (Lane lane in _lanes)
        {
            if (lane.Waiters.First is { } first
                && (next is null || first.Value.Start < next.Waiters.First!.Value.Start)
                && MayStartLocked(lane))
            {
                next = lane;
            }
        }

        return next;
    }

    private bool MayStartLocked(Lane lane)
    {
        long now = time.GetTimestamp();
        long parts = lane.Tenant!.Part;
        bool isContended = false;
        bool isBelow = false;
        foreach (Lane other in _lanes)
        {
            if (other != lane && other.Tenant is { } there
                && (other.Active > 0 || other.Waiters.Count > 0 || time.GetElapsedTime(other.SeenAt, now) < Linger))
            {
                isContended = true;
                isBelow |= there.Class < lane.Tenant.Class;
                parts += there.Part;
            }
        }

        return _active < limit
            && (!isContended || _activeBytes < contendedBytes)
            && (!isBelow || lane.Active == 0 || lane.ActiveBytes < contendedBytes * lane.Tenant.Part / parts);
    }

    /// <summary>A tenant's place in the gate. Guarded by the gate's lock.</summary>
    private sealed class Lane
    {
        /// <summary>Whose it is; null until its first transfer.</summary>
        public Tenant? Tenant { get; set; }

        public LinkedList<Waiter> Waiters { get; } = [];

        public int Active { get; set; }

        public long ActiveBytes { get; set; }

        /// <summary>The tag at which what it asked for so far ends.</summary>
        public double End { get; set; }

        /// <summary>When it last asked or ended, a time stamp.</summary>
        public long SeenAt { get; set; }
    }

    private sealed class Waiter(double start, int cost)
    {
        public double Start => start;

        public int Cost => cost;

        public TaskCompletionSource Turn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public LinkedListNode<Waiter>? Place { get; set; }
    }
}
