namespace DataLayer.Engine.Files.State;

/// <summary>What <see cref="EngineCounters"/> counts.</summary>
internal enum Counter
{
    ReadBytes,
    Reads,
    UpkeepReads,
    MemoryHits,
    MemoryHitBytes,
    HotReads,
    HotReadBytes,
    ColdReads,
    ColdReadBytes,
    OriginBytes,
    OriginReads,
    WrittenBytes,
    UploadedBytes,
    UploadConflicts,
    ReadaheadBytes,
    RecalledBytes,
    RecallsDroppedBytes,
    HotRepairs,
    ReadWaitNanoseconds,
    HotWaitNanoseconds,
    ColdWaitNanoseconds,
    HotCauseNanoseconds,
    OriginCauseNanoseconds,
    QueueCauseNanoseconds,
    ThrottledCauseNanoseconds,
    FailedCauseNanoseconds,
    RevalidateCauseNanoseconds,
    MetadataCauseNanoseconds,
    SequentialColdWaitNanoseconds,
    SlowReadsBegun,
    SlowReadsEnded,
    FailedReads,
    HotReadNanoseconds,
    ColdReadNanoseconds,
    FirstByteNanoseconds,
    BackgroundReads,
    BackgroundBytes,
    SmallFileFetches,
    ForegroundFetches,
    Revalidations,
    RevalidationsChanged,
    MetadataReads,
    RecallsFailed,
    RecallsWithoutSpace,
    RoomWaits,
    RoomReleasedBytes,
    PrefetchedBytes,
    PrefetchUsefulBytes,
    PrefetchWastedBytes,
    Count,
}

/// <summary>
/// Counters of the read and write path: one padded row a processor, so that concurrent readers do not share a cache
/// line. A sum reads all rows and may miss additions made meanwhile.
/// </summary>
internal sealed class EngineCounters
{
    private const int RowLongs = 64;
    private readonly long[] _cells;
    private readonly int _mask;

    public EngineCounters()
    {
        uint processors = (uint)Math.Clamp(Environment.ProcessorCount, 1, 64);
        int rows = (int)System.Numerics.BitOperations.RoundUpToPowerOf2(processors);
        _cells = new long[(rows + 1) * RowLongs];
        _mask = rows - 1;
    }

    public void Add(Counter counter, long value) =>
        Interlocked.Add(ref _cells[((Thread.GetCurrentProcessorId() & _mask) * RowLongs) + (int)counter], value);

    /// <summary>Counts one read that memory answered as a whole, from a number of blocks.</summary>
    public void AddHit(int blocks, long bytes)
    {
        Span<long> row = _cells.AsSpan((Thread.GetCurrentProcessorId() & _mask) * RowLongs, RowLongs);
        Interlocked.Add(ref row[(int)Counter.Reads], 1);
        Interlocked.Add(ref row[(int)Counter.ReadBytes], bytes);
        Interlocked.Add(ref row[(int)Counter.MemoryHits], blocks);
        Interlocked.Add(ref row[(int)Counter.MemoryHitBytes], bytes);
    }

    public long Sum(Counter counter)
    {
        long sum = 0;
        for (int row = 0; row <= _mask; row++)
        {
            sum += Volatile.Read(ref _cells[(row * RowLongs) + (int)counter]);
        }

        return sum;
    }
}
