using System.Numerics;
using DataLayer.Storage.Objects.Decorators;

namespace DataLayer.Engine.Peers;

/// <summary>What this node knows of another: whether it can be asked, how fast it answers, what is under way.</summary>
/// <remarks>
/// <para>A circuit: closed → after <see cref="FailureLimit"/> failures in a row open, for a pause that doubles with
/// each time up to <see cref="PauseLimit"/> times → half open: one request tries → closed, or open again. While it is
/// open the node owns nothing; what waits for its answer is told (<see cref="TryBegin"/>) and goes on elsewhere.</para>
/// <para>Hedges are bounded as those of object stores are (<see cref="HedgeBudget"/>), earned by answers.</para>
/// </remarks>
internal sealed class Peer : IDisposable
{
    /// <summary>Failures in a row that open the circuit, a count.</summary>
    internal const int FailureLimit = 3;

    /// <summary>The longest pause, in first ones.</summary>
    internal const int PauseLimit = 16;

    /// <summary>Hedges that may go out in a row, a count.</summary>
    internal const int BurstLimit = HedgeBudget.BurstLimit;

    private readonly HedgeBudget _hedges = new();
    private readonly PeerOptions _options;
    private readonly TimeProvider _time;
    private readonly LatencyQuantile _accepting = new(0.95);
    private readonly LatencyQuantile[] _answering = NewQuantiles();
    private readonly Lock _lock = new();
    private CancellationTokenSource _opened = new();
    private int _failures;
    private int _pauses;
    private long _openedAt;
    private TimeSpan _pause;
    private volatile bool _isOpen;
    private bool _isTried;

    public Peer(PeerNode node, PeerOptions options, TimeProvider time)
    {
        Node = node;
        _options = options;
        _time = time;
        Gate = new PeerGate(options.MaxRequests, options.MaxBytes, time);
    }

    public PeerNode Node { get; }

    /// <summary>Bounds what is asked of it.</summary>
    public PeerGate Gate { get; }

    /// <summary>Whether the circuit is open.</summary>
    public bool IsOpen => _isOpen;

    /// <summary>Whether it can be asked: the circuit is closed, or somebody may try.</summary>
    public bool CanBeAsked
    {
        get
        {
            if (!_isOpen)
            {
                return true;
            }

            lock (_lock)
            {
                return !_isOpen || (!_isTried && _time.GetElapsedTime(_openedAt) >= _pause);
            }
        }
    }

    /// <summary>How long it may take until it says that it is at it.</summary>
    public TimeSpan AcceptDelay => Bounded(_accepting.Value);

    /// <summary>Begins a request: true, and where the circuit is open only for the one that tries.</summary>
    /// <param name="opened">Cancelled when the circuit opens.</param>
    public bool TryBegin(out CancellationToken opened)
    {
        lock (_lock)
        {
            opened = _opened.Token;
            if (!_isOpen)
            {
                return true;
            }

            if (_isTried || _time.GetElapsedTime(_openedAt) < _pause)
            {
                return false;
            }

            _isTried = true;
            return true;
        }
    }

    /// <summary>How long it may take from there to the last byte.</summary>
    public TimeSpan AnswerDelay(int lengthBytes) => Bounded(AnsweringOf(lengthBytes).Value);

    /// <summary>It said that it is at it.</summary>
    public void NoteAccepted(TimeSpan elapsed) => _accepting.Add(elapsed);

    /// <summary>All of it came.</summary>
    public void NoteAnswered(int lengthBytes, TimeSpan elapsed)
    {
        AnsweringOf(lengthBytes).Add(elapsed);
        NoteAlive();
    }

    /// <summary>It answered, also where it had nothing.</summary>
    public void NoteAlive()
    {
        _hedges.Earn();
        if (Volatile.Read(ref _failures) == 0 && !_isOpen)
        {
            return;
        }

        lock (_lock)
        {
            _failures = 0;
            _pauses = 0;
            _isOpen = false;
            _isTried = false;
        }
    }

    /// <summary>The one that tried ended without telling: the next may try.</summary>
    public void NoteNothing()
    {
        lock (_lock)
        {
            _isTried = false;
        }
    }

    /// <summary>It failed, or the object store was faster; true where that opened the circuit.</summary>
    public bool NoteFailure()
    {
        CancellationTokenSource opened;
        lock (_lock)
        {
            _failures++;
            if (_isOpen ? !_isTried : _failures < FailureLimit)
            {
                return false; // Of those that were under way when it opened.
            }

            _isTried = false;
            _isOpen = true;
            _openedAt = _time.GetTimestamp();
            _pause = _options.FirstPause * Math.Min(1 << Math.Min(_pauses, 16), PauseLimit);
            _pauses++;
            opened = _opened;
            _opened = new CancellationTokenSource();
        }

        // Not disposed: requests that began before may still link to it; it holds no timer.
        opened.Cancel();
        return true;
    }

    /// <summary>Takes what a hedge costs; false where too many went out of late.</summary>
    public bool TrySpendToken() => _hedges.TrySpend();

    public void Dispose() => _opened.Dispose();

    private TimeSpan Bounded(TimeSpan? usual)
    {
        if (usual is not { } high)
        {
            return _options.MaxHedgeDelay;
        }

        TimeSpan wanted = 2 * high;
        return wanted < _options.MinHedgeDelay ? _options.MinHedgeDelay
            : wanted > _options.MaxHedgeDelay ? _options.MaxHedgeDelay
            : wanted;
    }

    private LatencyQuantile AnsweringOf(int lengthBytes) => _answering[BitOperations.Log2((uint)lengthBytes | 1)];

    private static LatencyQuantile[] NewQuantiles()
    {
        LatencyQuantile[] all = new LatencyQuantile[32];
        for (int i = 0; i < all.Length; i++)
        {
            all[i] = new LatencyQuantile(0.95);
        }

        return all;
    }
}
