using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;

namespace DataLayer.Core.Order;

/// <summary>
/// Which sample stands at each position of each pass: a pure function of the index hash, the spec with its seed, the
/// pass and the position. World size, rank and workers have no part in it.
/// </summary>
/// <remarks>
/// <para>It answers with an ordinal, not with a sample: for <see cref="OrderMode.Weighted"/> and
/// <see cref="OrderMode.Balanced"/> the place among the part's samples sorted by class (<see cref="IsByClass"/>), else
/// the place among the part's samples as the index has them. So whoever knows a few counts can compute the order; the
/// index turns ordinals into samples.</para>
/// <para>Memory: the keys of the last <see cref="PassesKept"/> passes asked for, and one number a class where classes
/// count. Any thread.</para>
/// </remarks>
public sealed class SampleOrder
{
    // Who looks ahead asks for several passes in turn; keys cost a microsecond.
    private const int PassesKept = 8;

    private readonly byte[] _indexHash;
    private readonly long _count;
    private readonly long[] _classStarts = [];
    private readonly int[] _classes = [];
    private readonly ulong[] _weightStarts = [];
    private readonly PassKeys?[] _passes = new PassKeys?[PassesKept];

    /// <summary>Makes the order.</summary>
    /// <param name="spec">What is asked for.</param>
    /// <param name="indexHash">The hash of the sample index, 32 bytes.</param>
    /// <param name="count">How many samples the part has.</param>
    /// <param name="classCounts">How many of them each class has; needed where classes count, else ignored.</param>
    /// <exception cref="DataLayerException">InvalidArgument: the spec does not fit, with what to change.</exception>
    public SampleOrder(OrderSpec spec, ReadOnlySpan<byte> indexHash, long count, ReadOnlySpan<long> classCounts)
    {
        ArgumentNullException.ThrowIfNull(spec);
        Spec = spec;
        _indexHash = indexHash.ToArray();
        _count = count;
        FeedId = spec.GetFeedId(indexHash);
        if (count is < 1 or > KeyedPermutation.MaxCount)
        {
            throw Refuse($"The part '{spec.Part}' of the dataset has {count} samples: there is nothing to order.");
        }

        PassLength = count;
        if (spec.Mode is OrderMode.Blocks or OrderMode.Lengths
            && (spec.BlockSamples < 1 || spec.WindowBlocks is < 1 or > 1 << 20))
        {
            throw Refuse("A block has 1 to 2147483647 samples, and a window 1 to 1048576 blocks.");
        }

        if (IsByClass)
        {
            (_classes, _classStarts) = FindClasses(classCounts, count);
            if (spec.Mode == OrderMode.Weighted)
            {
                _weightStarts = SumWeights(spec.Weights, classCounts);
            }
            else
            {
                PassLength = Balance(classCounts);
            }
        }
    }

    /// <summary>What was asked for.</summary>
    public OrderSpec Spec { get; }

    /// <summary>The feed's identity (<see cref="OrderSpec.GetFeedId"/>).</summary>
    public string FeedId { get; }

    /// <summary>
    /// Positions a pass has, a count: the samples of the part; of <see cref="OrderMode.Balanced"/> the classes times
    /// the samples of the largest.
    /// </summary>
    public long PassLength { get; }

    /// <summary>Whether ordinals count the samples sorted by class.</summary>
    public bool IsByClass => Spec.Mode is OrderMode.Weighted or OrderMode.Balanced;

    /// <summary>How ordinals count the samples of the part.</summary>
    public OrdinalSorting Sorting => Spec.Mode switch
    {
        OrderMode.Weighted or OrderMode.Balanced => OrdinalSorting.Class,
        OrderMode.Lengths => OrdinalSorting.Length,
        _ => OrdinalSorting.Number,
    };

    /// <summary>
    /// Whether <see cref="Find"/> can say where an ordinal stands: not for <see cref="OrderMode.Weighted"/>, where each
    /// position is a draw of its own.
    /// </summary>
    public bool HasInverse => Spec.Mode != OrderMode.Weighted;

