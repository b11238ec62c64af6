using System.Collections.Concurrent;
using DataLayer.Core.Errors;
using DataLayer.Core.Memory;
using DataLayer.Core.Objects;
using DataLayer.Storage.Objects.Decorators;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Objects;

public sealed class DecoratorTests
{
    private static readonly byte[] _object = BytesContent.Random(1_000_003);

    [Theory]
    [InlineData(0, 1_000_003, null)]
    [InlineData(0, 1_000_003, "e")]
    [InlineData(100, 999_903, "e")]
    [InlineData(65_536, 131_072, null)]
    [InlineData(65_535, 300_000, null)]
    [InlineData(900_000, 2_000_000, null)]
    [InlineData(900_000, 2_000_000, "e")]
    [InlineData(2_000_000, 2_000_000, null)]
    public async Task Split_reads_bring_the_same_bytes(int offset, int length, string? ifMatch)
    {
        SplittingObjectStore store = new(Whole(), 64 << 10, 4);
        byte[] buffer = new byte[length];
        ObjectReadResult result = await store.ReadAsync("a", offset, buffer, ifMatch, default);
        int expected = Math.Clamp(_object.Length - offset, 0, length);
        Assert.Equal(new ObjectReadResult(expected, _object.Length, "e"), result);
        Assert.Equal(_object.AsSpan(Math.Min(offset, _object.Length), expected).ToArray(), buffer[..expected]);
        Assert.All(buffer[expected..], one => Assert.Equal(0, one));
    }

    [Fact]
    public async Task Ranges_are_aligned_in_the_object_and_carry_one_ETag()
    {
        ConcurrentBag<(long Offset, int Length, string? IfMatch)> ranges = [];
        ScriptedObjectStore inner = new()
        {
            Read = (_, _, offset, destination, ifMatch, _) =>
            {
                ranges.Add((offset, destination.Length, ifMatch));
                return ServeAsync(offset, destination);
            },
        };
        await new SplittingObjectStore(inner, 64 << 10, 4).ReadAsync("a", 1000, new byte[400_000], null, default);
        (long Offset, int Length, string? IfMatch)[] ordered = [.. ranges.OrderBy(range => range.Offset)];
        Assert.Equal((1000L, 64_536, (string?)null), ordered[0]);
        Assert.All(ordered[1..], range => Assert.Equal((0L, "e"), (range.Offset % (64 << 10), range.IfMatch)));
        Assert.Equal(400_000, ordered.Sum(range => range.Length));
    }

    [Fact]
    public async Task No_more_ranges_are_in_flight_than_allowed()
    {
        int running = 0, most = 0;
        ScriptedObjectStore inner = new()
        {
            Read = async (_, _, offset, destination, _, _) =>
            {
                int now = Interlocked.Increment(ref running);
                InterlockedMax(ref most, now);
                await Task.Yield();
                ObjectReadResult result = await ServeAsync(offset, destination);
                Interlocked.Decrement(ref running);
                return result;
            },
        };
        await new SplittingObjectStore(inner, 16 << 10, 3).ReadAsync("a", 0, new byte[_object.Length], "e", default);
        Assert.InRange(most, 1, 3);
    }

    [Fact]
    public async Task A_failed_range_fails_the_read_after_all_ranges_ended()
    {
        int running = 0;
        ScriptedObjectStore inner = new()
        {
            Read = async (read, _, offset, destination, _, token) =>
            {
                Interlocked.Increment(ref running);
                try
                {
                    await Task.Yield();
                    if (read == 2)
                    {
                        throw new DataLayerException(ErrorCode.OriginUnavailable, "made up");
                    }

                    await Task.Delay(Timeout.Infinite, token);
                    return await ServeAsync(offset, destination);
                }
                finally
                {
                    Interlocked.Decrement(ref running);
                }
            },
        };
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(
            () => new SplittingObjectStore(inner, 64 << 10, 4).ReadAsync("a", 0, new byte[_object.Length], "e", default).AsTask());
        Assert.Equal(ErrorCode.OriginUnavailable, e.Code);
        Assert.Equal(0, running);
    }

