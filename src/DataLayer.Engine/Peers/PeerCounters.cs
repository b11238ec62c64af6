namespace DataLayer.Engine.Peers;

/// <summary>What came of asking other nodes, and of being asked, since the start.</summary>
internal sealed class PeerCounters
{
    private long _hits;
    private long _hitBytes;
    private long _misses;
    private long _busy;
    private long _failures;
    private long _late;
    private long _hedges;
    private long _opened;
    private long _served;
    private long _servedBytes;
    private long _servedMisses;
    private long _servedBusy;
    private long _servedFailures;

    public long Hits => Volatile.Read(ref _hits);

    public long HitBytes => Volatile.Read(ref _hitBytes);

    public long Misses => Volatile.Read(ref _misses);

    public long Busy => Volatile.Read(ref _busy);

    public long Failures => Volatile.Read(ref _failures);

    public long Late => Volatile.Read(ref _late);

    public long Hedges => Volatile.Read(ref _hedges);

    public long Opened => Volatile.Read(ref _opened);

    public long Served => Volatile.Read(ref _served);

    public long ServedBytes => Volatile.Read(ref _servedBytes);

    public long ServedMisses => Volatile.Read(ref _servedMisses);

    public long ServedBusy => Volatile.Read(ref _servedBusy);

    public long ServedFailures => Volatile.Read(ref _servedFailures);

    public void NoteHit(int bytes)
    {
        Interlocked.Increment(ref _hits);
        Interlocked.Add(ref _hitBytes, bytes);
    }

    public void NoteMiss() => Interlocked.Increment(ref _misses);

    public void NoteBusy() => Interlocked.Increment(ref _busy);

    public void NoteFailure() => Interlocked.Increment(ref _failures);

    public void NoteLate() => Interlocked.Increment(ref _late);

    public void NoteHedge() => Interlocked.Increment(ref _hedges);

    public void NoteOpened() => Interlocked.Increment(ref _opened);

    public void NoteServed(int bytes)
    {
        Interlocked.Increment(ref _served);
        Interlocked.Add(ref _servedBytes, bytes);
    }

    public void NoteServedMiss() => Interlocked.Increment(ref _servedMisses);

    public void NoteServedBusy() => Interlocked.Increment(ref _servedBusy);

    public void NoteServedFailure() => Interlocked.Increment(ref _servedFailures);
}
