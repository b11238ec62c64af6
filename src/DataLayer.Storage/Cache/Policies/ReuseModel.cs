using System.Numerics;

namespace DataLayer.Storage.Cache.Policies;

/// <summary>
/// Learns from a stream of accesses when blocks are used again, and says what keeping a block is worth: the most hits
/// per tick that memory can earn by holding it for the best length of time.
/// </summary>
/// <remarks>
/// <para>A block's class is how often it was reused (never, once, 2–3, 4 or more times) and the octave of its mean
/// interval. Within a class, age (ticks since the last use) is cut into half octaves. A cell (class, age) counts how
/// many reuses fell into it, and how many blocks, cached or remembered, spent how long in it: their quotient is the
/// hazard, the chance of a reuse per tick. Blocks that are still waiting count as waiting, so nothing has to be
/// forgotten before it is known to be dead.</para>
/// <para>The worth of a block at age a is the largest, over all horizons h, of P(reused before a + h) ÷ E(ticks held
/// until then), known as the Gittins index. Over passes it grows with age (a block that was just used comes back last),
/// so newcomers are refused; after two pass lengths it is zero; under Zipf-like traffic it is the rate of use; a scan's
/// blocks are worth nothing.</para>
/// <para>The counts fade, to a half in <see cref="HalfLife"/> mean intervals, so the model follows changes.
/// <see cref="OnReuse"/> may be called from many threads and may then lose a count; all else by one thread at a
/// time.</para>
/// </remarks>
internal sealed class ReuseModel
{
    private const int Octaves = 26;
    private const int CountClasses = 3;
    private const int Classes = 1 + Octaves;
    private const int Ages = 2 * Octaves;
    private const float HalfLife = 1;

    // A cell's hazard starts from what its class suggests, with the weight of this many reuses: one in the mean
    // interval,
    // or, for blocks never reused, a chance of UnseenChance while the age doubles.
    private const float PriorReuses = 0.25f;
    private const float UnseenChance = 0.5f;

    private readonly int[] _reuses = new int[Classes * Ages];
    private readonly float[] _fadedReuses = new float[Classes * Ages];
    private readonly float[] _fadedWaiting = new float[Classes * Ages];
    private readonly float[] _worth = new float[Classes * Ages];
    private readonly float[] _waiting = new float[Classes * Ages];
    private readonly Regression[] _next = new Regression[CountClasses];
    private float _intervalSum;
    private float _intervalCount;
    private uint _refreshedAt;
    private long _passLength;
    private int _jobs = 1;

    /// <summary>Accesses so far: the clock that ages are measured with.</summary>
    public uint Now;

    /// <summary>This model's part of all accesses lately: turns its ticks into everybody's.</summary>
    public float Share { get; set; } = 1;

    /// <summary>The mean interval between uses lately, ticks; under passes the length of a pass.</summary>
    public float MeanInterval =>
        _passLength > 0 ? _passLength : _intervalCount == 0 ? Math.Max(1, Now) : _intervalSum / _intervalCount;

    /// <summary>Whether somebody told how long a pass is.</summary>
    public bool IsTold => _passLength > 0 || _jobs == 0;

    /// <summary>Whether somebody told that no job runs.</summary>
    public bool IsWithoutJobs => _jobs == 0;

    /// <summary>
    /// Says how long a pass is, ticks (0: to be learned), and how many jobs run (0: the blocks are worth nothing now).
    /// </summary>
    public void Tell(long passLength, int jobs) => (_passLength, _jobs) = (passLength, jobs);

    /// <summary>A block of that history was used again after <paramref name="interval"/> ticks.</summary>
    public void OnReuse(int count, float meanLog, uint interval)
    {
        _reuses[Cell(count, meanLog, interval)]++;
        _intervalSum += interval;
        _intervalCount++;
        if (count > 0)
        {
            _next[CountClass(count)].Add(meanLog, MathF.Log2(Math.Max(1, interval)));
        }
    }

    /// <summary>What keeping a block of that history and age is worth, in hits per tick.</summary>
    public float Worth(int count, float meanLog, uint age)
    {
        if (!IsTold)
        {
            return _worth[Cell(count, meanLog, age)] * Share;
        }

        long limit = 2 * _passLength * _jobs;
        return age > limit || _jobs == 0 ? 0 : (1 + ((float)age / limit)) / _passLength * Share;
    }

    /// <summary>
    /// Counts a block that waits for its next use; between <see cref="BeginRefresh"/> and <see cref="EndRefresh"/>.
    /// </summary>
    public void AddWaiting(int count, float meanLog, uint age, float weight) =>
        _waiting[Cell(count, meanLog, age)] += weight;

