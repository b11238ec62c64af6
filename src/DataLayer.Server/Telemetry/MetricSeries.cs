namespace DataLayer.Server.Telemetry;

/// <summary>One series: a number, or a histogram's buckets. Safe for concurrent use.</summary>
internal sealed class MetricSeries(int boundCount)
{
    private readonly Lock _lock = new();
    private readonly long[] _buckets = new long[boundCount + 1];
    private double _value;
    private int _round;
    private volatile bool _used;

    /// <summary>The number.</summary>
    public double Value => Volatile.Read(ref _value);

    /// <summary>The last round an observable instrument reported in.</summary>
    public int Round => Volatile.Read(ref _round);

    /// <summary>Whether anything was measured.</summary>
    public bool Used => _used;

    /// <summary>Adds to the number.</summary>
    public void Add(double value)
    {
        _used = true;
        double seen = Volatile.Read(ref _value);
        while (true)
        {
            double before = Interlocked.CompareExchange(ref _value, seen + value, seen);
            if (before.Equals(seen))
            {
                return;
            }

            seen = before;
        }
    }

    /// <summary>Replaces the number.</summary>
    public void Set(double value)
    {
        _used = true;
        Volatile.Write(ref _value, value);
    }

    /// <summary>
    /// Adds what one of several instances observed in a round; the first report of a round starts from 0.
    /// </summary>
    public void AddInRound(double value, int round)
    {
        lock (_lock)
        {
            _used = true;
            _value = _round == round ? _value + value : value;
            _round = round;
        }
    }

    /// <summary>Counts a value in its bucket.</summary>
    public void Observe(double value, double[] bounds)
    {
        int bucket = 0;
        while (bucket < bounds.Length && value > bounds[bucket])
        {
            bucket++;
        }

        lock (_lock)
        {
            _used = true;
            _buckets[bucket]++;
            _value += value;
        }
    }

    /// <summary>The buckets' counts (not cumulative) and the sum of the values.</summary>
    public long[] Snapshot(out double sum)
    {
        lock (_lock)
        {
            sum = _value;
            return [.. _buckets];
        }
    }
}
