using System.Collections.Concurrent;

namespace DataLayer.Storage.Objects;

/// <summary>
/// Counts the requests of one dataset by use and verb until they are taken. Thread-safe without a lock; one taker.
/// </summary>
/// <remarks>
/// Taking puts an empty table in the place of the one that is counted in, so that uses that are over (jobs) cost no
/// memory. Who looked up the old one a moment before counts there still: it is taken once more the next time.
/// </remarks>
internal sealed class UseCounts(string dataset)
{
    private static readonly int _verbCount = Enum.GetValues<RequestVerb>().Length;
    private ConcurrentDictionary<OriginUse, Cell[]> _counted = new();
    private ConcurrentDictionary<OriginUse, Cell[]> _taken = new();

    /// <summary>Counts one request of the use that holds here.</summary>
    public void Add(RequestVerb verb, bool failed, long bytes)
    {
        Cell[] cells = Volatile.Read(ref _counted)
            .GetOrAdd(OriginUse.Current ?? OriginUse.Unknown, static _ => NewCells());
        ref Cell cell = ref cells[(int)verb];
        Interlocked.Increment(ref cell.Requests);
        if (failed)
        {
            Interlocked.Increment(ref cell.Failures);
        }

        if (bytes > 0)
        {
            Interlocked.Add(ref cell.Bytes, bytes);
        }
    }

    /// <summary>Adds what was counted since the last time to a list.</summary>
    public void Take(ICollection<OriginCount> destination)
    {
        Take(_taken, destination);
        _taken = Interlocked.Exchange(ref _counted, new ConcurrentDictionary<OriginUse, Cell[]>());
        Take(_taken, destination);
    }

    private void Take(ConcurrentDictionary<OriginUse, Cell[]> table, ICollection<OriginCount> destination)
    {
        foreach ((OriginUse use, Cell[] cells) in table)
        {
            for (int verb = 0; verb < cells.Length; verb++)
            {
                ref Cell cell = ref cells[verb];
                OriginCount count = new(
                    dataset, use, (RequestVerb)verb, Interlocked.Exchange(ref cell.Requests, 0),
                    Interlocked.Exchange(ref cell.Failures, 0), Interlocked.Exchange(ref cell.Bytes, 0));
                if (count.Requests > 0 || count.Failures > 0 || count.Bytes > 0)
                {
                    destination.Add(count);
                }
            }
        }
    }

    private static Cell[] NewCells() => new Cell[_verbCount];

    private struct Cell
    {
        public long Requests;
        public long Failures;
        public long Bytes;
    }
}
