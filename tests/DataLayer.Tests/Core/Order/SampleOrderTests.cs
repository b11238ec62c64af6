using DataLayer.Core.Errors;
using DataLayer.Core.Order;

namespace DataLayer.Tests.Core.Order;

public sealed class SampleOrderTests
{
    private static readonly byte[] _hash = [.. Enumerable.Range(0, OrderKey.HashBytes).Select(i => (byte)i)];
    private static readonly long[] _classes = [700, 0, 200, 100];

    [Fact]
    public void A_pass_in_blocks_or_by_lengths_has_each_sample_once()
    {
        Random random = new(11);
        for (int trial = 0; trial < 400; trial++)
        {
            int count = random.Next(1, 3000);
            OrderSpec spec = new() { Mode = OrderMode.Blocks, BlockSamples = random.Next(1, 70), WindowBlocks = random.Next(1, 9), Seed = trial };
            AssertHasEachOnce(new SampleOrder(spec, _hash, count, []), trial);
            AssertHasEachOnce(new SampleOrder(spec with { Mode = OrderMode.Lengths }, _hash, count, []), trial);
        }
    }

    [Fact]
    public void A_window_has_the_samples_of_its_blocks_only()
    {
        OrderSpec spec = new() { Mode = OrderMode.Blocks, BlockSamples = 50, WindowBlocks = 4 };
        SampleOrder order = new(spec, _hash, 10_000, []);
        for (int window = 0; window < 50; window++)
        {
            long[] ordinals = new long[200];
            order.Fill(0, window * 200, 1, ordinals);
            Assert.Equal(4, ordinals.Select(o => o / 50).Distinct().Count());
            Assert.NotEqual(ordinals.Order(), ordinals);
        }
    }

    [Fact]
    public void A_block_by_lengths_has_neighbours_by_length_and_the_blocks_are_shuffled_anew_each_pass()
    {
        OrderSpec spec = new() { Mode = OrderMode.Lengths, BlockSamples = 32, WindowBlocks = 4 };
        SampleOrder order = new(spec, _hash, 10_007, []);
        HashSet<long> lastOnes = [];
        for (int pass = 0; pass < 20; pass++)
        {
            long[] ordinals = new long[10_007];
            order.Fill(pass, 0, 1, ordinals);
            long[] means = [.. ordinals.Chunk(32).Select(block => (long)block.Average())];
            Assert.All(ordinals.Chunk(32), block => Assert.InRange(block.Max() - block.Min(), 0, (2 * 4 * 32) - 1));
            Assert.NotEqual(means.Order(), means);
            lastOnes.UnionWith(ordinals[^(10_007 % 32)..]);
        }

        // What stands last, and is dropped by steps of whole blocks, is not always the same: 20 passes leave 23 each.
        Assert.True(lastOnes.Count > 400, $"{lastOnes.Count}");
    }

    [Fact]
    public void Where_an_ordinal_stands_is_found_without_a_table()
    {
        Random random = new(12);
        for (int trial = 0; trial < 200; trial++)
        {
            int count = random.Next(1, 1500);
            long[] classes = [count / 3, 0, count - (count / 3) - (count / 5), count / 5];
            OrderSpec spec = new()
            {
                Mode = new[] { OrderMode.Sequential, OrderMode.Shuffle, OrderMode.Blocks, OrderMode.Balanced, OrderMode.Lengths }[trial % 5],
                BlockSamples = random.Next(1, 70),
                WindowBlocks = random.Next(1, 9),
                Seed = trial,
            };
            SampleOrder order = new(spec, _hash, count, classes);
            long from = random.NextInt64(order.PassLength);
            Dictionary<long, long> first = [];
            for (long position = order.PassLength - 1; position >= from; position--)
            {
                first[order.At(trial, position)] = position;
            }

            for (long ordinal = 0; ordinal < count; ordinal++)
            {
                // Of a class that comes seldom, an ordinal may stand a whole trip further on.
                long found = order.Find(trial, ordinal, from);
                Assert.True(found == first.GetValueOrDefault(ordinal, -1), $"trial {trial}, ordinal {ordinal} from {from}: {found}");
            }
        }
    }

    [Fact]
    public void Draws_have_no_inverse()
    {
        SampleOrder order = new(new OrderSpec { Mode = OrderMode.Weighted, Weights = [1, 2, 3, 4] }, _hash, 1000, _classes);

        Assert.False(order.HasInverse);
        Assert.Throws<InvalidOperationException>(() => order.Find(0, 0, 0));
    }

    [Theory]
    [InlineData(OrderMode.Sequential)]
    [InlineData(OrderMode.Shuffle)]
    public void A_pass_has_each_sample_once(OrderMode mode)
    {
        for (int pass = 0; pass < 3; pass++)
        {
            AssertHasEachOnce(new SampleOrder(new OrderSpec { Mode = mode }, _hash, 1000, []), pass);
        }
    }

    [Fact]
    public void Passes_and_seeds_differ_and_repeat_themselves()
    {
        long[] Take(long seed, long pass)
        {
            long[] ordinals = new long[100];
            new SampleOrder(new OrderSpec { Seed = seed }, _hash, 1000, []).Fill(pass, 0, 1, ordinals);
            return ordinals;
        }

        Assert.Equal(Take(1, 1), Take(1, 1));
        Assert.NotEqual(Take(1, 1), Take(1, 2));
        Assert.NotEqual(Take(1, 1), Take(2, 1));
    }

