using DataLayer.Core.Errors;
using DataLayer.Core.Order;

namespace DataLayer.Tests.Core.Order;

public sealed class RankSliceTests
{
    private static readonly byte[] _hash = new byte[OrderKey.HashBytes];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    public void The_global_order_is_the_same_at_any_world_size(int world)
    {
        SampleOrder order = new(new OrderSpec { Seed = 3 }, _hash, 1000, []);
        List<long> taken = [];
        for (long cursor = 0; cursor < 2000;)
        {
            cursor = Step(order, cursor, world, 5, LastStep.Pad, taken);
        }

        Assert.Equal(Enumerable.Range(0, 2000).Select(p => order.At(p / 1000, p % 1000)), taken);
    }

    [Fact]
    public void Worlds_that_change_at_any_step_take_each_position_once()
    {
        Random random = new(17);
        for (int trial = 0; trial < 50; trial++)
        {
            SampleOrder order = new(new OrderSpec { Seed = trial }, _hash, random.Next(40, 700), []);
            List<long> taken = [];
            for (long cursor = 0; cursor < 3 * order.PassLength;)
            {
                // As a job that is stopped and started again at another size: only the text of the state goes over.
                FeedState state = FeedState.Parse(FeedState.Save(order.Spec, _hash, cursor).ToText());
                cursor = Step(
                    order, state.Load(order.Spec, _hash), random.Next(1, 9), random.Next(1, 8), LastStep.Pad, taken);
            }

            for (int pass = 0; pass < 3; pass++)
            {
                Assert.Equal(
                    Enumerable.Range(0, (int)order.PassLength).Select(p => order.At(pass, p)),
                    taken.Skip(pass * (int)order.PassLength).Take((int)order.PassLength));
            }
        }
    }

    [Fact]
    public void Dropping_leaves_out_less_than_a_step_and_repeats_nothing()
    {
        Random random = new(23);
        for (int trial = 0; trial < 200; trial++)
        {
            (int world, int batch) = (random.Next(1, 9), random.Next(1, 8));
            SampleOrder order = new(new OrderSpec { Seed = trial }, _hash, random.Next(world * batch, 500), []);
            List<long> taken = [];
            long start = random.NextInt64(order.PassLength);
            for (long cursor = start; cursor < order.PassLength - (world * batch) + 1;)
            {
                cursor = Step(order, cursor, world, batch, LastStep.Drop, taken);
            }

            Assert.Equal(taken.Count, taken.Distinct().Count());
            Assert.InRange(order.PassLength - start - taken.Count, 0, (world * batch) - 1);
            FeedStep next = new RankSlice(order.PassLength, world, 0, batch, LastStep.Drop).StepAt(start + taken.Count);
            Assert.Equal(start + taken.Count == order.PassLength || taken.Count < order.PassLength - start ? 1 : 0, next.Pass);
            Assert.Equal(0, next[0]);
        }
    }

    [Fact]
    public void Padding_gives_all_ranks_the_same_number_and_is_marked()
    {
        for (int rank = 0; rank < 4; rank++)
        {
            FeedStep step = new RankSlice(10, 4, rank, 2, LastStep.Pad).StepAt(8);
            Assert.Equal((0, 1, 10), (step.Pass, step.Count, step.NextCursor));
            Assert.Equal(rank >= 2, step.IsPadding(0));
            Assert.Equal((8 + rank) % 10, step[0]);
        }
    }

    [Fact]
    public void A_world_larger_than_the_pass_is_padded_too()
    {
        FeedStep step = new RankSlice(3, 8, 7, 4, LastStep.Pad).StepAt(0);
        Assert.Equal((1, 1, 1L, 3L), (step.Count, step.PaddingCount, step[0], step.NextCursor));
    }

    [Fact]
    public void A_world_that_fits_no_pass_is_refused_when_it_drops()
    {
        DataLayerException refused = Assert.Throws<DataLayerException>(() => new RankSlice(3, 8, 7, 4, LastStep.Drop));
        Assert.Contains("or pad", refused.Message, StringComparison.Ordinal);
        Assert.Throws<DataLayerException>(() => new RankSlice(3, 2, 2, 1, LastStep.Pad));
    }

    [Fact]
    public void A_state_of_another_feed_says_what_differs()
    {
        FeedState state = FeedState.Save(new OrderSpec { Seed = 1 }, _hash, 5);
        byte[] other = [.. _hash];
        other[0] = 1;
        DataLayerException changed = Assert.Throws<DataLayerException>(() => state.Load(new OrderSpec { Seed = 1 }, other));
        Assert.Equal(ErrorCode.Stale, changed.Code);
        Assert.Contains("pin the dataset", changed.Message, StringComparison.Ordinal);
        DataLayerException seed = Assert.Throws<DataLayerException>(() => state.Load(new OrderSpec { Seed = 2 }, _hash));
        Assert.Contains("seed=1", seed.Message, StringComparison.Ordinal);
        Assert.Throws<DataLayerException>(() => FeedState.Parse("{}"));
        Assert.Throws<DataLayerException>(() => FeedState.Parse("""{"feed":"x","cursor":-1}"""));
    }

    /// <summary>One step of all ranks, each computed by itself; adds what they took by position, padding left out.</summary>
    private static long Step(SampleOrder order, long cursor, int world, int batch, LastStep last, List<long> taken)
    {
        SortedDictionary<long, long> step = [];
        long next = -1;
        for (int rank = 0; rank < world; rank++)
        {
            FeedStep part = new RankSlice(order.PassLength, world, rank, batch, last).StepAt(cursor);
            Assert.True(next < 0 || next == part.NextCursor);
            next = part.NextCursor;
            for (int i = 0; i < part.Count - part.PaddingCount; i++)
            {
                step.Add(part[i], order.At(part.Pass, part[i]));
            }
        }

        taken.AddRange(step.Values);
        return next;
    }
}
