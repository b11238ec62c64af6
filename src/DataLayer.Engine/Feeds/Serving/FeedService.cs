using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Engine.Files;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>All feeds of a service: how many there may be, and the memory their slabs share.</summary>
/// <remarks>Any thread. Who opened a feed disposes it; the engine outlives all of them.</remarks>
public sealed class FeedService
{
    private readonly FileEngine _engine;
    private readonly SlabBudget _budget;
    private readonly Lock _lock = new();
    private readonly List<FeedRun> _runs = [];
    private FeedTotals _totals;
    private int _keptFiles;

    /// <summary>Makes it, without feeds.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: options out of range, all named.</exception>
    public FeedService(FileEngine engine, FeedOptions options)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _engine = engine;
        Options = options;
        _budget = new SlabBudget(options.SlabBytes);
    }

    /// <summary>The bounds.</summary>
    public FeedOptions Options { get; }

    /// <summary>What slabs take now, bytes.</summary>
    public long SlabBytes => _budget.UsedBytes;

    /// <summary>What all feeds gave out since the start.</summary>
    public FeedTotals Totals
    {
        get
        {
            lock (_lock)
            {
                return _totals;
            }
        }
    }

    /// <summary>The feeds that are open, the oldest first.</summary>
    public IReadOnlyList<FeedRun> List()
    {
        lock (_lock)
        {
            return [.. _runs];
        }
    }

    /// <summary>Opens a feed, the caller's to dispose. It assembles from now on.</summary>
    /// <param name="request">What is wanted.</param>
    /// <param name="owner">Who wants it, for lists.</param>
    /// <exception cref="DataLayerException">
    /// InvalidArgument, with the value and what to change; NotFound: no such dataset; WrongState: it has no index;
    /// Stale: another index; Overloaded: there are too many feeds.
    /// </exception>
    public FeedRun Open(FeedRequest request, string owner)
    {
        ArgumentNullException.ThrowIfNull(request);
        FeedSetup setup = FeedSetup.Check(_engine.Datasets, request);
        FeedRun run = new(this, _engine, setup, _budget, owner);
        lock (_lock)
        {
            if (_runs.Count >= Options.MaxFeeds)
            {
                throw new DataLayerException(
                    ErrorCode.Overloaded,
                    $"{_runs.Count} feeds are open, which is all that there may be: close one, or raise "
                    + "feeds.open.");
            }

            _runs.Add(run);
        }

        run.Start();
        return run;
    }

    /// <summary>Whether one more file may stay open that no batch reads.</summary>
    internal bool TryKeepFile()
    {
        if (Interlocked.Increment(ref _keptFiles) <= Options.MaxKeptFiles)
        {
            return true;
        }

        LetFileGo();
        return false;
    }

    /// <summary>One of those is closed.</summary>
    internal void LetFileGo() => Interlocked.Decrement(ref _keptFiles);

    internal void Remove(FeedRun run)
    {
        lock (_lock)
        {
            _runs.Remove(run);
        }
    }

    internal void Note(in BatchHeader batch)
    {
        lock (_lock)
        {
            _totals = _totals with
            {
                Batches = _totals.Batches + 1,
                Samples = _totals.Samples + batch.SampleCount,
                AssemblyNanoseconds = _totals.AssemblyNanoseconds + batch.AssemblyNanoseconds,
                WaitNanoseconds = _totals.WaitNanoseconds + batch.WaitNanoseconds,
                MemoryBytes = _totals.MemoryBytes + batch.MemoryBytes,
                HotBytes = _totals.HotBytes + batch.HotBytes,
                OriginBytes = _totals.OriginBytes + batch.OriginBytes,
            };
        }
    }
}

/// <summary>What all feeds gave out since the start.</summary>
public readonly record struct FeedTotals
{
    /// <summary>Batches, a count.</summary>
    public long Batches { get; init; }

    /// <summary>Samples, a count, padding included.</summary>
    public long Samples { get; init; }

    /// <summary>From the begin of each batch's assembly to its end, ns.</summary>
    public long AssemblyNanoseconds { get; init; }

    /// <summary>How long batches waited for bytes that memory did not hold, ns.</summary>
    public long WaitNanoseconds { get; init; }

    /// <summary>Bytes from memory.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Bytes from the hot tier.</summary>
    public long HotBytes { get; init; }

    /// <summary>Bytes from the origin.</summary>
    public long OriginBytes { get; init; }
}