    [Fact]
    public void Weighted_draws_follow_the_weights()
    {
        const int draws = 200_000;
        OrderSpec spec = new() { Mode = OrderMode.Weighted, Weights = [1, 5, 4, 0] };
        SampleOrder order = new(spec, _hash, 1000, _classes);
        Dictionary<int, int> hits = Enumerable.Range(0, draws).Select(p => order.At(p / 1000, p % 1000)).GroupBy(ClassOf).ToDictionary(g => g.Key, g => g.Count());

        // 700 × 1 against 200 × 4 of 1,500; the deviation of a share is about 0.0011.
        Assert.Equal([0, 2], hits.Keys.Order());
        Assert.InRange(hits[0] / (double)draws, 0.4667 - 0.007, 0.4667 + 0.007);
    }

    [Fact]
    public void Weighted_draws_reach_every_sample_of_a_class_alike()
    {
        OrderSpec spec = new() { Mode = OrderMode.Weighted, Weights = [0, 0, 0, 3] };
        SampleOrder order = new(spec, _hash, 1000, _classes);
        int[] hits = new int[100];
        for (int p = 0; p < 100_000; p++)
        {
            hits[order.At(p / 1000, p % 1000) - 900]++;
        }

        Assert.InRange(hits.Sum(h => (h - 1000.0) * (h - 1000.0) / 1000), 99 - 90, 99 + 90);
    }

    [Fact]
    public void Balanced_rounds_take_one_of_each_class_and_each_sample_in_turn()
    {
        SampleOrder order = new(new OrderSpec { Mode = OrderMode.Balanced }, _hash, 1000, _classes);
        Assert.Equal(3 * 700, order.PassLength);
        Dictionary<long, int> hits = [];
        List<string> firsts = [];
        for (int round = 0; round < 700; round++)
        {
            long[] ordinals = new long[3];
            order.Fill(2, round * 3, 1, ordinals);
            Assert.Equal([0, 2, 3], ordinals.Select(ClassOf).Order());
            firsts.Add(string.Join(' ', ordinals.Select(ClassOf)));
            foreach (long ordinal in ordinals)
            {
                hits[ordinal] = hits.GetValueOrDefault(ordinal) + 1;
            }
        }

        Assert.Equal(6, firsts.Distinct().Count());
        Assert.All(Enumerable.Range(0, 700), i => Assert.Equal(1, hits[i]));
        Assert.All(Enumerable.Range(700, 200), i => Assert.InRange(hits[i], 3, 4));
        Assert.All(Enumerable.Range(900, 100), i => Assert.Equal(7, hits[i]));
    }

    [Fact]
    public void Refuses_classes_that_are_not_there()
    {
        DataLayerException none = Assert.Throws<DataLayerException>(
            () => new SampleOrder(new OrderSpec { Mode = OrderMode.Balanced }, _hash, 1000, []));
        Assert.Contains("with labels", none.Message, StringComparison.Ordinal);
        DataLayerException few = Assert.Throws<DataLayerException>(
            () => new SampleOrder(new OrderSpec { Mode = OrderMode.Weighted, Weights = [1] }, _hash, 1000, _classes));
        Assert.Contains("one for each class", few.Message, StringComparison.Ordinal);
        DataLayerException zero = Assert.Throws<DataLayerException>(
            () => new SampleOrder(new OrderSpec { Mode = OrderMode.Weighted, Weights = [0, 1, 0, 0] }, _hash, 1000, _classes));
        Assert.Contains("add up to 0", zero.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_part_without_samples_and_positions_outside_of_the_pass()
    {
        Assert.Throws<DataLayerException>(() => new SampleOrder(new OrderSpec(), _hash, 0, []));
        SampleOrder order = new(new OrderSpec(), _hash, 10, []);
        Assert.Throws<ArgumentOutOfRangeException>(() => order.At(0, 10));
        Assert.Throws<ArgumentOutOfRangeException>(() => order.Fill(0, 2, 3, new long[4]));
    }

    [Fact]
    public void A_position_costs_no_memory()
    {
        SampleOrder[] orders =
        [
            new(new OrderSpec(), _hash, 1000, []), new(new OrderSpec { Mode = OrderMode.Blocks, BlockSamples = 10 }, _hash, 1000, []),
            new(new OrderSpec { Mode = OrderMode.Balanced }, _hash, 1000, _classes),
            new(new OrderSpec { Mode = OrderMode.Weighted, Weights = [1, 1, 1, 1] }, _hash, 1000, _classes),
        ];
        long sum = orders.Sum(order => order.At(0, 1));
        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (SampleOrder order in orders)
        {
            for (int i = 0; i < 1000; i++)
            {
                sum += order.At(0, i);
            }
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.True(sum > 0);
    }

    private static int ClassOf(long ordinal) => ordinal < 700 ? 0 : ordinal < 900 ? 2 : 3;

    private static void AssertHasEachOnce(SampleOrder order, long pass)
    {
        bool[] seen = new bool[order.PassLength];
        for (long p = 0; p < seen.Length; p++)
        {
            long ordinal = order.At(pass, p);
            Assert.False(seen[ordinal], $"{ordinal} came twice: {order.Spec.ToCanonicalText()}, {seen.Length} samples.");
            seen[ordinal] = true;
        }
    }
}
