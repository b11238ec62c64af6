using System.Collections.Concurrent;
using DataLayer.Core.Identity;
using DataLayer.Storage.Cache;
using static DataLayer.Tests.Cache.CacheFixture;

namespace DataLayer.Tests.Cache;

public sealed class BlockCacheModelTests
{
    [Theory]
    [InlineData("lru", 1)]
    [InlineData("lru", 2)]
    [InlineData("s3fifo", 3)]
    [InlineData("s3fifo", 4)]
    [InlineData("guard", 5)]
    [InlineData("guard", 6)]
    public async Task Random_operations_never_give_other_bytes_than_the_model(string policy, int seed)
    {
        await using BlockCache cache = NewCache(2 << 20, policy);
        Dictionary<BlockId, (int Length, int Salt)> newest = [];
        Dictionary<BlockId, int> pins = [];
        Random random = new(seed);
        byte[] buffer = new byte[60_000];
        for (int step = 0; step < 15_000; step++)
        {
            BlockId block = Block(random.Next(1, 60), (uint)random.Next(4));
            switch (random.Next(20))
            {
                case < 10:
                    if (cache.TryRead(block, 0, buffer, random.Next(3), out int read))
                    {
                        Assert.True(newest.TryGetValue(block, out (int Length, int Salt) model), $"seed {seed} step {step}: {block} was removed");
                        Assert.Equal(model.Length, read);
                        Assert.True(buffer.AsSpan(0, read).SequenceEqual(Bytes(block, read, model.Salt)), $"seed {seed} step {step}: wrong bytes");
                    }

                    break;
                case < 17:
                    int length = random.Next(8) == 0 ? random.Next(1, buffer.Length) : random.Next(1, 5000);
                    newest.Remove(block);
                    if (cache.TryFill(block, Bytes(block, length, step), random.Next(3)))
                    {
                        newest[block] = (length, step);
                    }
                    else
                    {
                        pins.Remove(block);
                    }

                    break;
                case 17:
                    cache.Remove(block);
                    newest.Remove(block);
                    pins.Remove(block);
                    break;
                case 18:
                    pins[block] = pins.GetValueOrDefault(block) + (cache.TryPin(block) ? 1 : 0);
                    break;
                default:
                    bool unpinned = cache.Unpin(block);
                    Assert.Equal(pins.GetValueOrDefault(block) > 0, unpinned);
                    pins[block] = pins.GetValueOrDefault(block) - (unpinned ? 1 : 0);
                    break;
            }
        }

        foreach ((BlockId block, int count) in pins)
        {
            Assert.True(count == 0 || cache.Contains(block), $"seed {seed}: {block} is pinned and gone");
        }

        cache.Memory.CheckIntegrity();
    }

    [Theory]
    [InlineData("lru")]
    [InlineData("s3fifo")]
    [InlineData("guard")]
    public async Task Many_threads_never_see_torn_or_foreign_bytes(string policy)
    {
        await using BlockCache cache = NewCache(3 << 20, policy, sessions: 3);
        ConcurrentQueue<string> wrong = new();
        Thread[] threads = new Thread[6];
        for (int t = 0; t < threads.Length; t++)
        {
            int seed = t;
            threads[t] = new Thread(() => Hammer(cache, seed, wrong));
            threads[t].Start();
        }

        foreach (Thread thread in threads)
        {
            thread.Join();
        }

        Assert.Empty(wrong);
        cache.Memory.CheckIntegrity();
        Assert.True(cache.GetStatistics().Evictions > 500);
        Assert.Equal(0, cache.GetStatistics().BadBlocks);
    }

    private static void Hammer(BlockCache cache, int seed, ConcurrentQueue<string> wrong)
    {
        Random random = new(seed);
        byte[] buffer = new byte[200_000];
        for (int step = 0; step < 6_000; step++)
        {
            BlockId block = Block(random.Next(1, 400));

            // The length follows from the block too, so that a reader can tell which bytes it must see.
            int length = block.Inode % 40 == 0 ? 190_000 : 1 + (int)(block.Inode * 97 % 20_000);
            if (!cache.TryRead(block, 0, buffer, (int)(block.Inode % 3), out int read))
            {
                Write(block, buffer.AsSpan(0, length));
                cache.TryFill(block, buffer.AsSpan(0, length), (int)(block.Inode % 3));
            }
            else if (read != length || !IsBlock(block, buffer.AsSpan(0, read)))
            {
                wrong.Enqueue($"seed {seed} step {step}: {block} came back wrong");
            }

            if (step % 97 == 0)
            {
                cache.Remove(Block(random.Next(1, 400)));
            }
        }
    }

    private static bool IsBlock(BlockId block, ReadOnlySpan<byte> bytes)
    {
        byte[] expected = Bytes(block, bytes.Length);
        return bytes.SequenceEqual(expected);
    }
}
