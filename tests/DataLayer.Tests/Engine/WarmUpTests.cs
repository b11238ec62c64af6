using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Reading;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Engine;

/// <summary>Warm-ups beside readers: nothing is asked of the bucket twice, and readers go first.</summary>
public sealed class WarmUpTests
{
    private const int MiB = 1 << 20;

    [Theory]
    [InlineData(10_000)]
    [InlineData((5 * MiB) + 123)]
    public async Task A_warm_up_takes_what_a_reader_fetches_and_what_memory_holds(int size)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(size);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        fixture.Engine.Context.Fetches.BeginCold(); // Keeps the recalls of the read itself back.
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
        fixture.Probe.Reset();

        WarmResult warm = await fixture.Engine.WarmAsync("/data", false, null, CancellationToken.None);
        fixture.Engine.Context.Fetches.EndCold();

        Assert.Equal((1, 0), (warm.FilesDone, warm.Failed));
        Assert.Equal(0, fixture.Probe.Reads);
        await fixture.SettleAsync();
        await fixture.Engine.EvictAsync("/data", hotToo: false, CancellationToken.None);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
        Assert.Equal(0, fixture.Probe.Reads);
        await fixture.AssertCleanAsync();
    }

    [Theory]
    [InlineData(10_000)]
    [InlineData((5 * MiB) + 123)]
    public async Task A_reader_shares_what_a_warm_up_is_fetching(int size)
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(size);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        fixture.Probe.Hold();

        Task<WarmResult> warming = fixture.Engine.WarmAsync("/data", false, null, CancellationToken.None).AsTask();
        await fixture.Probe.FirstReadAsync();
        Task<byte[]> reading = fixture.ReadAllAsync("/data/o");
        fixture.Probe.Open();

        Assert.Equal(bytes, await reading);
        Assert.Equal(1, (await warming).FilesDone);
        Assert.Equal(size, fixture.Probe.ReadBytes);
        await fixture.SettleAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_warm_up_that_is_given_up_does_not_fail_the_reader_that_shares_its_fetch()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = BytesContent.Random(3 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        fixture.Probe.Hold();
        using CancellationTokenSource stop = new();

        Task<WarmResult> warming = fixture.Engine.WarmAsync("/data", false, null, stop.Token).AsTask();
        await fixture.Probe.FirstReadAsync();
        Task<byte[]> reading = fixture.ReadAllAsync("/data/o");
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => warming);
        fixture.Probe.Open();

        Assert.Equal(bytes, await reading);
        await fixture.SettleAsync();
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_step_waits_for_readers_but_not_for_ever()
    {
        FetchContext fetches = new(new DataLayer.Engine.Files.State.TransferBufferPool(0), 0);
        using ForegroundYield yields = new(fetches, TimeProvider.System, TimeSpan.FromMinutes(10));
        using ForegroundYield impatient = new(fetches, TimeProvider.System, TimeSpan.FromMilliseconds(1));
        Assert.Null(await yields.EnterAsync(CancellationToken.None));

        fetches.BeginCold();
        ValueTask<IDisposable?> first = yields.EnterAsync(CancellationToken.None);
        ValueTask<IDisposable?> second = yields.EnterAsync(CancellationToken.None);
        Assert.False(first.IsCompleted);
        using (IDisposable? turn = await impatient.EnterAsync(CancellationToken.None))
        {
            Assert.NotNull(turn);
        }

        fetches.EndCold();
        using (IDisposable? turn = await first)
        {
            Assert.NotNull(turn);
            Assert.False(second.IsCompleted); // One at a time.
        }

        (await second)?.Dispose();
    }
}
