using DataLayer.Core.Errors;
using DataLayer.Core.Memory;
using DataLayer.Core.Objects;
using DataLayer.Storage.Objects;
using DataLayer.Storage.Objects.Decorators;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Objects;

public sealed class RetryPolicyTests
{
    [Theory]
    [InlineData(ErrorCode.OriginUnavailable)]
    [InlineData(ErrorCode.TimedOut)]
    [InlineData(ErrorCode.Corrupt)]
    [InlineData(ErrorCode.Overloaded)]
    public async Task What_may_pass_is_tried_again(ErrorCode code)
    {
        int calls = 0;
        int result = await Policy().RunAsync(0, (_, attempt, _) => ++calls < 3 ? throw Fault(code) : new ValueTask<int>(attempt), default);
        Assert.Equal(2, result);
    }

    [Theory]
    [InlineData(ErrorCode.NotFound)]
    [InlineData(ErrorCode.PermissionDenied)]
    [InlineData(ErrorCode.Stale)]
    [InlineData(ErrorCode.InvalidArgument)]
    [InlineData(ErrorCode.NoSpace)]
    public async Task What_will_not_pass_is_reported_at_once(ErrorCode code)
    {
        int calls = 0;
        DataLayerException e = await FailAsync(Policy(), () => calls++, code);
        Assert.Equal((code, 1), (e.Code, calls));
    }

