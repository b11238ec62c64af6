using DataLayer.Core.Order;

namespace DataLayer.Tests.Core.Order;

public sealed class KeyedPermutationTests
{
    private static readonly byte[] _hash = [.. Enumerable.Range(0, OrderKey.HashBytes).Select(i => (byte)i)];

    [Fact]
    public void Maps_every_range_up_to_two_thousand_onto_itself()
    {
        for (int count = 1; count <= 2000; count++)
        {
            AssertIsBijection(new KeyedPermutation(Key(count), (ulong)count, count));
        }
    }

    [Theory]
    [InlineData(1_000_000)]
    [InlineData(1_048_576)]
    [InlineData(1_048_577)]
    public void Maps_a_large_range_onto_itself(int count) => AssertIsBijection(new KeyedPermutation(Key(7), 0, count));

    [Theory]
    [InlineData(1L << 40)]
    [InlineData((1L << 40) + 1)]
    [InlineData(KeyedPermutation.MaxCount - 1)]
    [InlineData(KeyedPermutation.MaxCount)]
    public void Inverts_what_it_maps_in_ranges_too_large_to_go_over(long count)
    {
        Random random = new(5);
        KeyedPermutation permutation = new(Key(3), 9, count);
        foreach (long index in Enumerable.Range(0, 2000).Select(_ => random.NextInt64(count)).Append(0).Append(count - 1))
        {
            long image = permutation.Map(index);
            Assert.InRange(image, 0, count - 1);
            Assert.Equal(index, permutation.Invert(image));
        }
    }

    [Theory]
    [InlineData(1, 7)]
    [InlineData(3, 8)]
    public void Maps_many_as_it_maps_one(int stride, int length)
    {
        KeyedPermutation permutation = new(Key(4), 0, 700);
        long[] images = new long[length];
        permutation.Map(5, stride, images);
        Assert.Equal(Enumerable.Range(0, length).Select(i => permutation.Map(5 + (i * stride))), images);
    }

    /// <summary>With k − 1 degrees of freedom chi-square has mean k − 1 and deviation √(2(k − 1)): bounds are six deviations wide.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(17)]
    [InlineData(64)]
    [InlineData(100)]
    public void Puts_each_number_at_each_place_equally_often(int count)
    {
        const int trials = 20_000;
        int[] hits = new int[count * count];
        for (int trial = 0; trial < trials; trial++)
        {
            KeyedPermutation permutation = new(Key(trial), 0, count);
            for (int i = 0; i < count; i++)
            {
                hits[(i * count) + (int)permutation.Map(i)]++;
            }
        }

        AssertIsUniform(hits, (double)trials / count, (count - 1) * (count - 1));
    }

    [Fact]
    public void Gives_all_orders_of_four_equally_often()
    {
        const int trials = 60_000;
        Dictionary<long, int> seen = [];
        for (int trial = 0; trial < trials; trial++)
        {
            KeyedPermutation permutation = new(Key(1), (ulong)trial, 4);
            long order = (permutation.Map(0) * 16) + (permutation.Map(1) * 4) + permutation.Map(2);
            seen[order] = seen.GetValueOrDefault(order) + 1;
        }

        Assert.Equal(24, seen.Count);
        AssertIsUniform([.. seen.Values], trials / 24.0, 23);
    }

    [Fact]
    public void Neighbours_lie_apart_as_by_chance()
    {
        const int count = 1_000_000;
        KeyedPermutation permutation = new(Key(2), 0, count);
        double mean = (count - 1) / 2.0;
        foreach (int lag in new[] { 1, 2, 3, 64, 1024 })
        {
            double sum = 0;
            for (int i = 0; i + lag < count; i++)
            {
                sum += (permutation.Map(i) - mean) * (permutation.Map(i + lag) - mean);
            }

            double correlation = sum / (count - lag) / (((double)count * count - 1) / 12);
            Assert.InRange(correlation, -0.006, 0.006); // Six deviations of 1/√count.
        }
    }

    [Fact]
    public void Samples_of_a_stretch_of_positions_come_from_everywhere()
    {
        const int count = 1_000_000;
        const int parts = 1000;
        KeyedPermutation permutation = new(Key(6), 0, count);
        int[] hits = new int[parts];
        for (int i = 0; i < 100_000; i++)
        {
            hits[permutation.Map(i) / (count / parts)]++;
        }

        // Drawn without replacement, the variance is nine tenths of chi-square's.
        AssertIsUniform(hits, 100, (parts - 1) * 0.9);
    }

    [Fact]
    public void Keys_that_differ_in_one_thing_give_unlike_orders()
    {
        OrderKey[] keys =
        [
            OrderKey.Derive("first", _hash, 0, 0), OrderKey.Derive("first", _hash, 1, 0), OrderKey.Derive("first", _hash, 0, 1),
            OrderKey.Derive("second", _hash, 0, 0), OrderKey.Derive("first", new byte[32], 0, 0),
        ];
        long[][] orders = [.. keys.Select(key => Images(new KeyedPermutation(key, 0, 10_000)))];
        for (int i = 0; i < orders.Length; i++)
        {
            for (int j = 0; j < i; j++)
            {
                // Two random orders agree in one place on average.
                Assert.InRange(orders[i].Zip(orders[j], (a, b) => a == b ? 1 : 0).Sum(), 0, 8);
            }
        }
    }

    [Fact]
    public void Refuses_an_empty_range() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new KeyedPermutation(Key(0), 0, 0));

    private static OrderKey Key(long seed) => OrderKey.Derive("first", _hash, seed, 0);

    private static long[] Images(KeyedPermutation permutation)
    {
        long[] images = new long[permutation.Count];
        permutation.Map(0, 1, images);
        return images;
    }

    private static void AssertIsBijection(KeyedPermutation permutation)
    {
        bool[] seen = new bool[permutation.Count];
        foreach (long image in Images(permutation))
        {
            Assert.False(seen[image], $"{image} of {seen.Length} came twice.");
            seen[image] = true;
        }
    }

    private static void AssertIsUniform(int[] hits, double expected, double freedom)
    {
        double chi = hits.Sum(h => (h - expected) * (h - expected) / expected);
        double bound = 6 * Math.Sqrt(2 * freedom) + 6;
        Assert.InRange(chi, freedom - bound, freedom + bound);
    }
}