    /// <summary>The ordinal at a position of a pass.</summary>
    /// <param name="pass">The pass, from 0.</param>
    /// <param name="position">0 to <see cref="PassLength"/> − 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such position.</exception>
    public long At(long pass, long position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(pass);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(position, PassLength);
        return Spec.Mode switch
        {
            OrderMode.Sequential => position,
            OrderMode.Shuffle => KeysOf(pass).All.Map(position),
            OrderMode.Blocks => InBlocks(KeysOf(pass), position),
            OrderMode.Weighted => Draw(KeysOf(pass), position),
            OrderMode.Lengths => InLengths(KeysOf(pass), position),
            _ => InRounds(KeysOf(pass), position),
        };
    }

    /// <summary>
    /// The ordinals of positions of one pass, from <paramref name="first"/> on, <paramref name="stride"/> apart.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">One of them lies outside of the pass.</exception>
    public void Fill(long pass, long first, long stride, Span<long> ordinals)
    {
        if (ordinals.IsEmpty)
        {
            return;
        }

        ArgumentOutOfRangeException.ThrowIfNegative(pass);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(first, PassLength - 1 - ((ordinals.Length - 1) * stride));
        if (Spec.Mode == OrderMode.Shuffle)
        {
            KeysOf(pass).All.Map(first, stride, ordinals);
            return;
        }

        for (int i = 0; i < ordinals.Length; i++)
        {
            ordinals[i] = At(pass, first + (i * stride));
        }
    }

