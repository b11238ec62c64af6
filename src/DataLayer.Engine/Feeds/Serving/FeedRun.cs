using System.Threading.Channels;
using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Engine.Feeds.Prefetch;
using DataLayer.Engine.Files;

namespace DataLayer.Engine.Feeds.Serving;

/// <summary>A batch that is ready.</summary>
/// <param name="Slab">The slab it lies at the begin of; the taker's until <see cref="FeedRun.Release"/>.</param>
/// <param name="LengthBytes">Its length, bytes.</param>
/// <param name="Header">What it is.</param>
public readonly record struct FeedBatch(Slab Slab, int LengthBytes, BatchHeader Header);

/// <summary>
/// One feed: assembles the batches of a rank ahead of whoever takes them, as many as it has slabs, and gives them out
/// in order.
/// </summary>
/// <remarks>
/// <para>Lanes take steps in turn: in its turn a lane plans a step and waits for a free slab, after it it copies what
/// memory holds, beside the other lanes; what memory does not hold is read meanwhile, by bounded many reads over all
/// batches under way. So a batch in memory costs no wait, and a cold one is asked for as far ahead as there are slabs.
/// Batches that cost less than a change of threads or two have one lane.</para>
/// <para>One taker (<see cref="NextAsync"/>); <see cref="Release"/> from any thread. After the first failure no more
/// batches come. Disposal ends all reads and unmaps the slabs when the last one ended.</para>
/// </remarks>
public sealed class FeedRun : IAsyncDisposable
{
    /// <summary>The most lanes, a count.</summary>
    private const int MaxLanes = 8;

    /// <summary>What a batch has to have for several lanes, bytes, the work on each sample counted as bytes.</summary>
    private const long LaneBytes = 512 << 10;

    private const int WorkOfSample = 1 << 10;
    private const int WorkOfFile = 16 << 10;
    private readonly FeedService _service;
    private readonly FileEngine _engine;
    private readonly FeedSetup _setup;
    private readonly FeedFiles _files;
    private readonly SlabSet _slabs;
    private readonly SemaphoreSlim _reads;
    private readonly AssemblyParts _parts;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Channel<BatchAssembly> _ready = Channel.CreateUnbounded<BatchAssembly>(
        new UnboundedChannelOptions
        {
            SingleReader = true,
            SingleWriter = true,

            // Who waits for a batch sends it from the thread that made it: each hop less is several µs a batch.
            AllowSynchronousContinuations = true,
        });

    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, Slab> _leased = [];
    private readonly Stack<BatchAssembly> _spare = [];
    private BatchAssembly? _current;
    private Task _producing = Task.CompletedTask;

    // Of the lane whose turn it is.
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Queue<(Task Completion, long NextCursor)> _reading = new();
    private long _cursor;
    private long _lastPass = -1;
    private ulong _sequence;
    private bool _isOver;
    private FeedProgress _progress;
    private int _underWay;
    private int _disposed;

    internal FeedRun(FeedService service, FileEngine engine, FeedSetup setup, SlabBudget budget, string owner)
    {
        _service = service;
        _engine = engine;
        _setup = setup;
        Owner = owner;
        OpenedAt = engine.Context.Time.GetUtcNow();
        _files = new FeedFiles(engine, service);
        _slabs = new SlabSet(budget, setup.Request.SlabCount);
        _reads = new SemaphoreSlim(service.Options.MaxReads, service.Options.MaxReads);
        _parts = new AssemblyParts(engine, setup, _files, _reads, _stopping.Token);
        _progress = new FeedProgress { Cursor = setup.Request.Cursor };
    }

    /// <summary>What was asked for.</summary>
    public FeedRequest Request => _setup.Request;

    /// <summary>Who asked.</summary>
    public string Owner { get; }

    /// <summary>When.</summary>
    public DateTimeOffset OpenedAt { get; }

    /// <summary>The index that is read.</summary>
    public SampleIndex Index => _setup.Index;

    /// <summary>The order of the samples.</summary>
    public SampleOrder Order => _setup.Order;

    /// <summary>How the samples of a batch lie.</summary>
    public BatchLayoutKind Layout => _setup.Layout;

    /// <summary>What the data of a batch are.</summary>
    public FeedElement Element => _setup.Element;

    /// <summary>The shape of one sample; null where unknown.</summary>
    public IReadOnlyList<long>? Shape => _setup.Index.Record?.Shape;

