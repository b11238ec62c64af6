using DataLayer.Core.Errors;
using DataLayer.Core.Memory;

namespace DataLayer.Tests.Core;

public sealed class NativeBufferPoolTests
{
    private const int Mib = 1 << 20;

    [Theory]
    [InlineData(1)]
    [InlineData(4096)]
    [InlineData(4097)]
    [InlineData(1 << 20)]
    [InlineData(16 << 20)]
    public unsafe void A_lease_has_the_length_asked_for_and_starts_on_a_page(int length)
    {
        using NativeBufferPool pool = new(32 * Mib);
        Assert.True(pool.TryRent(length, out BufferLease lease));
        Assert.Equal(length, lease.Memory.Length);
        Assert.Equal(length, lease.Span.Length);
        fixed (byte* start = lease.Span)
        {
            Assert.Equal(0, (nint)start % 4096);
        }

        lease.Dispose();
        Assert.Equal(0, pool.RentedBytes);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData((16 << 20) + 1)]
    public void A_length_outside_the_classes_is_refused(int length)
    {
        using NativeBufferPool pool = new(32 * Mib);
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.TryRent(length, out _));
    }

    [Fact]
    public void Existing_bytes_never_pass_the_cap()
    {
        using NativeBufferPool pool = new(16 * Mib);
        List<BufferLease> leases = [];
        while (pool.TryRent(3 * Mib, out BufferLease lease))
        {
            leases.Add(lease);
        }

        Assert.Equal(4, leases.Count);
        Assert.Equal(16 * Mib, pool.ExistingBytes);
        leases.ForEach(lease => lease.Dispose());
        Assert.True(pool.TryRent(16 * Mib, out BufferLease whole));
        Assert.Equal(16 * Mib, pool.ExistingBytes);
        whole.Dispose();
    }

    [Fact]
    public async Task Waiters_are_served_in_turn_as_buffers_return()
    {
        using NativeBufferPool pool = new(16 * Mib);
        BufferLease whole = await pool.RentAsync(16 * Mib, CancellationToken.None);
        ValueTask<BufferLease> first = pool.RentAsync(16 * Mib, CancellationToken.None);
        ValueTask<BufferLease> second = pool.RentAsync(4096, CancellationToken.None);
        Assert.False(first.IsCompleted);
        Assert.False(second.IsCompleted);
        whole.Dispose();
        BufferLease firstLease = await first;
        Assert.False(second.IsCompleted);
        firstLease.Dispose();
        (await second).Dispose();
        Assert.Equal(0, pool.RentedBytes);
    }

    [Fact]
    public async Task A_cancelled_waiter_leaves_the_queue_and_keeps_nothing()
    {
        using NativeBufferPool pool = new(16 * Mib);
        BufferLease whole = await pool.RentAsync(16 * Mib, CancellationToken.None);
        using CancellationTokenSource stop = new();
        Task<BufferLease> waiting = pool.RentAsync(Mib, stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        whole.Dispose();
        Assert.Equal(0, pool.RentedBytes);
        (await pool.RentAsync(16 * Mib, CancellationToken.None)).Dispose();
    }

    [Fact]
    public async Task Too_many_waiters_are_refused_as_overload()
    {
        using NativeBufferPool pool = new(16 * Mib, waiterLimit: 1);
        BufferLease whole = await pool.RentAsync(16 * Mib, CancellationToken.None);
        ValueTask<BufferLease> waiting = pool.RentAsync(Mib, CancellationToken.None);
        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(
            async () => await pool.RentAsync(Mib, CancellationToken.None));
        Assert.Equal(ErrorCode.Overloaded, fault.Code);
        whole.Dispose();
        (await waiting).Dispose();
    }

    [Fact]
    public void A_returned_lease_no_longer_gives_bytes()
    {
        using NativeBufferPool pool = new(16 * Mib);
        Assert.True(pool.TryRent(Mib, out BufferLease lease));
        lease.Dispose();
        Assert.Throws<ObjectDisposedException>(() => lease.Span.Length);
        Assert.True(pool.TryRent(Mib, out BufferLease next));
        Assert.Throws<ObjectDisposedException>(() => lease.Memory.Length);
        next.Dispose();
    }

    [Fact]
    public void A_second_return_is_counted_and_gives_nobody_a_shared_buffer()
    {
        using NativeBufferPool pool = new(16 * Mib);
        Assert.True(pool.TryRent(Mib, out BufferLease lease));
        lease.Dispose();
        Exception? trapped = Record.Exception(lease.Dispose);
#if DEBUG
        Assert.IsType<InvalidOperationException>(trapped);
#else
        Assert.Null(trapped);
#endif
        Assert.Equal(1, pool.DoubleReturnCount);
        Assert.True(pool.TryRent(Mib, out BufferLease one));
        Assert.True(pool.TryRent(Mib, out BufferLease other));
        Assert.NotEqual(one, other);
        one.Dispose();
        other.Dispose();
    }

    [Fact]
    public async Task Concurrent_renters_never_share_a_buffer_and_return_all()
    {
        using NativeBufferPool pool = new(16 * Mib);
        await Task.WhenAll(Enumerable.Range(1, 8).Select(worker => Task.Run(async () =>
        {
            Random random = new(worker);
            for (int i = 0; i < 300; i++)
            {
                using BufferLease lease = await pool.RentAsync(random.Next(1, 4 * Mib), CancellationToken.None);
                lease.Span[0] = (byte)worker;
                lease.Span[^1] = (byte)worker;
                await Task.Yield();
                Assert.Equal((byte)worker, lease.Span[0]);
                Assert.Equal((byte)worker, lease.Span[^1]);
            }
        })));
        Assert.Equal(0, pool.RentedBytes);
        Assert.True(pool.ExistingBytes <= pool.CapacityBytes);
    }

    [Fact]
    public void A_warm_rent_allocates_nothing()
    {
        using NativeBufferPool pool = new(16 * Mib);
        for (int i = 0; i < 100; i++)
        {
            Assert.True(pool.TryRent(Mib, out BufferLease lease));
            lease.Dispose();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            pool.TryRent(Mib, out BufferLease lease);
            lease.Dispose();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
