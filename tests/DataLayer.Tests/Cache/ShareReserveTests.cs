using DataLayer.Core.Identity;
using DataLayer.Storage.Cache;

namespace DataLayer.Tests.Cache;

/// <summary>Memory that is reserved for a share: others borrow it and do not keep it.</summary>
public sealed class ShareReserveTests
{
    private const int Length = 16 << 10;
    private const long Capacity = 16 << 20;
    private const long Reserve = 6 << 20;
    private const int ShareBlocks = 300; // About 5 MiB.
    private const int OtherBlocks = 2000; // Twice the cache.

    [Theory]
    [InlineData("lru")]
    [InlineData("s3fifo")]
    [InlineData("guard")]
    public async Task Blocks_of_others_do_not_push_out_a_share_within_its_reserve(string policy)
    {
        await using BlockCache cache = CacheFixture.NewCache(Capacity, policy);
        cache.SetReserves(Shares(), [new ShareReserve(1, Reserve)]);
        Fill(cache, 1, ShareBlocks, datasetId: 1);
        long before = cache.GetShareBytes(1);

        for (int pass = 0; pass < 3; pass++)
        {
            Fill(cache, 2, OtherBlocks, datasetId: 2);
        }

        Assert.Equal(ShareBlocks, Present(cache, 1, ShareBlocks));
        Assert.Equal(before, cache.GetShareBytes(1));
        Assert.InRange(Present(cache, 2, OtherBlocks), 1, OtherBlocks - 1); // They have the rest.
    }

    [Theory]
    [InlineData("lru")]
    [InlineData("s3fifo")]
    [InlineData("guard")]
    public async Task A_share_takes_its_reserve_from_others_whatever_theirs_are_worth(string policy)
    {
        await using BlockCache cache = CacheFixture.NewCache(Capacity, policy);
        for (int pass = 0; pass < 4; pass++)
        {
            Fill(cache, 2, OtherBlocks, datasetId: 2); // Full, and read again and again.
        }

        cache.SetReserves(Shares(), [new ShareReserve(1, Reserve)]);

        Fill(cache, 1, ShareBlocks, datasetId: 1);

        Assert.Equal(ShareBlocks, Present(cache, 1, ShareBlocks));
    }

    [Fact]
    public async Task What_is_cached_already_counts_and_what_is_given_back_goes_as_before()
    {
        await using BlockCache cache = CacheFixture.NewCache(Capacity);
        Fill(cache, 1, ShareBlocks, datasetId: 1);
        Assert.Equal(0, cache.GetShareBytes(1));
        cache.SetReserves(Shares(), [new ShareReserve(1, Reserve)]);
        Assert.True(cache.GetShareBytes(1) > ShareBlocks * (long)Length);
        Assert.True(cache.Remove(CacheFixture.Block(1)));
        long left = cache.GetShareBytes(1);
        Assert.True(cache.TryFill(CacheFixture.Block(1), CacheFixture.Bytes(CacheFixture.Block(1), Length), 1));
        Assert.True(cache.GetShareBytes(1) > left);

        cache.SetReserves(null, []);

        Assert.Equal(0, cache.GetShareBytes(1));
        Fill(cache, 2, OtherBlocks, datasetId: 2);
        Assert.Equal(0, Present(cache, 1, ShareBlocks));
    }

    [Fact]
    public async Task A_share_above_its_reserve_competes_with_what_is_above()
    {
        await using BlockCache cache = CacheFixture.NewCache(Capacity);
        cache.SetReserves(Shares(), [new ShareReserve(1, 1 << 20)]);
        Fill(cache, 1, ShareBlocks, datasetId: 1);
        Fill(cache, 2, OtherBlocks, datasetId: 2);
        Assert.InRange(cache.GetShareBytes(1), 1 << 20, 3 << 20);
    }

    private static ShareMap Shares()
    {
        ShareMap shares = new();
        shares.Set(new InodeId(1), 1);
        shares.Set(new InodeId(2), 0);
        return shares;
    }

    private static void Fill(BlockCache cache, long inode, int count, int datasetId)
    {
        byte[] bytes = new byte[Length];
        for (uint i = 0; i < count; i++)
        {
            BlockId block = CacheFixture.Block(inode, i);
            if (!cache.TryRead(block, 0, bytes, datasetId, out _))
            {
                cache.TryFill(block, bytes, datasetId);
            }
        }
    }

    private static int Present(BlockCache cache, long inode, int count)
    {
        int present = 0;
        for (uint i = 0; i < count; i++)
        {
            present += cache.Contains(CacheFixture.Block(inode, i)) ? 1 : 0;
        }

        return present;
    }
}