    [Fact]
    public async Task A_range_of_another_version_fails_with_Stale()
    {
        ScriptedObjectStore inner = new()
        {
            Read = async (read, _, offset, destination, _, _) =>
                await ServeAsync(offset, destination) with { ETag = read == 0 ? "e" : "f" },
        };
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(
            () => new SplittingObjectStore(inner, 64 << 10, 4).ReadAsync("a", 0, new byte[_object.Length], null, default).AsTask());
        Assert.Equal(ErrorCode.Stale, e.Code);
    }

    [Fact]
    public async Task The_limit_holds_and_a_full_queue_is_refused()
    {
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        ScriptedObjectStore inner = new()
        {
            Read = async (_, _, offset, destination, _, _) =>
            {
                await gate.Task;
                return await ServeAsync(offset, destination);
            },
        };
        await using LimitedObjectStore store = new(inner, callLimit: 2, waiterLimit: 1);
        Task[] calls = [.. Enumerable.Range(0, 3).Select(_ => store.ReadAsync("a", 0, new byte[10], null, default).AsTask())];
        Assert.Equal(2, inner.ReadCount);
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => store.ReadAsync("a", 0, new byte[10], null, default).AsTask());
        Assert.Equal(ErrorCode.Overloaded, e.Code);
        gate.SetResult();
        await Task.WhenAll(calls);
        Assert.Equal(3, inner.ReadCount);
    }

    [Fact]
    public async Task A_waiter_that_gives_up_frees_its_place()
    {
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        ScriptedObjectStore inner = new()
        {
            Read = async (_, _, offset, destination, _, _) =>
            {
                await gate.Task;
                return await ServeAsync(offset, destination);
            },
        };
        await using LimitedObjectStore store = new(inner, callLimit: 1, waiterLimit: 1);
        Task first = store.ReadAsync("a", 0, new byte[10], null, default).AsTask();
        using CancellationTokenSource source = new();
        Task waiter = store.ReadAsync("a", 0, new byte[10], null, source.Token).AsTask();
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiter);
        Task next = store.ReadAsync("a", 0, new byte[10], null, default).AsTask();
        gate.SetResult();
        await Task.WhenAll(first, next);
    }

    [Fact]
    public void The_quantile_settles_where_95_of_100_samples_are_below()
    {
        LatencyQuantile quantile = new(0.95);
        Random random = new(5);
        List<double> recent = [];
        for (int i = 0; i < 20_000; i++)
        {
            double sample = Math.Exp(random.NextDouble() * 3) / 1000;
            quantile.Add(TimeSpan.FromSeconds(sample));
            recent.Add(sample);
        }

        double below = recent.Count(sample => sample < quantile.Value!.Value.TotalSeconds) / (double)recent.Count;
        Assert.InRange(below, 0.88, 0.99);
    }

    [Fact]
    public void The_quantile_says_nothing_before_it_has_seen_enough()
    {
        LatencyQuantile quantile = new(0.95);
        for (int i = 0; i < LatencyQuantile.WarmUpSamples; i++)
        {
            Assert.Null(quantile.Value);
            quantile.Add(TimeSpan.FromMilliseconds(i));
        }

        Assert.Equal(TimeSpan.FromMilliseconds(LatencyQuantile.WarmUpSamples - 1), quantile.Value);
    }

    [Fact]
    public async Task A_slow_read_is_asked_again_and_the_first_answer_counts()
    {
        using NativeBufferPool buffers = new(16 << 20);
        bool hang = false;
        ScriptedObjectStore inner = new()
        {
            Read = async (_, _, offset, destination, _, token) =>
            {
                if (hang)
                {
                    hang = false;
                    destination.Span.Fill(0xEE);
                    await Task.Delay(Timeout.Infinite, token);
                }

                return await ServeAsync(offset, destination);
            },
        };
        await using HedgedObjectStore store = new(inner, buffers, TimeProvider.System, TimeSpan.FromMilliseconds(1));
        await WarmUpAsync(store);
        hang = true;
        byte[] buffer = new byte[1000];
        ObjectReadResult result = await store.ReadAsync("a", 7, buffer, null, default);
        Assert.Equal(1000, result.BytesRead);
        Assert.Equal(_object.AsSpan(7, 1000).ToArray(), buffer);
        Assert.Equal((1L, 1L), (store.HedgeCount, store.WinCount));
    }

    [Fact]
    public async Task A_loser_never_writes_to_the_caller_s_buffer_after_the_call()
    {
        using NativeBufferPool buffers = new(16 << 20);
        TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int special = int.MaxValue;
        ScriptedObjectStore inner = new()
        {
            Read = async (read, _, offset, destination, _, token) =>
            {
                if (read == special)
                {
                    try
                    {
                        await Task.Delay(Timeout.Infinite, token);
                    }
                    catch (OperationCanceledException)
                    {
                        // A transport may still be writing when it learns that it was cancelled.
                        await Task.Yield();
                        destination.Span.Fill(0xEE);
                        ended.SetResult();
                        throw;
                    }
                }

                return await ServeAsync(offset, destination);
            },
        };
        await using HedgedObjectStore store = new(inner, buffers, TimeProvider.System, TimeSpan.FromMilliseconds(1));
        await WarmUpAsync(store);
        special = inner.ReadCount;
        byte[] buffer = new byte[1000];
        await store.ReadAsync("a", 0, buffer, null, default);
        Assert.True(ended.Task.IsCompleted);
        Assert.Equal(_object[..1000], buffer);
    }

    [Fact]
    public async Task Hedges_are_a_bounded_share_of_reads()
    {
        using NativeBufferPool buffers = new(16 << 20);
        bool slow = false;
        ScriptedObjectStore inner = new()
        {
            Read = async (_, _, offset, destination, _, token) =>
            {
                if (slow)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(3), token);
                }

                return await ServeAsync(offset, destination);
            },
        };
        await using HedgedObjectStore store = new(inner, buffers, TimeProvider.System, TimeSpan.FromTicks(1));
        await WarmUpAsync(store);
        slow = true;
        byte[][] targets = [.. Enumerable.Range(0, 8).Select(_ => new byte[1000])];
        for (int i = 0; i < 25; i++)
        {
            await Task.WhenAll(targets.Select(buffer => store.ReadAsync("a", 0, buffer, null, default).AsTask()));
        }

        Assert.InRange(store.HedgeCount, 1, HedgedObjectStore.BurstLimit + (200 / 20) + 1);
    }

    [Fact]
    public async Task If_both_fail_the_first_fault_is_reported()
    {
        using NativeBufferPool buffers = new(16 << 20);
        int special = int.MaxValue;
        ScriptedObjectStore inner = new()
        {
            Read = async (read, _, offset, destination, _, token) =>
            {
                if (read >= special)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(read == special ? 30 : 1), token);
                    throw new DataLayerException(ErrorCode.OriginUnavailable, read == special ? "first" : "second");
                }

                return await ServeAsync(offset, destination);
            },
        };
        await using HedgedObjectStore store = new(inner, buffers, TimeProvider.System, TimeSpan.FromMilliseconds(1));
        await WarmUpAsync(store);
        special = inner.ReadCount;
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(() => store.ReadAsync("a", 0, new byte[1000], null, default).AsTask());
        Assert.Equal("first", e.Message);
        Assert.Equal(0, buffers.RentedBytes);
    }

    private static async Task WarmUpAsync(HedgedObjectStore store)
    {
        for (int i = 0; i < LatencyQuantile.WarmUpSamples; i++)
        {
            await store.ReadAsync("a", 0, new byte[1000], null, default);
        }
    }

    private static void InterlockedMax(ref int location, int value)
    {
        int known;
        while ((known = Volatile.Read(ref location)) < value && Interlocked.CompareExchange(ref location, value, known) != known)
        {
            // Somebody else changed it: look again.
        }
    }

    private static ScriptedObjectStore Whole() => new() { Read = (_, _, offset, destination, _, _) => ServeAsync(offset, destination) };

    private static Task<ObjectReadResult> ServeAsync(long offset, Memory<byte> destination)
    {
        int count = (int)Math.Clamp(_object.Length - offset, 0, destination.Length);
        _object.AsMemory((int)Math.Min(offset, _object.Length), count).CopyTo(destination);
        return Task.FromResult(new ObjectReadResult(count, _object.Length, "e"));
    }
}