    /// <summary>Starts a count of what waits.</summary>
    public void BeginRefresh() => Array.Clear(_waiting);

    /// <summary>Ends the count and works the new worths out.</summary>
    public void EndRefresh()
    {
        float ticks = Now - _refreshedAt;
        _refreshedAt = Now;
        if (ticks == 0)
        {
            return;
        }

        float fading = float.Exp2(-ticks / (HalfLife * MeanInterval));
        _intervalSum *= fading;
        _intervalCount *= fading;
        for (int cell = 0; cell < _reuses.Length; cell++)
        {
            _fadedReuses[cell] = (_fadedReuses[cell] * fading) + _reuses[cell];
            _fadedWaiting[cell] = (_fadedWaiting[cell] * fading) + (_waiting[cell] * ticks);
            _reuses[cell] = 0;
        }

        foreach (ref Regression regression in _next.AsSpan())
        {
            regression.Fit(MathF.Log2(Now), fading);
        }

        for (int c = 0; c < Classes; c++)
        {
            Evaluate(c);
        }
    }

    private void Evaluate(int c)
    {
        Span<float> chance = stackalloc float[Ages];
        Span<float> width = stackalloc float[Ages];
        float hazard = 0;
        for (int age = 0; age < Ages; age++)
        {
            width[age] = float.Exp2((age + 1) * 0.5f) - float.Exp2(age * 0.5f);
            int cell = (c * Ages) + age;
            float old = float.Exp2(age * 0.5f);
            float expected = c == 0 ? Math.Max(Now, old) : float.Exp2(c - 0.5f);
            float overdue = c == 0 ? 1 : Math.Max(1, old / (2 * expected));
            float usual = UnseenChance / (expected * overdue * overdue);
            float guess = Math.Max(usual, hazard);
            hazard = (_fadedReuses[cell] + PriorReuses) / (_fadedWaiting[cell] + (PriorReuses / guess));
            chance[age] = 1 - MathF.Exp(-hazard * width[age]);
        }

        for (int age = 0; age < Ages; age++)
        {
            float alive = 1, reused = 0, held = 0, best = 0;
            for (int later = age; later < Ages && alive > 1e-4f; later++)
            {
                reused += alive * chance[later];
                held += alive * width[later] * (1 - (chance[later] / 2));
                alive *= 1 - chance[later];
                best = Math.Max(best, reused / held);
            }

            _worth[(c * Ages) + age] = best;
        }
    }

    private static int CountClass(int count) => count switch { 1 => 0, < 4 => 1, _ => 2 };

    private int Cell(int count, float meanLog, uint age)
    {
        if (count == 0)
        {
            return AgeOf(age);
        }

        int k = CountClass(count);
        int octave = Math.Clamp((int)_next[k].Predict(meanLog), 0, Octaves - 1);
        return ((1 + octave) * Ages) + AgeOf(age);
    }

    /// <summary>Half octaves: floor(2 · log2(age)).</summary>
    private static int AgeOf(uint age)
    {
        if (age < 2)
        {
            return 0;
        }

        int octave = BitOperations.Log2(age);
        bool upper = (ulong)age * age >= 1UL << ((2 * octave) + 1);
        return Math.Min((2 * octave) + (upper ? 1 : 0), Ages - 1);
    }

    /// <summary>
    /// Predicts the next interval's log from the mean of those before, by least squares. Where all blocks come back
    /// equally often the slope is nil and the past of a block says nothing; under Zipf-like traffic it is near one.
    /// </summary>
    private struct Regression
    {
        private const float Shrink = 64;
        private float _n, _x, _y, _xx, _xy;
        private float _slope, _meanX, _meanY;

        public void Add(float x, float y)
        {
            _n++;
            _x += x;
            _y += y;
            _xx += x * x;
            _xy += x * y;
        }

        public void Fit(float guess, float fading)
        {
            _meanX = _n > 0 ? _x / _n : guess;
            float variance = _n > 0 ? (_xx / _n) - (_meanX * _meanX) : 0;
            float covariance = _n > 0 ? (_xy / _n) - (_meanX * _y / _n) : 0;
            _slope = variance <= 0 ? 0 : Math.Clamp(covariance / variance, 0, 1) * _n / (_n + Shrink);
            _meanY = (_y + (Shrink * guess)) / (_n + Shrink);
            _n *= fading;
            _x *= fading;
            _y *= fading;
            _xx *= fading;
            _xy *= fading;
        }

        public readonly float Predict(float x) => _meanX == 0 ? x : _meanY + (_slope * (x - _meanX));
    }
}