    /// <summary>How far it is.</summary>
    public FeedProgress Progress
    {
        get
        {
            lock (_lock)
            {
                return _progress with
                {
                    LeasedCount = _leased.Count,
                    QueuedCount = Volatile.Read(ref _underWay),
                    SlabBytes = _slabs.UsedBytes,
                };
            }
        }
    }

    /// <summary>Begins to assemble.</summary>
    internal void Start() => _producing = Task.Run(ProduceAsync, CancellationToken.None);

    /// <summary>The next batch, in order; null after the last one, or after <see cref="Stop"/>.</summary>
    /// <exception cref="DataLayerException">Why there are no more: Stale, Overloaded, what a read fails
    /// with.</exception>
    public async ValueTask<FeedBatch?> NextAsync(CancellationToken cancellationToken)
    {
        try
        {
            _current ??= await _ready.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (!_current.Completion.IsCompletedSuccessfully)
            {
                await _current.Completion.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        catch (ChannelClosedException e)
        {
            return e.InnerException is null or OperationCanceledException
                ? null
                : throw Rethrown(e.InnerException);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null; // It was stopped.
        }

        BatchAssembly assembly = _current;
        FeedBatch batch = new(assembly.Slab, assembly.LengthBytes, assembly.Header);
        lock (_lock)
        {
            _leased.Add(assembly.Sequence, assembly.Slab);
            _spare.Push(assembly);
            _progress = _progress.After(batch.Header);
        }

        _current = null;
        Interlocked.Decrement(ref _underWay);
        _service.Note(batch.Header);
        return batch;
    }

    /// <summary>Gives the slab of a batch back.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: no such batch is out.</exception>
    public void Release(ulong sequence)
    {
        Slab? slab;
        lock (_lock)
        {
            if (!_leased.Remove(sequence, out slab))
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument,
                    $"Batch {sequence} is not leased: release each batch once, after it came.");
            }
        }

        _slabs.Free(slab);
    }

    /// <summary>Makes no more batches; those that were given out stay leased.</summary>
    public void Stop() => _stopping.Cancel();

    /// <summary>Ends all reads, and gives the memory of all slabs back when the last one ended.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        await _producing.ConfigureAwait(false);
        while (_current is not null || _ready.Reader.TryRead(out _current))
        {
            await _current.Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _current = null;
        }

