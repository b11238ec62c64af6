using System.Numerics;

namespace DataLayer.Server.Cli;

/// <summary>Counts times by size, each within 1.6 % of what it was. Safe for concurrent use.</summary>
internal sealed class LatencyHistogram
{
    private const int SubBits = 6;
    private readonly long[] _counts = new long[(64 - SubBits) << SubBits];
    private long _longest;
    private long _count;

    /// <summary>How many were counted.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>The longest, seconds.</summary>
    public double LongestSeconds => Volatile.Read(ref _longest) / 1e9;

    /// <summary>Counts one.</summary>
    public void Add(TimeSpan time)
    {
        long nanoseconds = Math.Max(0, (long)time.TotalNanoseconds);
        Interlocked.Increment(ref _counts[IndexOf(nanoseconds)]);
        Interlocked.Increment(ref _count);
        long seen = Volatile.Read(ref _longest);
        while (nanoseconds > seen)
        {
            seen = Interlocked.CompareExchange(ref _longest, nanoseconds, seen) is var before && before == seen
                ? nanoseconds
                : before;
        }
    }

    /// <summary>Counts what another one has counted; nobody adds to either meanwhile.</summary>
    public void Add(LatencyHistogram other)
    {
        for (int i = 0; i < _counts.Length; i++)
        {
            _counts[i] += other._counts[i];
        }

        _count += other._count;
        _longest = Math.Max(_longest, other._longest);
    }

    /// <summary>What a share of all stayed below, seconds; 0 where nothing was counted.</summary>
    public double QuantileSeconds(double share)
    {
        long wanted = (long)Math.Ceiling(share * Count);
        long sum = 0;
        for (int i = 0; i < _counts.Length && wanted > 0; i++)
        {
            sum += Volatile.Read(ref _counts[i]);
            if (sum >= wanted)
            {
                return Math.Min(UpperOf(i), Volatile.Read(ref _longest)) / 1e9;
            }
        }

        return 0;
    }

    /// <summary>Below 2^SubBits each has its own; then each power of two has 2^SubBits.</summary>
    private static int IndexOf(long nanoseconds)
    {
        int power = BitOperations.Log2((ulong)nanoseconds | 1);
        return power < SubBits
            ? (int)nanoseconds
            : ((power - SubBits + 1) << SubBits) + (int)((nanoseconds >> (power - SubBits)) & ((1 << SubBits) - 1));
    }

    private static long UpperOf(int index)
    {
        int power = (index >> SubBits) - 1;
        return power < 0
            ? index
            : ((((long)index & ((1 << SubBits) - 1)) + (1 << SubBits) + 1) << power) - 1;
    }
}
