using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;
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
        await using EngineFixture fixture = new()
        {
            Options = () => new FileEngineOptions { YieldPatience = TimeSpan.FromMilliseconds(1) },
        };
        await fixture.StartAsync();
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
    public async Task A_file_that_a_mount_wrote_and_nobody_flushed_is_hot()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        InodeAttributes folder = await fixture.Engine.MakeDirectoryAsync("/made", 0x1ED, false, CancellationToken.None);
        (_, OpenFile file) = await fixture.Engine.Nodes.CreateAndOpenAsync(
            folder.Inode, "f", new NodeOwner(0x1A4, 0, 0), CancellationToken.None);
        await using (file)
        {
            await file.WriteAsync(0, new byte[100], CancellationToken.None);
            WarmResult warm = await fixture.Engine.WarmAsync("/made", false, null, CancellationToken.None);
            Assert.Equal((1, 1, 0), (warm.FilesDone, warm.AlreadyHot, warm.Failed));
        }
    }

    [Fact]
    public async Task Turns_are_many_and_large_while_nobody_reads_and_one_small_piece_in_a_gap_while_somebody_does()
    {
        long reads = 0;
        FetchContext fetches = new(new DataLayer.Engine.Files.State.TransferBufferPool(0), 0);
        using ForegroundYield yields = new(
            fetches, () => Volatile.Read(ref reads), TimeProvider.System, TimeSpan.FromMinutes(10));
        using (ForegroundYield.Turn one = await yields.EnterAsync(isLarge: false, CancellationToken.None))
        using (ForegroundYield.Turn other = await yields.EnterAsync(isLarge: true, CancellationToken.None))
        {
            Assert.Equal(ForegroundYield.WideBytes, one.MaxBytes);
            Assert.False(other.ShallEnd);
            reads++; // Memory answered one.
            Assert.True(other.ShallEnd);
        }

        fetches.BeginCold();
        fetches.BeginRead(isForeground: true);
        ValueTask<ForegroundYield.Turn> first = yields.EnterAsync(isLarge: false, CancellationToken.None);
        ValueTask<ForegroundYield.Turn> second = yields.EnterAsync(isLarge: true, CancellationToken.None);
        Assert.False(first.IsCompleted);
        fetches.EndCold();
        Assert.False(first.IsCompleted);
        fetches.EndRead(isForeground: true);
        using (ForegroundYield.Turn turn = await first)
        {
            Assert.Equal(ForegroundYield.NarrowBytes, turn.MaxBytes);
            Assert.False(second.IsCompleted); // One at a time.
        }

        (await second).Dispose();
    }

    [Fact]
    public async Task Readers_that_leave_no_gap_hold_up_background_work_no_longer_than_its_patience()
    {
        FetchContext fetches = new(new DataLayer.Engine.Files.State.TransferBufferPool(0), 0);
        using ForegroundYield yields = new(fetches, () => 0, TimeProvider.System, TimeSpan.FromMilliseconds(1));
        fetches.BeginRead(isForeground: true);
        using ForegroundYield.Turn turn = await yields.EnterAsync(isLarge: true, CancellationToken.None);
        Assert.Equal(ForegroundYield.NarrowBytes, turn.MaxBytes);
    }

    [Fact]
    public async Task A_warm_up_beside_a_reader_goes_a_MiB_at_a_time_and_holds_no_writer_up()
    {
        await using EngineFixture fixture = new()
        {
            Options = () => new FileEngineOptions { YieldPatience = TimeSpan.FromMilliseconds(1) },
        };
        await fixture.StartAsync();
        byte[] bytes = BytesContent.Random((6 * MiB) + 123);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync();
        fixture.Engine.Context.Fetches.BeginRead(isForeground: true);
        WarmResult warm = await fixture.Engine.WarmAsync("/data", false, null, CancellationToken.None);
        fixture.Engine.Context.Fetches.EndRead(isForeground: true);

        Assert.Equal((1, 0), (warm.FilesDone, warm.Failed));
        Assert.Equal(7, fixture.Probe.Reads);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
        Assert.Equal(7, fixture.Probe.Reads);
        await fixture.AssertCleanAsync();
    }
}
