using System.Collections.Concurrent;

namespace DataLayer.Engine.Files.State;

/// <summary>
/// What readers waited for, by dataset (attachment; 0 for files of none). Only reads that memory did not answer are
/// counted here, so a hit costs nothing.
/// </summary>
internal sealed class DatasetTallies
{
    private readonly ConcurrentDictionary<int, Tally> _tallies = new();

    /// <summary>Counts one read.</summary>
    public void Add(int dataset, in DatasetWait read)
    {
        Tally tally = _tallies.GetOrAdd(dataset, static _ => new Tally());
        Interlocked.Increment(ref tally.Reads);
        Interlocked.Add(ref tally.HotBytes, read.HotBytes);
        Interlocked.Add(ref tally.ColdBytes, read.ColdBytes);
        Interlocked.Add(ref tally.WaitNanoseconds, read.WaitNanoseconds);
        Interlocked.Add(ref tally.QueueNanoseconds, read.QueueNanoseconds);
    }

    /// <summary>The counts so far by attachment.</summary>
    public IReadOnlyDictionary<long, DatasetWait> Snapshot()
    {
        Dictionary<long, DatasetWait> all = [];
        foreach ((int dataset, Tally tally) in _tallies)
        {
            all.Add(dataset, new DatasetWait(
                Volatile.Read(ref tally.Reads), Volatile.Read(ref tally.HotBytes), Volatile.Read(ref tally.ColdBytes),
                Volatile.Read(ref tally.WaitNanoseconds), Volatile.Read(ref tally.QueueNanoseconds)));
        }

        return all;
    }

    private sealed class Tally
    {
        public long Reads;
        public long HotBytes;
        public long ColdBytes;
        public long WaitNanoseconds;
        public long QueueNanoseconds;
    }
}

/// <summary>What readers of one dataset waited for.</summary>
/// <param name="Reads">Reads that memory did not answer, a count.</param>
/// <param name="HotBytes">Bytes that the hot tier brought.</param>
/// <param name="ColdBytes">Bytes that the object store brought.</param>
/// <param name="WaitNanoseconds">How long they waited, all readers together.</param>
/// <param name="QueueNanoseconds">How much of it for their turn among the requests to the store.</param>
public readonly record struct DatasetWait(
    long Reads, long HotBytes, long ColdBytes, long WaitNanoseconds, long QueueNanoseconds);