    [Fact]
    public async Task The_last_fault_comes_out_with_the_number_of_attempts()
    {
        int calls = 0;
        DataLayerException e = await FailAsync(Policy(attempts: 4), () => calls++, ErrorCode.TimedOut);
        Assert.Equal(4, calls);
        Assert.Equal(ErrorCode.TimedOut, e.Code);
        Assert.Contains("Gave up after 4 attempts", e.Message, StringComparison.Ordinal);
        Assert.Contains("made up", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_dead_server_sees_no_more_retries_than_the_budget()
    {
        RetryPolicy policy = Policy(budget: 7);
        int calls = 0;
        for (int i = 0; i < 100; i++)
        {
            await FailAsync(policy, () => Interlocked.Increment(ref calls), ErrorCode.OriginUnavailable);
        }

        Assert.Equal(100 + 7, calls);
        Assert.Equal(7, policy.RetryCount);
    }

    [Fact]
    public async Task Ten_answers_give_back_one_retry()
    {
        RetryPolicy policy = Policy(budget: 3);
        int calls = 0;
        for (int i = 0; i < 3; i++)
        {
            await FailAsync(policy, () => calls++, ErrorCode.OriginUnavailable);
        }

        Assert.Equal(6, calls);
        for (int i = 0; i < 10; i++)
        {
            await policy.RunAsync(0, (_, _, _) => new ValueTask<int>(1), default);
        }

        calls = 0;
        await FailAsync(policy, () => calls++, ErrorCode.OriginUnavailable);
        Assert.Equal(2, calls);
    }

    [Fact]
    public async Task A_wait_that_would_pass_the_deadline_is_not_begun()
    {
        RetryPolicy policy = new(
            new ObjectStoreOptions
            {
                Name = "a",
                Kind = "s3",
                Deadline = TimeSpan.FromMilliseconds(1),
                RetryDelay = TimeSpan.FromHours(1),
                MaximumRetryDelay = TimeSpan.FromHours(1),
            },
            TimeProvider.System);
        int calls = 0;
        DataLayerException e = await FailAsync(policy, () => calls++, ErrorCode.OriginUnavailable);
        Assert.Equal(1, calls);
        Assert.Contains("deadline", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancellation_ends_a_wait()
    {
        RetryPolicy policy = new(
            new ObjectStoreOptions
            {
                Name = "a",
                Kind = "s3",
                Deadline = TimeSpan.FromDays(1),
                RetryDelay = TimeSpan.FromHours(10),
                MaximumRetryDelay = TimeSpan.FromHours(10),
            },
            TimeProvider.System);
        using CancellationTokenSource source = new();
        ValueTask<int> run = policy.RunAsync<int, int>(
            0,
            (_, _, _) =>
            {
                source.Cancel();
                throw Fault(ErrorCode.OriginUnavailable);
            },
            source.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await run);
    }

    [Fact]
    public async Task A_lost_acknowledgement_of_a_conditional_write_is_recognised()
    {
        byte[] bytes = BytesContent.Random(3_000_000);
        byte[]? stored = null;
        ScriptedObjectStore inner = Bucket(() => stored, content =>
        {
            if (stored is not null)
            {
                throw Fault(ErrorCode.Stale);
            }

            stored = content;
            throw Fault(ErrorCode.OriginUnavailable);
        });
        using NativeBufferPool buffers = new(16 << 20);
        RetryingObjectStore store = new(inner, Policy(), buffers);
        ObjectProperties written = await store.PutAsync("a", bytes, new ObjectWriteCondition(IfAbsent: true));
        Assert.Equal(bytes.Length, written.SizeBytes);
    }

    [Fact]
    public async Task Somebody_else_s_object_is_not_taken_for_our_own()
    {
        byte[] bytes = BytesContent.Random(1000, 1);
        byte[] other = BytesContent.Random(1000, 2);
        int calls = 0;
        ScriptedObjectStore inner = Bucket(
            () => other, _ => throw Fault(calls++ == 0 ? ErrorCode.OriginUnavailable : ErrorCode.Stale));
        using NativeBufferPool buffers = new(16 << 20);
        RetryingObjectStore store = new(inner, Policy(), buffers);
        DataLayerException e = await Assert.ThrowsAsync<DataLayerException>(
            () => store.PutAsync("a", bytes, new ObjectWriteCondition(IfAbsent: true)).AsTask());
        Assert.Equal(ErrorCode.Stale, e.Code);
    }

    [Fact]
    public async Task A_condition_that_fails_the_first_time_is_not_questioned()
    {
        ScriptedObjectStore inner = Bucket(() => throw new InvalidOperationException("must not be asked"), _ => throw Fault(ErrorCode.Stale));
        using NativeBufferPool buffers = new(16 << 20);
        RetryingObjectStore store = new(inner, Policy(), buffers);
        await Assert.ThrowsAsync<DataLayerException>(() => store.PutAsync("a", new byte[1], new ObjectWriteCondition(IfAbsent: true)).AsTask());
    }

    private static ScriptedObjectStore Bucket(Func<byte[]?> stored, Func<byte[], ObjectProperties> write) => new()
    {
        Head = key => Task.FromResult<ObjectProperties?>(
            stored() is { } bytes ? new ObjectProperties(key, bytes.Length, "e", DateTimeOffset.UnixEpoch) : null),
        Read = (_, _, offset, destination, _, _) =>
        {
            stored()!.AsMemory((int)offset, destination.Length).CopyTo(destination);
            return Task.FromResult(new ObjectReadResult(destination.Length, stored()!.Length, "e"));
        },
        Write = async (_, content, _) =>
        {
            byte[] bytes = new byte[content.LengthBytes];
            await content.ReadExactlyAsync(0, bytes, default);
            return write(bytes);
        },
    };

    private static RetryPolicy Policy(int attempts = 5, int budget = 100) => new(
        new ObjectStoreOptions { Name = "a", Kind = "s3", AttemptLimit = attempts, RetryBudget = budget, RetryDelay = TimeSpan.Zero },
        TimeProvider.System);

    private static DataLayerException Fault(ErrorCode code) => new(code, "made up");

    private static Task<DataLayerException> FailAsync(RetryPolicy policy, Action called, ErrorCode code) =>
        Assert.ThrowsAsync<DataLayerException>(() => policy.RunAsync<int, int>(
            0,
            (_, _, _) =>
            {
                called();
                throw Fault(code);
            },
            default).AsTask());
}
