using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.TestSupport.Objects;

namespace DataLayer.Tests.Engine;

/// <summary>Recall behind cold reads: it waits for readers, reads back from the cache, and never stores what it is not sure of.</summary>
public sealed class RecallTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public async Task What_does_not_fit_the_cache_is_held_until_it_is_written()
    {
        await using EngineFixture fixture = new() { CacheBytes = MiB };
        await fixture.StartAsync();
        byte[] bytes = BytesContent.Random(5 * MiB);
        await fixture.PutObjectAsync("o", bytes);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        fixture.Engine.Context.Fetches.BeginCold();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
        fixture.Engine.Context.Fetches.EndCold();
        await fixture.SettleAsync();
        Assert.Equal(TierState.Premigrated, await StateAsync(fixture, "/data/o"));
        fixture.Probe.Reset();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/o"));
        Assert.Equal(0, fixture.Probe.Reads);
    }

    [Fact]
    public async Task What_was_read_cold_becomes_hot_when_the_readers_have_ended()
    {
        await using EngineFixture fixture = new() { CachePolicy = "guard" };
        await fixture.StartAsync();
        (byte[] large, byte[] small) = await AttachAsync(fixture);
        fixture.Engine.Context.Fetches.BeginCold();
        Assert.Equal(large, await fixture.ReadAllAsync("/data/large"));
        Assert.Equal(small, await fixture.ReadAllAsync("/data/small"));
        fixture.Engine.Context.Fetches.EndCold();
        await fixture.SettleAsync();
        Assert.Equal(TierState.Premigrated, await StateAsync(fixture, "/data/large"));
        Assert.Equal(TierState.Premigrated, await StateAsync(fixture, "/data/small"));
        await fixture.Engine.EvictAsync("/data", hotToo: false, CancellationToken.None);
        fixture.Probe.Reset();
        Assert.Equal(large, await fixture.ReadAllAsync("/data/large"));
        Assert.Equal(small, await fixture.ReadAllAsync("/data/small"));
        Assert.Equal(0, fixture.Probe.Reads);
    }

    [Fact]
    public async Task What_the_cache_dropped_before_its_turn_stays_cold_and_is_recalled_by_a_later_read()
    {
        await using EngineFixture fixture = new()
        {
            Options = () => new FileEngineOptions { RecallPatience = TimeSpan.FromMinutes(1) },
        };
        await fixture.StartAsync();
        (byte[] large, byte[] small) = await AttachAsync(fixture);
        fixture.Engine.Context.Fetches.BeginCold();
        Assert.Equal(large, await fixture.ReadAllAsync("/data/large"));
        Assert.Equal(small, await fixture.ReadAllAsync("/data/small"));

        // A reader has its bytes a moment before the cache has them.
        Assert.True(SpinWait.SpinUntil(() => IsInMemory(fixture, "/data/large") && IsInMemory(fixture, "/data/small"), 30_000));
        await fixture.Engine.EvictAsync("/data", hotToo: false, CancellationToken.None);
        fixture.Engine.Context.Fetches.EndCold();
        await fixture.SettleAsync();
        Assert.NotEqual(TierState.Premigrated, await StateAsync(fixture, "/data/large"));
        Assert.NotEqual(TierState.Premigrated, await StateAsync(fixture, "/data/small"));
        Assert.Equal(large, await fixture.ReadAllAsync("/data/large"));
        Assert.Equal(small, await fixture.ReadAllAsync("/data/small"));
        await fixture.SettleAsync();
        Assert.Equal(TierState.Premigrated, await StateAsync(fixture, "/data/large"));
        Assert.Equal(TierState.Premigrated, await StateAsync(fixture, "/data/small"));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task A_stream_puts_a_recall_off_after_its_last_fetch_too()
    {
        await using EngineFixture fixture = new()
        {
            Options = () => new FileEngineOptions { RecallPatience = TimeSpan.FromMinutes(1) },
        };
        await fixture.StartAsync();
        (byte[] large, _) = await AttachAsync(fixture);
        fixture.Engine.Context.Fetches.BeginCold();
        Assert.Equal(large, await fixture.ReadAllAsync("/data/large"));
        Assert.True(SpinWait.SpinUntil(() => IsInMemory(fixture, "/data/large"), 30_000));
        fixture.Engine.Context.Fetches.StreamReadAt = long.MaxValue / 2; // It reads on, and on.
        fixture.Engine.Context.Fetches.EndCold();

        // The recall waits, so what the cache drops now never gets there.
        await fixture.Engine.EvictAsync("/data", hotToo: false, CancellationToken.None);
        fixture.Engine.Context.Fetches.StreamReadAt = 0;
        await fixture.SettleAsync();
        Assert.NotEqual(TierState.Premigrated, await StateAsync(fixture, "/data/large"));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Readers_without_end_put_a_recall_off_for_a_second_only()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        (byte[] large, _) = await AttachAsync(fixture);
        fixture.Engine.Context.Fetches.BeginCold();
        Assert.Equal(large, await fixture.ReadAllAsync("/data/large"));
        await fixture.SettleAsync();
        Assert.Equal(TierState.Premigrated, await StateAsync(fixture, "/data/large"));
        fixture.Engine.Context.Fetches.EndCold();
    }

    private static async Task<(byte[] Large, byte[] Small)> AttachAsync(EngineFixture fixture)
    {
        byte[] large = BytesContent.Random((5 * MiB) + 123);
        byte[] small = BytesContent.Random(10_000);
        await fixture.PutObjectAsync("large", large);
        await fixture.PutObjectAsync("small", small);
        await fixture.AttachAsync(AttachmentMode.ReadOnly);
        return (large, small);
    }

    private static bool IsInMemory(EngineFixture fixture, string path) =>
        fixture.Engine.DescribeAsync(path, CancellationToken.None).AsTask().GetAwaiter().GetResult() is var file
        && file.MemoryBlocks == file.BlockCount;

    private static async Task<TierState> StateAsync(EngineFixture fixture, string path) =>
        (await fixture.Engine.StatAsync(path, true, CancellationToken.None)).State;
}