    /// <summary>
    /// The first position of a pass, from <paramref name="from"/> on, at which an ordinal stands; −1 if none. The
    /// inverse of <see cref="At"/>: about as fast, no table.
    /// </summary>
    /// <param name="pass">The pass, from 0.</param>
    /// <param name="ordinal">The ordinal, from 0.</param>
    /// <param name="from">The first position of interest, 0 to <see cref="PassLength"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such pass or ordinal.</exception>
    /// <exception cref="InvalidOperationException">The order has no inverse (<see cref="HasInverse"/>).</exception>
    public long Find(long pass, long ordinal, long from)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(pass);
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfNegative(ordinal);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(ordinal, _count);
        long position = Spec.Mode switch
        {
            OrderMode.Sequential => ordinal,
            OrderMode.Shuffle => KeysOf(pass).All.Invert(ordinal),
            OrderMode.Blocks => FindInBlocks(KeysOf(pass), ordinal),
            OrderMode.Balanced => FindInRounds(KeysOf(pass), ordinal, from),
            OrderMode.Lengths => FindInLengths(KeysOf(pass), ordinal),
            _ => throw new InvalidOperationException("An order of draws has no inverse."),
        };
        return position >= from ? position : -1;
    }

    private static DataLayerException Refuse(string message) => new(ErrorCode.InvalidArgument, message);

    private static (int[] Classes, long[] Starts) FindClasses(ReadOnlySpan<long> counts, long count)
    {
        List<int> classes = [];
        long[] starts = new long[counts.Length + 1];
        for (int i = 0; i < counts.Length; i++)
        {
            starts[i + 1] = starts[i] + counts[i];
            if (counts[i] > 0)
            {
                classes.Add(i);
            }
        }

        return starts[^1] == count
            ? ([.. classes], starts)
            : throw Refuse(
                $"{starts[^1]} of {count} samples have a class: this order needs one for each. Make the dataset with "
                + "labels.");
    }

    private static ulong[] SumWeights(IReadOnlyList<uint> weights, ReadOnlySpan<long> counts)
    {
        if (weights.Count != counts.Length)
        {
            throw Refuse($"There are {weights.Count} weights for {counts.Length} classes: give one for each class.");
        }

        ulong[] starts = new ulong[counts.Length + 1];
        UInt128 sum = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            sum += (UInt128)weights[i] * (ulong)counts[i];
            starts[i + 1] = (ulong)UInt128.Min(sum, ulong.MaxValue);
        }

        return sum > 0 && sum <= long.MaxValue
            ? starts
            : throw Refuse("The weights of all samples add up to 0, or to more than 2^63 − 1: scale them.");
    }

    private long Balance(ReadOnlySpan<long> counts)
    {
        long largest = 0;
        foreach (long count in counts)
        {
            largest = Math.Max(largest, count);
        }

        return largest <= KeyedPermutation.MaxCount / _classes.Length
            ? largest * _classes.Length
            : throw Refuse("A pass that balances these classes is longer than 2^62 positions.");
    }

    private PassKeys KeysOf(long pass)
    {
        PassKeys? known = Volatile.Read(ref _passes[pass % PassesKept]);
        return known is not null && known.Pass == pass ? known : KeysOfOther(pass);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private PassKeys KeysOfOther(long pass)
    {
        PassKeys keys = new(this, pass);
        Volatile.Write(ref _passes[pass % PassesKept], keys);
        return keys;
    }

    /// <summary>
    /// The stream is the shuffled blocks one after the other, cut into windows of a whole number of blocks, and
    /// shuffled in each. One block, the last of the index, may be short: what stands behind it moves up by what it
    /// lacks.
    /// </summary>
    private long InBlocks(PassKeys keys, long position)
    {
        long block = Spec.BlockSamples;
        long blocks = keys.All.Count;
        long window = Spec.WindowBlocks;
        long windowSamples = block * window;
        long lacking = (blocks * block) - _count;
        long shortWindow = keys.ShortRank / window;

        // Windows before and with the short block start where they would without it.
        long number = position / windowSamples;
        if (number > shortWindow || (number == shortWindow && position >= ((number + 1) * windowSamples) - lacking))
        {
            number = (position + lacking) / windowSamples;
        }

        long start = (number * windowSamples) - (number > shortWindow ? lacking : 0);
        long end = Math.Min(_count, ((number + 1) * windowSamples) - (number >= shortWindow ? lacking : 0));
        long inWindow = new KeyedPermutation(keys.Second, (ulong)number, end - start).Map(position - start);
        if (number == shortWindow && inWindow >= ((keys.ShortRank % window) * block) + block - lacking)
        {
            inWindow += lacking;
        }

        long rank = (number * window) + (inWindow / block);
        return (keys.All.Map(rank) * block) + (inWindow % block);
    }

    /// <summary>
    /// Neighbours by length are shuffled among a window of them; the result is cut into blocks, and those are shuffled.
    /// One block, drawn anew for each pass, has what is left over, and comes last.
    /// </summary>
    private long InLengths(PassKeys keys, long position)
    {
        long block = Spec.BlockSamples;
        long full = _count / block;
        long rest = _count - (full * block);
        long place = (keys.ShortRank * block) + position - (full * block);
        if (position < full * block)
        {
            long rank = keys.All.Map(position / block);
            place = (rank * block) + (position % block) + (rank >= keys.ShortRank ? rest : 0);
        }

        long window = block * Spec.WindowBlocks;
        long number = place / window;
        long start = number * window;
        return start
            + new KeyedPermutation(keys.Second, (ulong)number, Math.Min(window, _count - start)).Map(place - start);
    }

    /// <summary><see cref="InLengths"/>, backwards.</summary>
    private long FindInLengths(PassKeys keys, long ordinal)
    {
        long block = Spec.BlockSamples;
        long full = _count / block;
        long rest = _count - (full * block);
        long window = block * Spec.WindowBlocks;
        long number = ordinal / window;
        long start = number * window;
        KeyedPermutation mixed = new(keys.Second, (ulong)number, Math.Min(window, _count - start));
        long place = start + mixed.Invert(ordinal - start);
        long shortStart = keys.ShortRank * block;
        if (place >= shortStart && place < shortStart + rest)
        {
            return (full * block) + place - shortStart;
        }

        place -= place >= shortStart ? rest : 0;
        return (keys.All.Invert(place / block) * block) + (place % block);
    }

    /// <summary>A number below the sum of all weights; its place among them names class and sample.</summary>
    private long Draw(PassKeys keys, long position)
    {
        ulong drawn = Math.BigMul(keys.First.Draw(position), _weightStarts[^1], out _);
        int low = 0;
        int high = _weightStarts.Length - 2;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            (low, high) = _weightStarts[middle] <= drawn ? (middle, high) : (low, middle - 1);
        }

        return _classStarts[low] + (long)((drawn - _weightStarts[low]) / Spec.Weights[low]);
    }

    /// <summary>Round r takes the r-th sample of each class, in a shuffled order of the classes.</summary>
    private long InRounds(PassKeys keys, long position)
    {
        long round = position / _classes.Length;
        int slot = (int)(position % _classes.Length);
        int number = _classes[new KeyedPermutation(keys.First, (ulong)round, _classes.Length).Map(slot)];
        long count = _classStarts[number + 1] - _classStarts[number];
        ulong tweak = OrderMix.Mix((ulong)number) + (ulong)(round / count);
        return _classStarts[number] + new KeyedPermutation(keys.Second, tweak, count).Map(round % count);
    }

    /// <summary><see cref="InBlocks"/>, backwards.</summary>
    private long FindInBlocks(PassKeys keys, long ordinal)
    {
        long block = Spec.BlockSamples;
        long window = Spec.WindowBlocks;
        long lacking = (keys.All.Count * block) - _count;
        long shortWindow = keys.ShortRank / window;
        long rank = keys.All.Invert(ordinal / block);
        long number = rank / window;
        long inWindow = ((rank % window) * block) + (ordinal % block);
        inWindow -= number == shortWindow && rank > keys.ShortRank ? lacking : 0;
        long start = (number * block * window) - (number > shortWindow ? lacking : 0);
        long end = Math.Min(_count, ((number + 1) * block * window) - (number >= shortWindow ? lacking : 0));
        return start + new KeyedPermutation(keys.Second, (ulong)number, end - start).Invert(inWindow);
    }

    /// <summary><see cref="InRounds"/>, backwards: in this trip over the class, or in the next.</summary>
    private long FindInRounds(PassKeys keys, long ordinal, long from)
    {
        int slot = FindClass(ordinal);
        int number = _classes[slot];
        long count = _classStarts[number + 1] - _classStarts[number];
        long trip = from / _classes.Length / count;
        for (long end = trip + 2; trip < end; trip++)
        {
            ulong tweak = OrderMix.Mix((ulong)number) + (ulong)trip;
            long round = (trip * count)
                + new KeyedPermutation(keys.Second, tweak, count).Invert(ordinal - _classStarts[number]);
            long position = round >= PassLength / _classes.Length
                ? -1
                : (round * _classes.Length)
                    + new KeyedPermutation(keys.First, (ulong)round, _classes.Length).Invert(slot);
            if (position >= from)
            {
                return position;
            }
        }

        return -1;
    }

    /// <summary>The place, among the classes that have samples, of the class that an ordinal is of.</summary>
    private int FindClass(long ordinal)
    {
        int low = 0;
        int high = _classes.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            (low, high) = _classStarts[_classes[middle]] <= ordinal ? (middle, high) : (low, middle - 1);
        }

        return low;
    }

    private sealed class PassKeys
    {
        public PassKeys(SampleOrder order, long pass)
        {
            Pass = pass;
            OrderSpec spec = order.Spec;
            First = OrderKey.Derive("first", order._indexHash, spec.Seed, pass);
            Second = OrderKey.Derive("second", order._indexHash, spec.Seed, pass);
            long count = spec.Mode switch
            {
                OrderMode.Blocks => ((order._count - 1) / spec.BlockSamples) + 1,
                OrderMode.Lengths => Math.Max(1, order._count / spec.BlockSamples),
                _ => order._count,
            };
            All = new KeyedPermutation(First, 0, count);
            ShortRank = spec.Mode switch
            {
                OrderMode.Blocks => All.Invert(count - 1),
                OrderMode.Lengths => (long)Math.BigMul(
                    First.Draw(0), (ulong)(order._count / spec.BlockSamples) + 1, out ulong _),
                _ => 0,
            };
        }

        public long Pass { get; }

        public OrderKey First { get; }

        public OrderKey Second { get; }

        /// <summary>Of the part's samples, or of its blocks.</summary>
        public KeyedPermutation All { get; }

        /// <summary>
        /// The place of the last block, which may be short, among the shuffled ones; of lengths the short block itself.
        /// </summary>
        public long ShortRank { get; }
    }
}