        _slabs.Dispose();
        await _files.DisposeAsync().ConfigureAwait(false);
        _reads.Dispose();
        _turn.Dispose();
        _stopping.Dispose();
        _service.Remove(this);
    }

    private static Exception Rethrown(Exception fault)
    {
        System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(fault);
        return fault;
    }

    private async Task ProduceAsync()
    {
        Exception? failure = null;
        try
        {
            await ProduceStepsAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            failure = e;
        }

        _ready.Writer.Complete(failure);
    }

    private async Task ProduceStepsAsync()
    {
        _cursor = _setup.Request.Cursor;
        long length = _setup.Order.PassLength;
        long end = _setup.Request.Passes > 0 && _setup.Request.Passes < long.MaxValue / length
            ? _setup.Request.Passes * length
            : long.MaxValue;

        // As long as batches read, memory keeps what they come to: what is fetched ahead is not for nothing.
        FeedPrefetch ahead = FeedPrefetch.Open(_engine, _setup.Index, _setup.Order, _setup.Slice, _cursor, end);
        await using (ahead.ConfigureAwait(false))
        {
            bool areMany = CostOfBatch(ahead.SampleBytes) >= LaneBytes;
            Task[] lanes = new Task[
                areMany ? Math.Min(Math.Min(Environment.ProcessorCount, MaxLanes), _setup.Request.SlabCount) : 1];
            for (int i = 1; i < lanes.Length; i++)
            {
                lanes[i] = Task.Run(() => RunLaneAsync(ahead, areMany), CancellationToken.None);
            }

            lanes[0] = RunLaneAsync(ahead, areMany);
            await Task.WhenAll(lanes).ConfigureAwait(false);
            foreach ((Task completion, long next) in _reading)
            {
                await completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                ahead.MoveTo(next);
            }
        }
    }

    private long CostOfBatch(long sampleBytes)
    {
        bool isFewAFile = _setup.Index.Count / Math.Max(1, _setup.Index.FileCount) < 4;
        return _setup.Request.Batch * (sampleBytes + WorkOfSample + (isFewAFile ? WorkOfFile : 0));
    }

    private async Task RunLaneAsync(FeedPrefetch ahead, bool areMany)
    {
        while (true)
        {
            BatchAssembly? assembly = null;
            await _turn.WaitAsync(_stopping.Token).ConfigureAwait(false);
            try
            {
                assembly = _isOver ? null : await BeginStepAsync(ahead, areMany).ConfigureAwait(false);
            }
            finally
            {
                _isOver = assembly is null;
                _turn.Release();
            }

            if (assembly is null)
            {
                return;
            }

            await assembly.StartAsync().ConfigureAwait(false);
            if (!areMany)
            {
                Enqueue(assembly);
            }
        }
    }

    /// <summary>Plans the next step and finds a slab for it; null at the feed's end.</summary>
    private async ValueTask<BatchAssembly?> BeginStepAsync(FeedPrefetch ahead, bool areMany)
    {
        while (_reading.TryPeek(out (Task Completion, long NextCursor) oldest) && oldest.Completion.IsCompleted)
        {
            ahead.MoveTo(_reading.Dequeue().NextCursor);
        }

        FeedStep step = NextStep(ref _cursor, _sequence == 0 ? _setup.Request.Skip : _setup.Request.Every - 1);
        if (IsOver(step))
        {
            return null;
        }

        if (step.Pass != _lastPass)
        {
            await _files.BeginPassAsync().ConfigureAwait(false);
            _lastPass = step.Pass;
        }

        BatchAssembly assembly = TakeSpare();
        assembly.Plan(step, _cursor);
        int spare = _setup.Layout == BatchLayoutKind.Dense ? 0 : assembly.LengthBytes / 8;
        Slab slab = await _slabs.TakeAsync(assembly.LengthBytes, spare, _stopping.Token).ConfigureAwait(false);
        await ahead.WhenLookedAsync(step.NextCursor, _stopping.Token).ConfigureAwait(false);
        assembly.Take(slab, _sequence++);
        _cursor = step.NextCursor;
        _reading.Enqueue((assembly.Completion, step.NextCursor));
        if (areMany)
        {
            Enqueue(assembly);
        }

        return assembly;
    }

    /// <summary>
    /// Puts a batch behind those before it. Of one lane after what memory holds is in it, so that who waits for it
    /// finds it whole; of several in their turns.
    /// </summary>
    private void Enqueue(BatchAssembly assembly)
    {
        Interlocked.Increment(ref _underWay);
        _ready.Writer.TryWrite(assembly);
    }

    /// <summary>The step at a cursor, or behind so many that are others'.</summary>
    private FeedStep NextStep(ref long cursor, int skip)
    {
        FeedStep step = _setup.Slice.StepAt(cursor);
        for (; skip > 0 && !IsOver(step); skip--)
        {
            cursor = step.NextCursor;
            step = _setup.Slice.StepAt(cursor);
        }

        return step;
    }

    private bool IsOver(in FeedStep step) => _setup.Request.Passes > 0 && step.Pass >= _setup.Request.Passes;

    private BatchAssembly TakeSpare()
    {
        lock (_lock)
        {
            return _spare.TryPop(out BatchAssembly? spare) ? spare : new BatchAssembly(_parts);
        }
    }
}

/// <summary>How far a feed is.</summary>
public readonly record struct FeedProgress
{
    /// <summary>The cursor after the last batch that was given out.</summary>
    public long Cursor { get; init; }

    /// <summary>Batches given out, a count.</summary>
    public long Batches { get; init; }

    /// <summary>Samples given out, a count.</summary>
    public long Samples { get; init; }

    /// <summary>Batches that are assembled or under way, a count.</summary>
    public int QueuedCount { get; init; }

    /// <summary>Batches that the client holds, a count.</summary>
    public int LeasedCount { get; init; }

    /// <summary>Memory of its slabs, bytes.</summary>
    public long SlabBytes { get; init; }

    /// <summary>How long batches waited for their bytes, ns.</summary>
    public long WaitNanoseconds { get; init; }

    /// <summary>Bytes from memory.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Bytes from the hot tier.</summary>
    public long HotBytes { get; init; }

    /// <summary>Bytes from the origin.</summary>
    public long OriginBytes { get; init; }

    internal FeedProgress After(in BatchHeader batch) => this with
    {
        Cursor = batch.NextCursor,
        Batches = Batches + 1,
        Samples = Samples + batch.SampleCount,
        WaitNanoseconds = WaitNanoseconds + batch.WaitNanoseconds,
        MemoryBytes = MemoryBytes + batch.MemoryBytes,
        HotBytes = HotBytes + batch.HotBytes,
        OriginBytes = OriginBytes + batch.OriginBytes,
    };
}
